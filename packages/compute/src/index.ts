import '#gradients';

export { type BackendName, backendNames } from './backends/names.js';
export {
  BackendUnavailableError,
  GptLineageError,
  InvalidArgumentError,
  OptimizerStateError,
} from './errors.js';
export { type ComputeInfo, computeInfo, type InitOptions, initCompute } from './init.js';
