import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { InvalidOptionError } from '@gpt-lineage/tokenizer-bpe';

/** How many workers to start: one per core unless asked otherwise. */
export function workerCount(wanted: number | undefined): number {
  const count = wanted ?? availableParallelism();
  if (!Number.isInteger(count) || count < 1 || count > 256) {
    throw new InvalidOptionError(
      `workers: expected a whole number from 1 to 256, received ${String(wanted)}`,
    );
  }
  return count;
}

let workerFile = new URL('./worker.js', import.meta.url);

/** Has workers run another build of `worker.ts`: tests and benchmarks run from source, where there is none beside. */
export function useWorkerFile(file: URL): void {
  workerFile = file;
}

/** Starts `worker.ts`. The worker does not keep the process alive. */
export function startWorker(workerData: unknown): Worker {
  const worker = new Worker(workerFile, { workerData });
  worker.unref();
  return worker;
}
