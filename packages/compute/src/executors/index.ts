import { ExecutorError } from '../capture/errors.js';
import type { Executor } from './executor.js';
import { tensorFlowExecutor } from './tensorflow/executor.js';
import { tensorFlowProblem } from './tensorflow/library.js';

export type ExecutorName = Executor['name'];

/** The executor with this name, or what `'auto'` means here. */
export function findExecutor(name: ExecutorName | 'auto' | 'eager'): Executor | 'eager' {
  if (name === 'eager') return 'eager';
  if (name === 'tensorflow' || name === 'auto') {
    const executor = tensorFlowExecutor();
    if (executor !== undefined) return executor;
    if (name === 'tensorflow')
      throw new ExecutorError(name, `no TensorFlow executor: ${tensorFlowProblem()}`);
  }
  return 'eager';
}
