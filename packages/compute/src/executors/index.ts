import { ExecutorError } from '../capture/errors.js';
import type { Executor } from './executor.js';
import { onnxExecutor } from './onnx/executor.js';
import { onnxProblem } from './onnx/runtime.js';
import { tensorFlowExecutor } from './tensorflow/executor.js';
import { tensorFlowProblem } from './tensorflow/library.js';

export type ExecutorName = Executor['name'];

const sources = {
  tensorflow: { find: tensorFlowExecutor, problem: tensorFlowProblem },
  onnx: { find: onnxExecutor, problem: onnxProblem },
} as const;

/** Executors of this machine, best for training first. */
export function availableExecutors(): Executor[] {
  return [tensorFlowExecutor(), onnxExecutor()].filter((executor) => executor !== undefined);
}

/** What can run captured functions here, best for training first; empty when only eager TensorFlow.js is left. */
export function executorNames(): ExecutorName[] {
  return availableExecutors().map(({ name }) => name);
}

/** @throws {ExecutorError} saying what is missing */
export function needExecutor(name: ExecutorName): Executor {
  const executor = sources[name].find();
  if (executor === undefined) {
    throw new ExecutorError(name, `no ${name} executor: ${sources[name].problem()}`);
  }
  return executor;
}
