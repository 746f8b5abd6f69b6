import { tensorFlowExecutor } from '../src/executors/tensorflow/executor.js';
import { tensorFlowProblem } from '../src/executors/tensorflow/library.js';

/** The executors this machine can run; each missing one is reported, not passed over in silence. */
export const executors: ('tensorflow' | 'onnx' | 'eager')[] = ['eager'];

export const tensorFlowMissing = tensorFlowExecutor() === undefined ? tensorFlowProblem() : '';
if (tensorFlowMissing === '') executors.push('tensorflow');
else console.warn(`tests on the TensorFlow executor are skipped: ${tensorFlowMissing}`);
