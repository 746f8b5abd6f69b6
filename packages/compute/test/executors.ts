import { onnxExecutor } from '../src/executors/onnx/executor.js';
import { onnxProblem } from '../src/executors/onnx/runtime.js';
import { tensorFlowExecutor } from '../src/executors/tensorflow/executor.js';
import { tensorFlowProblem } from '../src/executors/tensorflow/library.js';

/** Why an executor is not there, or '' when it is. */
export const missing = {
  tensorflow: tensorFlowExecutor() === undefined ? tensorFlowProblem() : '',
  onnx: onnxExecutor() === undefined ? onnxProblem() : '',
};

/** The executors this machine can run; each missing one is reported, not passed over in silence. */
export const executors: ('tensorflow' | 'onnx' | 'eager')[] = ['eager'];
for (const name of ['tensorflow', 'onnx'] as const) {
  if (missing[name] === '') executors.push(name);
  else console.warn(`tests on the ${name} executor are skipped: ${missing[name]}`);
}

/** Executors that run graphs of their own, as opposed to eager TensorFlow.js. */
export const graphExecutors = executors.filter((name) => name !== 'eager');
