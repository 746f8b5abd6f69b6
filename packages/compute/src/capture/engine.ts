import * as tf from '@tensorflow/tfjs-core';

/**
 * The parts of TensorFlow.js's engine that capture relies on beyond its public types. All exist in 4.x; they are
 * listed here so that an upgrade has one place to look at.
 */
interface EngineInternals {
  backendName: string;
  backend: tf.KernelBackend;
  registeredVariables: Record<string, tf.Variable>;
  state: {
    activeScope: { name: string } | null;
    tensorInfo: WeakMap<object, { backend: tf.KernelBackend }>;
  };
  makeTensorFromTensorInfo(info: tf.TensorInfo, backend?: tf.KernelBackend): tf.Tensor;
  makeVariable(initialValue: tf.Tensor, trainable?: boolean, name?: string, dtype?: tf.DataType): tf.Variable;
  trackTensor(tensor: tf.Tensor, backend: tf.KernelBackend): void;
  disposeTensor(tensor: tf.Tensor): void;
  /** A gradient is being recorded, and not within an operation that has its own. */
  isTapeOn(): boolean;
  readSync(dataId: object): tf.BackendValues;
  setBackend(name: string): Promise<boolean>;
}

export function engine(): EngineInternals {
  return tf.engine() as unknown as EngineInternals;
}

/** The operation being run (`tf.matMul` → `'matMul'`), for error messages. */
export function currentOp(fallback: string): string {
  return engine().state.activeScope?.name.replace(/__op$/, '') ?? fallback;
}

/** The backend that owns a tensor's data, or undefined once it is disposed. */
export function backendOf(tensor: tf.TensorInfo): tf.KernelBackend | undefined {
  return engine().state.tensorInfo.get(tensor.dataId as object)?.backend;
}
