import { ConfigError } from '../errors.js';
import { WorkerPool } from '../worker-pool.js';
import type { ResolvedConfig } from './config.js';
import { runTask } from './run-task.js';
import type { Task, TaskContext } from './task.js';

/** Runs the tasks of a stage somewhere. The order they run in does not matter. */
export interface Executor {
  /** @param onDone called with each task as it is finished (its receipt is then written) */
  run(context: TaskContext, tasks: readonly Task[], onDone: (task: Task) => void): Promise<void>;
  close(): Promise<void>;
}

/** In this thread, one after the other. */
export const inlineExecutor = (): Executor => ({
  async run(context, tasks, onDone) {
    for (const task of tasks) {
      context.signal?.throwIfAborted();
      await runTask(context, task);
      onDone(task);
    }
  },
  close: async () => {},
});

/** In worker threads of this process. */
export function threadExecutor(workers: number): Executor {
  const pool = new WorkerPool(workers);
  return {
    async run(context, tasks, onDone) {
      const { signal, ...plain } = context;
      requirePlainConfig(context.config, 'workers');
      signal?.throwIfAborted();
      const abort = () => void pool.close();
      signal?.addEventListener('abort', abort, { once: true });
      try {
        await Promise.all(
          tasks.map(async (task) => {
            await pool.run({ kind: 'task', context: plain, task });
            onDone(task);
          }),
        );
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        signal?.removeEventListener('abort', abort);
      }
    },
    close: () => pool.close(),
  };
}

/** A tokenizer object cannot travel to another thread or host; its name can. */
export function requirePlainConfig(config: ResolvedConfig, field: string): void {
  if (typeof config.tokenizer === 'object' && 'encode' in config.tokenizer) {
    throw new ConfigError(
      field,
      'a tokenizer object works only in this thread; name it ({ encoding } or { file }) to use workers',
    );
  }
}
