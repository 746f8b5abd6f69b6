import os from 'node:os';
import { describe, expect, it } from 'vitest';
import { loadOnnxRuntime } from '../src/executors/onnx/runtime.js';
import { coresOf, onnxThreads } from '../src/executors/onnx/threads.js';
import { inProcess } from './helpers/in-process.js';

/** A Linux machine whose processors 0, 1, … have these siblings. */
function machine(siblings: readonly string[], allowed: string) {
  return (path: string) => {
    if (path === '/proc/self/status')
      return `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${allowed}\nMems_allowed:\t1\n`;
    const cpu = /^\/sys\/devices\/system\/cpu\/cpu(\d+)\/topology\/thread_siblings_list$/.exec(path)?.[1];
    const list = siblings[Number(cpu)];
    if (list === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return `${list}\n`;
  };
}

describe('cores for ONNX Runtime', () => {
  it('counts cores that run one thread each', () => {
    expect(coresOf(machine(['0', '1'], '0-1'))).toBe(2);
  });

  it('counts two threads of one core once', () => {
    expect(coresOf(machine(['0,4', '1,5', '2,6', '3,7', '0,4', '1,5', '2,6', '3,7'], '0-7'))).toBe(4);
    expect(coresOf(machine(['0-1', '0-1', '2-3', '2-3'], '0-3'))).toBe(2);
  });

  it('counts only what the process may use', () => {
    expect(coresOf(machine(['0,4', '1,5', '2,6', '3,7', '0,4', '1,5', '2,6', '3,7'], '0,2-4'))).toBe(3);
  });

  it('leaves the choice to the runtime where the system tells nothing', () => {
    expect(coresOf(machine([], '0-1'))).toBe(0);
    expect(coresOf(() => 'Name:\tnode\n')).toBe(0);
    expect(
      coresOf(() => {
        throw new Error('EACCES');
      }),
    ).toBe(0);
  });

  const isHere = process.platform === 'linux' && os.availableParallelism() > 1;
  const canRun = isHere && loadOnnxRuntime() !== undefined;
  if (!canRun) console.log('skipped: one processor, or not Linux, or no ONNX Runtime');
  it.skipIf(!canRun)('starts a thread for each core but the caller’s', () => {
    const count = (threads: number) =>
      Number(
        inProcess(`
          import fs from 'node:fs';
          import '@tensorflow/tfjs-backend-cpu';
          const step = capture((x) => tf.matMul(x, x), { executor: 'onnx', threads: ${threads} });
          await step(tf.ones([8, 8]));
          console.log(fs.readdirSync('/proc/self/task').length);
          process.exit(0);`).out,
      );
    expect(count(0) - count(1)).toBe(onnxThreads() - 1);
  });
});
