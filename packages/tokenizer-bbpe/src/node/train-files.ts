import { TrainingAbortedError } from '@gpt-lineage/tokenizer-bpe';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import { checkTrainOptions, sourceOf, type TrainOptions, textAdder, trainFromCounter } from '../train.js';
import { WordCounter, type WordCounts } from '../word-counter.js';
import { partsOfFile } from './text-files.js';
import type { WorkerTask } from './worker.js';
import { startWorker, workerCount } from './worker-source.js';

export interface TrainFilesOptions extends TrainOptions {
  /** Threads that count words besides this one; 0 counts on this thread. Default: 0. */
  workers?: number;
}

/** Parts under way per worker. */
const QUEUE = 3;

/**
 * Learns a vocabulary from text files (UTF-8), each of which is one text. Files are read in parts and never held
 * whole; the result does not depend on `workers` as long as no word is dropped (see `maxWords`).
 *
 * @throws {TokenizerFileError} when a file cannot be read; otherwise as `ByteLevelBPETokenizer.train`
 */
export async function trainFromFiles(
  paths: readonly string[],
  options: TrainFilesOptions,
): Promise<ByteLevelBPETokenizer> {
  checkTrainOptions(options);
  const counter = new WordCounter(options.maxWords ?? 1 << 21);
  const pattern = sourceOf(options.pattern);
  const workers = options.workers ?? 0;
  if (workers > 0) await countInWorkers(paths, counter, pattern, workerCount(workers), options);
  else {
    const add = textAdder(counter, pattern);
    for await (const part of allParts(paths, options)) add(part);
  }
  return new ByteLevelBPETokenizer(await trainFromCounter(counter, options));
}

async function* allParts(
  paths: readonly string[],
  { onProgress, signal }: TrainFilesOptions,
): AsyncGenerator<string> {
  let done = 0;
  for (const path of paths) {
    for await (const part of partsOfFile(path)) {
      if (signal?.aborted) throw new TrainingAbortedError('training was aborted', { cause: signal.reason });
      yield part;
      done += part.length;
      onProgress?.({ phase: 'count', done });
    }
  }
}

async function countInWorkers(
  paths: readonly string[],
  counter: WordCounter,
  pattern: string,
  count: number,
  options: TrainFilesOptions,
): Promise<void> {
  const task: WorkerTask = { kind: 'count', pattern, maxWords: options.maxWords ?? 1 << 21 };
  const workers = Array.from({ length: count }, () => ({ thread: startWorker(task), waiting: 0 }));
  let wake = () => {};
  let failure: unknown;
  const results: WordCounts[] = [];
  for (const worker of workers) {
    worker.thread.ref();
    worker.thread.on('message', (reply: 'counted' | WordCounts) => {
      if (reply === 'counted') worker.waiting--;
      else results.push(reply);
      wake();
    });
    worker.thread.on('error', (error) => {
      failure = error;
      wake();
    });
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) {
      if (failure !== undefined) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  try {
    for await (const part of allParts(paths, options)) {
      await until(() => workers.some((worker) => worker.waiting < QUEUE));
      const worker = workers.reduce((a, b) => (b.waiting < a.waiting ? b : a));
      worker.waiting++;
      worker.thread.postMessage(part);
    }
    for (const { thread } of workers) thread.postMessage(null);
    await until(() => results.length === workers.length);
  } finally {
    for (const { thread } of workers) void thread.terminate();
  }
  for (const words of results) counter.addCounts(words);
}
