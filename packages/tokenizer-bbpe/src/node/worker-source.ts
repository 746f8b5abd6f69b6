import { availableParallelism } from 'node:os';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { InvalidOptionError } from '@gpt-lineage/tokenizer-bpe';

/** How many workers to start: one per core unless asked otherwise. */
export function workerCount(wanted: number | undefined): number {
  const count = wanted ?? availableParallelism();
  if (!Number.isInteger(count) || count < 1 || count > 256) {
    throw new InvalidOptionError(`workers: expected a whole number from 1 to 256, received ${String(wanted)}`);
  }
  return count;
}

/** Starts `worker.ts` of this folder: its built form, or from source through tsx (in this repository's tests). */
export function startWorker(workerData: unknown): Worker {
  const fromSource = import.meta.url.endsWith('.ts');
  const options: WorkerOptions = { workerData };
  if (fromSource) options.execArgv = ['--conditions=@gpt-lineage/source', '--import', 'tsx'];
  const worker = new Worker(new URL(fromSource ? './worker.ts' : './worker.js', import.meta.url), options);
  worker.unref();
  return worker;
}
