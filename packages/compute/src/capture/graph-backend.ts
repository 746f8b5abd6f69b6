import * as tf from '@tensorflow/tfjs-core';
import { backendOf, currentOp, engine } from './engine.js';
import { CaptureError } from './errors.js';
import {
  constantNode,
  type GraphDtype,
  type HostArray,
  type Meta,
  makeNode,
  toHostArray,
  type Value,
} from './graph.js';
import { fill } from './kernels/emit.js';
import { kernelRules } from './kernels/index.js';

export const graphBackendName = 'gpt-lineage-graph';

/** Data that a `tf.Tensor` of this backend stands for. */
type Entry = { shape: readonly number[]; dtype: tf.DataType; refCount: number } & (
  | { kind: 'symbol'; value: Value }
  | { kind: 'host'; values: HostArray }
  | { kind: 'store'; source: StoredData }
);

/** Data that lives in an executor, such as a variable's current value. */
export interface StoredData {
  read(): HostArray;
  /** No tensor refers to the data any more. */
  release(): void;
}

/**
 * A TensorFlow.js backend without arithmetic. While a function is traced, its kernels append nodes to a graph and its
 * tensors are values of that graph. Outside a trace it holds results and variables of captured functions: TensorFlow.js
 * moves such a tensor to the eager backend by itself when an eager kernel asks for it, as it does between any two
 * backends.
 */
export class GraphBackend extends tf.KernelBackend {
  private readonly entries = new Map<object, Entry>();
  private readonly external = new Map<object, Value>();
  private readonly variables = new Map<tf.Variable, Value>();
  /** True while a function is being traced. */
  tracing = false;

  /** Forgets the symbols of the last trace. */
  reset(): void {
    this.external.clear();
    this.variables.clear();
    for (const [dataId, entry] of this.entries) {
      if (entry.kind === 'symbol') this.entries.delete(dataId);
    }
  }

  /** The graph's value for a tensor that a kernel received. */
  resolve(tensor: tf.TensorInfo): Value {
    const entry = this.entries.get(tensor.dataId as object);
    if (entry?.kind === 'symbol') return entry.value;
    if (tensor instanceof tf.Variable) return this.variableValue(tensor);
    const known = this.external.get(tensor.dataId as object);
    if (known !== undefined) return known;
    const value = this.externalConstant(tensor);
    this.external.set(tensor.dataId as object, value);
    return value;
  }

  variableValue(variable: tf.Variable): Value {
    let value = this.variables.get(variable);
    if (value === undefined) {
      const meta = { shape: variable.shape, dtype: graphDtype(variable.dtype, 'variable') };
      value = makeNode('Variable', [], {}, [meta], { variable }).outputs[0]!;
      this.variables.set(variable, value);
    }
    return value;
  }

  private externalConstant(tensor: tf.TensorInfo): Value {
    if (backendOf(tensor) === undefined) {
      throw new CaptureError(
        currentOp('capture'),
        'a captured function uses a tensor that is already disposed; keep it alive or pass it as an argument',
      );
    }
    const dtype = graphDtype(tensor.dtype, currentOp('capture'));
    const { dataId } = tensor;
    // Read now: the caller may dispose of the tensor before an executor needs it.
    const values = toHostArray(dtype, engine().readSync(dataId as object) as ArrayLike<number>);
    return constantNode(values, tensor.shape, dtype);
  }

  /** A new tensor handle for a value of the graph. */
  symbol(value: Value): tf.TensorInfo {
    const dataId = {};
    const shape = [...value.shape];
    this.entries.set(dataId, { kind: 'symbol', value, shape, dtype: value.dtype, refCount: 1 });
    return { dataId, shape, dtype: value.dtype };
  }

  /** A tensor over host memory that is handed out as it is: no copy until an eager kernel uses it. */
  hostTensor(values: HostArray, meta: Meta): tf.Tensor {
    const dataId = {};
    const shape = [...meta.shape];
    this.entries.set(dataId, { kind: 'host', values, shape, dtype: meta.dtype, refCount: 1 });
    return engine().makeTensorFromTensorInfo({ dataId, shape, dtype: meta.dtype }, this);
  }

