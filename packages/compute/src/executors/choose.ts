import type { Program } from '../capture/graph.js';
import type { CompileOptions, Executor } from './executor.js';
import { availableExecutors } from './index.js';
import { readsWeightsOnce } from './program.js';

/** Executors worth trying for a program, best first. */
export function candidates(program: Program, options: CompileOptions, sync: boolean): Executor[] {
  const all = availableExecutors();
  if (sync) return all.filter((executor) => executor.name !== 'onnx');
  const onnxFirst = options.weights !== 'float32' || readsWeightsOnce(program);
  return onnxFirst ? [...all].reverse() : all;
}
