import * as tf from '@tensorflow/tfjs-core';

/** Runs one raw TensorFlow op through tfjs-node. Attributes that follow from the inputs may be left out. */
export interface RawTensorFlow {
  one(op: string, inputs: readonly tf.Tensor[], attrs?: Record<string, RawAttr>): tf.Tensor;
  many(op: string, inputs: readonly tf.Tensor[], count: number, attrs?: Record<string, RawAttr>): tf.Tensor[];
}

export type RawAttr =
  | boolean
  | number
  | { readonly int: number | readonly number[] }
  | { readonly type: tf.DataType };

type Named = Record<string, tf.Tensor>;
// biome-ignore lint/suspicious/noExplicitAny: kernel attributes are untyped in tfjs too
type Attrs = any;

/**
 * One fused kernel: a name in tfjs's own registry, so that whoever watches kernels (profilers, graph capture) sees
 * one operation; a composite of standard kernels that is right on every backend; and, where measuring showed that
 * it pays, raw TensorFlow ops.
 */
export interface FusedKernel<I extends Named = Named, A = Attrs> {
  readonly name: string;
  composite(inputs: I, attrs: A): tf.Tensor | tf.Tensor[];
  tensorflow?(raw: RawTensorFlow, inputs: I, attrs: A): tf.Tensor | tf.Tensor[];
  /** Lazily evaluated gradients by input name; absent for kernels used only inside `tf.customGrad`. */
  readonly gradient?: Pick<tf.GradConfig, 'inputsToSave' | 'outputsToSave' | 'gradFunc'>;
}

const kernels = new Map<string, FusedKernel>();
const backends = ['cpu', 'wasm', 'webgpu', 'webgl', 'tensorflow'];

/** Registers a fused kernel on every backend we know, once per process whatever the number of module copies. */
export function defineKernel<I extends Named, A>(kernel: FusedKernel<I, A>): FusedKernel<I, A> {
  kernels.set(kernel.name, kernel as FusedKernel);
  for (const backend of backends) register(kernel as FusedKernel, backend);
  if (kernel.gradient !== undefined && tf.getGradient(kernel.name) === undefined) {
    tf.registerGradient({ kernelName: kernel.name, ...kernel.gradient });
  }
  return kernel;
}

/** Gives another backend (a tracing one, say) the composites of all fused kernels. */
export function registerFusedKernels(backendName: string): void {
  for (const kernel of kernels.values()) register(kernel, backendName);
}

function register(kernel: FusedKernel, backendName: string): void {
  if (tf.getKernel(kernel.name, backendName) !== undefined) return;
  const native = backendName === 'tensorflow' ? kernel.tensorflow : undefined;
  tf.registerKernel({
    kernelName: kernel.name,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) =>
      tf.tidy(() =>
        native === undefined
          ? kernel.composite(inputs as Named, attrs)
          : native(rawTensorFlow(backend as NodeBackend), inputs as Named, attrs),
      ),
  });
}

/** Calls a registered kernel; inputs that are undefined are left out. */
export function runKernel<T extends tf.Tensor | tf.Tensor[]>(
  name: string,
  inputs: Record<string, tf.Tensor | undefined>,
  attrs: object = {},
): T {
  const given = Object.fromEntries(Object.entries(inputs).filter(([, t]) => t !== undefined)) as Named;
  return tf.engine().runKernel(name, given, attrs as tf.NamedAttrMap) as T;
}

interface NodeBackend {
  readonly binding: Record<'TF_ATTR_BOOL' | 'TF_ATTR_INT' | 'TF_ATTR_FLOAT' | 'TF_ATTR_TYPE', number>;
  getDTypeInteger(dtype: tf.DataType): number;
  executeSingleOutput(op: string, attrs: object[], inputs: readonly tf.Tensor[]): tf.Tensor;
  executeMultipleOutputs(op: string, attrs: object[], inputs: readonly tf.Tensor[], n: number): tf.Tensor[];
}

function rawTensorFlow(backend: NodeBackend): RawTensorFlow {
  const encode = (attrs: Record<string, RawAttr>) =>
    Object.entries(attrs).map(([name, value]) => {
      const { binding } = backend;
      if (typeof value === 'boolean') return { name, type: binding.TF_ATTR_BOOL, value };
      if (typeof value === 'number') return { name, type: binding.TF_ATTR_FLOAT, value };
      if ('int' in value) return { name, type: binding.TF_ATTR_INT, value: value.int };
      return { name, type: binding.TF_ATTR_TYPE, value: backend.getDTypeInteger(value.type) };
    });
  return {
    one: (op, inputs, attrs = {}) => backend.executeSingleOutput(op, encode(attrs), inputs),
    many: (op, inputs, count, attrs = {}) => backend.executeMultipleOutputs(op, encode(attrs), inputs, count),
  };
}