  /** Makes `variable` refer to data in an executor; its eager copy is freed. */
  adopt(variable: tf.Variable, source: StoredData): object {
    const dataId = {};
    engine().disposeTensor(variable);
    this.entries.set(dataId, {
      kind: 'store',
      source,
      shape: variable.shape,
      dtype: variable.dtype,
      refCount: 1,
    });
    (variable as { dataId: object }).dataId = dataId;
    engine().trackTensor(variable, this);
    return dataId;
  }

  owns(dataId: object): boolean {
    return this.entries.has(dataId);
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    const type = graphDtype(dtype, currentOp('tensor'));
    const host = toHostArray(type, values as ArrayLike<number>);
    if (!this.tracing) {
      this.entries.set(dataId, { kind: 'host', values: host, shape, dtype, refCount: 1 });
      return dataId;
    }
    const value = uniform(host)
      ? fill(shape, host[0]!, type)
      : constantNode(host === values ? host.slice() : host, shape, type);
    this.entries.set(dataId, { kind: 'symbol', value, shape, dtype, refCount: 1 });
    return dataId;
  }

  override move(
    dataId: object,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    const host = toHostArray(graphDtype(dtype, 'tensor'), values as ArrayLike<number>);
    this.entries.set(dataId, { kind: 'host', values: host, shape, dtype, refCount });
  }

  override readSync(dataId: object): tf.BackendValues {
    const entry = this.entries.get(dataId);
    if (entry?.kind === 'host') return entry.values as tf.BackendValues;
    if (entry?.kind === 'store') return entry.source.read() as tf.BackendValues;
    const producer = entry === undefined ? 'a finished trace' : opName(entry.value);
    throw new CaptureError(
      producer,
      `the value of ${producer} was read inside a captured function (dataSync, arraySync, data, print or a ` +
        'branch on it); a graph has no values yet: return the tensor instead, or choose with tf.where',
    );
  }

  override async read(dataId: object): Promise<tf.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object, force = false): boolean {
    const entry = this.entries.get(dataId);
    if (entry === undefined) return true;
    entry.refCount -= 1;
    if (!force && entry.refCount > 0) return false;
    // Symbols stay until the trace ends: a variable may have been assigned one whose tensor is gone.
    if (entry.kind === 'symbol') return true;
    this.entries.delete(dataId);
    if (entry.kind === 'store') entry.source.release();
    return true;
  }

  override refCount(dataId: object): number {
    return this.entries.get(dataId)?.refCount ?? 0;
  }

  override incRef(dataId: object): void {
    const entry = this.entries.get(dataId);
    if (entry !== undefined) entry.refCount += 1;
  }

  override numDataIds(): number {
    return this.entries.size;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return false;
  }

  override dispose(): void {
    this.entries.clear();
    this.reset();
  }
}

function uniform(values: HostArray): boolean {
  if (values.length === 0) return false;
  const first = values[0];
  return values.every((value) => Object.is(value, first));
}

function opName(value: Value): string {
  return value.node.op === 'Feed' ? 'an argument' : value.node.op;
}

export function graphDtype(dtype: tf.DataType, op: string): GraphDtype {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new CaptureError(op, `${op}: ${dtype} tensors cannot be captured; use float32, int32 or bool`);
}

let instance: GraphBackend | undefined;

/** Registers the backend and its kernels the first time. */
export function graphBackend(): GraphBackend {
  if (instance !== undefined) return instance;
  const known = tf.findBackend(graphBackendName);
  if (known !== null) {
    instance = known as GraphBackend;
    return instance;
  }
  const backend = new GraphBackend();
  tf.registerBackend(graphBackendName, () => backend, -1);
  for (const [kernelName, rule] of kernelRules()) {
    tf.registerKernel({
      kernelName,
      backendName: graphBackendName,
      kernelFunc: ({ inputs, attrs }) => {
        const named: Record<string, Value | undefined> = {};
        for (const [name, tensor] of Object.entries(inputs)) {
          if (tensor !== undefined && tensor !== null) named[name] = backend.resolve(tensor);
        }
        const list = Array.isArray(inputs) ? (inputs as tf.TensorInfo[]).map((t) => backend.resolve(t)) : [];
        const out = rule({ kernel: kernelName, inputs: named, list, attrs: attrs ?? {} });
        return Array.isArray(out) ? out.map((v) => backend.symbol(v)) : backend.symbol(out);
      },
    });
  }
  instance = backend;
  return backend;
}
