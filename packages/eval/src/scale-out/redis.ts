import { connect } from 'node:net';
import { GptLineageError } from '@gpt-lineage/gpt-core';
import type { Job, Queue, QueueEvents, Worker } from 'bullmq';
import { UsageError } from '../errors.js';
import type { BatchAnswer, BatchExecutor, RequestBatch } from '../requests/executor.js';
import { ResultCache } from '../requests/result-cache.js';

/** Which model answers: workers and coordinators of the same one share a queue, and no other work reaches them. */
export interface ServedModel {
  readonly name: string;
  readonly fingerprint: string | undefined;
  /** A hash of the weights, where there is one: it then decides alone. */
  readonly identity?: string | undefined;
}

export interface RedisOptions {
  /** As `redis://127.0.0.1:6379`. */
  readonly url: string;
  /** First part of the queue's name. Default `gpt-eval`. */
  readonly queue?: string;
  readonly model: ServedModel;
}

export interface RedisWorkerOptions extends RedisOptions {
  readonly answer: (batch: RequestBatch) => Promise<BatchAnswer>;
  /** Batches at a time. Default 1. */
  readonly concurrency?: number;
  /** A worker that does not renew its lease for so long is taken for dead. Default 30,000 ms. */
  readonly leaseMs?: number;
  readonly onBatch?: (requests: number) => void;
}

/** A batch that failed on every attempt. */
export class BatchFailedError extends GptLineageError {
  readonly code = 'eval/batch-failed';
}

/** A batch is tried again when it failed, and taken over when its worker died. */
const attempts = 3;
const maxTakeovers = 10;
/** Batches in the queue at a time: enough for many workers, little enough for the server's memory. */
const inQueue = 64;

const queueName = ({ queue = 'gpt-eval', model }: RedisOptions): string =>
  `${queue}-${ResultCache.key(model.identity ?? [model.name, model.fingerprint]).slice(0, 12)}`;

async function loadBullmq(): Promise<typeof import('bullmq')> {
  try {
    return await import('bullmq');
  } catch (cause) {
    throw new UsageError(
      'redis',
      undefined,
      'needs the packages bullmq and ioredis: npm install bullmq ioredis',
      {
        cause,
      },
    );
  }
}

/**
 * Sends batches of requests to a BullMQ queue. Any number of {@link startRedisWorker} processes answer them; a batch
 * whose worker dies goes to another one. Equal batches are one job, so an answer is the same however often it is asked
 * for and whoever gives it, and a run over the queue ends in the report of a run in one process.
 */
export async function redisBatchExecutor(options: RedisOptions): Promise<BatchExecutor> {
  const { Queue, QueueEvents } = await loadBullmq();
  await requireServer(options.url);
  const connection = { url: options.url };
  const name = queueName(options);
  const queue: Queue<RequestBatch, BatchAnswer> = new Queue(name, { connection });
  const events: QueueEvents = new QueueEvents(name, { connection });
  // Connection problems show in the calls below.
  queue.on('error', () => {});
  events.on('error', () => {});
  for (const emitter of [queue, events]) emitter.setMaxListeners(0);
  await events.waitUntilReady();
  return {
    concurrency: inQueue,
    async run(batch, { signal }) {
      const job = await queue.add(batch.kind, batch, {
        jobId: ResultCache.key(batch),
        attempts,
        backoff: { type: 'exponential', delay: 500 },
        removeOnComplete: { age: 3600 },
        removeOnFail: { age: 3600 },
      });
      return finished(job, events, signal);
    },
    async close() {
      await events.close();
      await queue.close();
    },
  };
}

async function finished(
  job: Job<RequestBatch, BatchAnswer>,
  events: QueueEvents,
  signal: AbortSignal | undefined,
): Promise<BatchAnswer> {
  // A job left from an earlier run may have failed for a reason that is gone.
  if ((await job.getState()) === 'failed') await job.retry('failed');
  signal?.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([job.waitUntilFinished(events), aborted]);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new BatchFailedError(`a batch failed ${attempts} times: ${(cause as Error).message}`, { cause });
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** A running worker. */
export interface RedisWorker {
  /** Finishes the batches at hand and stops. */
  close(): Promise<void>;
}

/**
 * Answers batches from a queue until closed. `answer` must leave this thread free, or the lease is not renewed and the
 * batch is done twice (which costs time and nothing else): `gpt-eval worker` computes in a process of its own.
 */
export async function startRedisWorker(options: RedisWorkerOptions): Promise<RedisWorker> {
  const { answer, concurrency = 1, leaseMs = 30_000, onBatch } = options;
  const { Worker } = await loadBullmq();
  await requireServer(options.url);
  const worker: Worker<RequestBatch, BatchAnswer> = new Worker(
    queueName(options),
    async ({ data }) => {
      onBatch?.(data.kind === 'score' ? data.requests.length : data.prompts.length);
      return answer(data);
    },
    {
      connection: { url: options.url },
      concurrency,
      lockDuration: leaseMs,
      stalledInterval: Math.max(500, Math.floor(leaseMs / 2)),
      maxStalledCount: maxTakeovers,
    },
  );
  worker.on('error', () => {});
  await worker.waitUntilReady();
  return { close: () => worker.close() };
}

const connectTimeoutMs = 5_000;

/** Asks for a connection before BullMQ does, which would try for ever. */
async function requireServer(url: string): Promise<void> {
  let address: URL;
  try {
    address = new URL(url);
  } catch (cause) {
    throw new UsageError('redis', url, 'give a URL, as redis://127.0.0.1:6379', { cause });
  }
  const socket = connect({
    host: address.hostname,
    port: Number(address.port || 6379),
    timeout: connectTimeoutMs,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.once('timeout', () => reject(new Error('timed out')));
    });
  } catch (cause) {
    throw new UsageError(
      'redis',
      url,
      `does not answer (${(cause as Error).message}); is redis-server running?`,
      {
        cause,
      },
    );
  } finally {
    socket.destroy();
  }
}
