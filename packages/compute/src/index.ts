import '#gradients';

export { type BackendName, backendNames } from './backends/names.js';
export {
  type CapturedFunction,
  type CaptureOptions,
  capture,
  type Feed,
  type InputSpec,
} from './capture/capture.js';
export { CaptureError, ExecutorError, FeedError } from './capture/errors.js';
export { inOneCall, type OneCallOptions } from './capture/one-call.js';
export { isCapturing } from './capture/trace.js';
export { allReduceMean } from './distributed/all-reduce.js';
export { type Cluster, type ClusterOptions, joinCluster } from './distributed/cluster.js';
export { ClusterError } from './distributed/errors.js';
export {
  BackendUnavailableError,
  GptLineageError,
  InvalidArgumentError,
  OptimizerStateError,
} from './errors.js';
export { type ExecutorName, executorNames } from './executors/index.js';
export { useOnnxRuntime } from './executors/onnx/runtime.js';
export { ExportError } from './export/errors.js';
export { type AnyCaptured, exportOnnx, type OnnxExportOptions, saveOnnx } from './export/onnx.js';
export { type SavedModelSignature, saveSavedModel } from './export/saved-model.js';
export { type ComputeInfo, computeInfo, type InitOptions, initCompute } from './init.js';
export {
  type CachedAttentionInput,
  type CachedAttentionOptions,
  type CachedAttentionResult,
  cachedAttention,
} from './ops/cached-attention.js';
export { type CrossEntropyOptions, softmaxCrossEntropy } from './ops/cross-entropy.js';
export { dropout, type Seed, statelessUniform } from './ops/dropout.js';
export { embedding } from './ops/embedding.js';
export { gelu, quickGelu } from './ops/gelu.js';
export { type Clipped, clipByGlobalNorm, clipFactor, globalNorm, type TensorMap } from './ops/global-norm.js';
export { layerNorm } from './ops/layer-norm.js';
export { type LinearOptions, linear } from './ops/linear.js';
export { type LinearCrossEntropyOptions, linearCrossEntropy } from './ops/linear-cross-entropy.js';
export { type CausalSoftmaxOptions, causalSoftmax, logSoftmax, softmax } from './ops/softmax.js';
export { GradientAccumulator } from './optim/accumulate.js';
export { AdamW, type AdamWOptions } from './optim/adamw.js';
export {
  type ApplyOptions,
  type GradientMap,
  type NoDecay,
  Optimizer,
  type OptimizerState,
  type VariableMap,
  vectorsOnly,
} from './optim/optimizer.js';
export {
  constantSchedule,
  cosineSchedule,
  type DecayOptions,
  linearSchedule,
  type Schedule,
  type WSDOptions,
  warmup,
  wsdSchedule,
} from './optim/schedules.js';
export { SGD, type SGDOptions } from './optim/sgd.js';
