import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ConfigError, GptLineageError } from './errors.js';
import type { WorkerReply, WorkerRequest } from './worker.js';

/** What a worker thread can do; the keys are the `kind` of a request. */
export type { WorkerRequest } from './worker.js';

/** An error that crossed a thread: name, code and message survive, the class does not. */
export class WorkerError extends GptLineageError {
  readonly code: string;

  constructor(name: string, code: string, message: string) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

interface Job {
  request: WorkerRequest;
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

/** Threads that answer requests, one at a time each. Requests wait in order when all are busy. */
export class WorkerPool {
  readonly size: number;
  private readonly idle: Worker[] = [];
  private readonly all = new Set<Worker>();
  private readonly busy = new Map<Worker, Job>();
  private waiting: Job[] = [];
  private closed = false;

  constructor(size: number) {
    if (!Number.isInteger(size) || size < 1 || size > 1024) {
      throw new ConfigError('workers', `must be an integer from 1 to 1024, received ${size}`);
    }
    this.size = size;
  }

  run<T>(request: WorkerRequest): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.closed) return reject(new ConfigError('workers', 'the pool is closed'));
      this.waiting.push({ request, resolve: resolve as (result: unknown) => void, reject });
      this.next();
    });
  }

  /** Stops the threads; what they were doing is rejected. */
  async close(): Promise<void> {
    this.closed = true;
    const pending = [...this.waiting, ...this.busy.values()];
    this.waiting = [];
    await Promise.all([...this.all].map((worker) => worker.terminate()));
    for (const { reject } of pending) reject(new ConfigError('workers', 'the pool was closed'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private next(): void {
    if (this.waiting.length === 0 || this.closed) return;
    const worker = this.idle.pop() ?? (this.all.size < this.size ? this.start() : undefined);
    if (!worker) return;
    const job = this.waiting.shift()!;
    this.busy.set(worker, job);
    worker.postMessage(job.request);
  }

  private start(): Worker {
    const worker = startWorker();
    this.all.add(worker);
    worker.on('message', (reply: WorkerReply) => {
      const job = this.busy.get(worker);
      this.busy.delete(worker);
      this.idle.push(worker);
      if (reply.error) job?.reject(new WorkerError(reply.error.name, reply.error.code, reply.error.message));
      else job?.resolve(reply.result);
      this.next();
    });
    const lost = (error: Error) => {
      const job = this.busy.get(worker);
      this.busy.delete(worker);
      this.all.delete(worker);
      const at = this.idle.indexOf(worker);
      if (at >= 0) this.idle.splice(at, 1);
      job?.reject(error);
      this.next();
    };
    worker.on('error', lost);
    worker.on('exit', (code) => {
      if (this.all.has(worker))
        lost(new WorkerError('WorkerError', 'corpus/worker', `a worker ended with code ${code}`));
    });
    return worker;
  }
}

/** The built package has `worker.js` beside its entry; from sources (tests), tsx compiles `worker.ts` in the thread. */
function startWorker(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./worker.js', import.meta.url));
  const tsx = join(
    dirname(createRequire(import.meta.url).resolve('tsx/package.json')),
    'dist/esm/api/index.mjs',
  );
  const entry = new URL('./worker.ts', import.meta.url).href;
  const code = `import(${JSON.stringify(pathToFileURL(tsx).href)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(entry)});
  });`;
  return new Worker(code, { eval: true, execArgv: ['--conditions', '@gpt-lineage/source'] });
}
