import { connect } from 'node:net';
import type { Job, Queue, QueueEvents, Worker } from 'bullmq';
import { ConfigError, GptLineageError } from '../errors.js';
import { type Executor, requirePlainConfig } from '../pipeline/executor.js';
import type { Task, TaskContext } from '../pipeline/task.js';
import { WorkerPool } from '../worker-pool.js';

export interface RedisOptions {
  /** As `redis://127.0.0.1:6379`. */
  url: string;
  /** Name of the queue: workers and coordinator agree on it. Default `gpt-corpus`. */
  queue?: string;
}

export interface RedisWorkerOptions extends RedisOptions {
  /** Tasks at a time, each in a thread of its own. Default 1. */
  concurrency?: number;
  /** A worker that does not renew its lease for so long is taken for dead. Default 30,000 ms. */
  leaseMs?: number;
  onTask?: (task: Pick<Task, 'stage' | 'key'>) => void;
}

const defaultQueue = 'gpt-corpus';
/** A task is tried again when it failed, and taken over when its worker died. */
const attempts = 3;
const maxTakeovers = 10;

interface JobData {
  context: Omit<TaskContext, 'signal'>;
  task: Task;
}

async function loadBullmq(): Promise<typeof import('bullmq')> {
  try {
    return await import('bullmq');
  } catch (cause) {
    throw new ConfigError('redis', 'needs the packages bullmq and ioredis: npm install bullmq ioredis', {
      cause,
    });
  }
}

/** A task that failed on every attempt. */
export class TaskFailedError extends GptLineageError {
  readonly code = 'corpus/task-failed';
}

/**
 * Sends tasks to a BullMQ queue and waits for them. Any number of {@link startRedisWorker} processes, on any host that
 * sees the same folders under the same paths, take them. A task whose worker dies goes to another one; running a task
 * twice is harmless.
 */
export async function redisExecutor({ url, queue: name = defaultQueue }: RedisOptions): Promise<Executor> {
  const { Queue, QueueEvents } = await loadBullmq();
  await requireServer(url);
  const queue: Queue<JobData> = new Queue<JobData>(name, { connection: { url } });
  const events: QueueEvents = new QueueEvents(name, { connection: { url } });
  // Connection problems show in the calls below.
  queue.on('error', () => {});
  events.on('error', () => {});
  events.setMaxListeners(0);
  await events.waitUntilReady();
  return {
    async run(context, tasks, onDone) {
      const { signal, ...plain } = context;
      requirePlainConfig(context.config, 'redis');
      const jobs = await queue.addBulk(
        tasks.map((task) => ({
          name: task.stage,
          data: { context: plain, task },
          opts: {
            // The same task, asked for again by a restarted coordinator, is the same job.
            jobId: `${task.stage}-${task.key}-${task.fingerprint}`,
            attempts,
            backoff: { type: 'exponential', delay: 500 },
            removeOnComplete: { age: 3600 },
            removeOnFail: { age: 3600 },
          },
        })),
      );
      await Promise.all(
        jobs.map(async (job, i) => {
          await finished(job, events, signal);
          onDone(tasks[i]!);
        }),
      );
    },
    async close() {
      await events.close();
      await queue.close();
    },
  };
}

async function finished(
  job: Job<JobData>,
  events: QueueEvents,
  signal: AbortSignal | undefined,
): Promise<void> {
  // A job left from an earlier run may have failed, or have finished without its files being there any more.
  const state = await job.getState();
  if (state === 'failed' || state === 'completed') await job.retry(state);
  signal?.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([job.waitUntilFinished(events), aborted]);
  } catch (cause) {
    signal?.throwIfAborted();
    const { stage, key } = job.data.task;
    throw new TaskFailedError(`task ${stage}/${key} failed ${attempts} times: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** A running worker. */
export interface RedisWorker {
  /** Finishes the tasks at hand and stops. */
  close(): Promise<void>;
}

/**
 * Takes tasks from a queue until closed. Each runs in a worker thread, so that this thread can renew its leases
 * however long a task computes.
 */
export async function startRedisWorker({
  url,
  queue: name = defaultQueue,
  concurrency = 1,
  leaseMs = 30_000,
  onTask,
}: RedisWorkerOptions): Promise<RedisWorker> {
  const { Worker } = await loadBullmq();
  await requireServer(url);
  const pool = new WorkerPool(concurrency);
  const worker: Worker<JobData> = new Worker<JobData>(
    name,
    async ({ data: { context, task } }) => {
      onTask?.(task);
      // Results stay in the receipt on disk: they may be large, and Redis is memory.
      await pool.run({ kind: 'task', context, task });
    },
    {
      connection: { url },
      concurrency,
      lockDuration: leaseMs,
      stalledInterval: Math.max(500, Math.floor(leaseMs / 2)),
      maxStalledCount: maxTakeovers,
    },
  );
  worker.on('error', () => {});
  await worker.waitUntilReady();
  return {
    async close() {
      await worker.close();
      await pool.close();
    },
  };
}

const connectTimeoutMs = 5_000;

/** Asks for a connection before BullMQ does, which would try for ever. */
async function requireServer(url: string): Promise<void> {
  let address: URL;
  try {
    address = new URL(url);
  } catch (cause) {
    throw new ConfigError('redis', `'${url}' is not a URL, as redis://127.0.0.1:6379 is`, { cause });
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
    const reason = (cause as Error).message;
    throw new ConfigError('redis', `no answer from ${url} (${reason}); is redis-server running?`, { cause });
  } finally {
    socket.destroy();
  }
}
