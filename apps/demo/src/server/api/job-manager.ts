import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { JobControl, JobEvent, JobSpec } from '../../jobs/job-specs.js';
import { ApiError } from '../errors.js';

export type JobStatus = 'running' | 'paused' | 'done' | 'stopped' | 'failed';

export interface JobSummary {
  readonly id: string;
  readonly job: JobSpec['job'];
  readonly kind: string;
  readonly status: JobStatus;
  readonly createdAt: string;
  readonly events: number;
  readonly error?: string;
  /** The newest step */
  readonly last?: JobEvent;
}

interface Job {
  readonly id: string;
  readonly spec: JobSpec;
  readonly createdAt: string;
  readonly child: ChildProcess;
  readonly events: JobEvent[];
  readonly listeners: Set<(event: JobEvent, index: number) => void>;
  status: JobStatus;
  error: string | undefined;
}

const mostRunning = 2;
const mostKept = 50;
/** Events kept of a job, for those who join late. */
const mostEvents = 50_000;

/** Long work in child processes, so that answers go on meanwhile. */
export class JobManager {
  readonly #jobs = new Map<string, Job>();

  /** @throws {ApiError} 429: enough is running */
  start(make: (id: string) => JobSpec, onSaved?: (id: string, path: string) => Promise<void>): string {
    const running = [...this.#jobs.values()].filter(
      ({ status }) => status === 'running' || status === 'paused',
    );
    if (running.length >= mostRunning) {
      throw new ApiError(429, 'jobs_running', `${running.length} jobs are running: stop one, or wait.`, {
        headers: { 'retry-after': '30' },
      });
    }
    const id = `job-${randomBytes(6).toString('hex')}`;
    const spec = make(id);
    const child = forkRunner();
    const job: Job = {
      id,
      spec,
      createdAt: new Date().toISOString(),
      child,
      events: [],
      listeners: new Set(),
      status: 'running',
      error: undefined,
    };
    this.#jobs.set(id, job);
    for (const [old, { status }] of this.#jobs) {
      if (this.#jobs.size > mostKept && status !== 'running' && status !== 'paused') this.#jobs.delete(old);
    }
    // One after the other: who reads of the end finds the saved model.
    let order = Promise.resolve();
    child.on('message', (event: JobEvent) => {
      order = order.then(async () => {
        if (event.type === 'saved') await onSaved?.(id, event.path as string);
        this.#note(job, event);
      });
    });
    child.on('error', (error) => this.#note(job, { type: 'error', message: error.message }));
    child.on('exit', async (code, signal) => {
      await order;
      if (job.status !== 'running' && job.status !== 'paused') return;
      if (signal === 'SIGKILL' || signal === 'SIGTERM') this.#note(job, { type: 'end', reason: 'aborted' });
      else
        this.#note(job, {
          type: 'error',
          message: `The process of the job ended (${signal ?? `code ${code}`}).`,
        });
    });
    if (child.pid !== undefined) setPriority(child.pid, 10);
    child.send(spec);
    return id;
  }

  list(job: JobSpec['job']): JobSummary[] {
    return [...this.#jobs.values()].filter(({ spec }) => spec.job === job).map(summary);
  }

  /** @throws {ApiError} 404 */
  get(id: string, job: JobSpec['job']): JobSummary {
    return summary(this.#find(id, job));
  }

  /** @throws {ApiError} 404: no such job; 409: it is over */
  control(id: string, kind: JobSpec['job'], command: JobControl): JobSummary {
    const job = this.#find(id, kind);
    if (job.status !== 'running' && job.status !== 'paused') {
      if (command === 'stop') return summary(job);
      throw new ApiError(409, 'job_over', `The job is over (${job.status}).`);
    }
    job.child.send(command);
    if (command === 'pause') job.status = 'paused';
    if (command === 'resume') job.status = 'running';
    return summary(job);
  }

  /**
   * Events from `after` on, those that are past and those to come.
   *
   * @returns a function that ends it
   */
  follow(
    id: string,
    kind: JobSpec['job'],
    after: number,
    listener: (event: JobEvent, index: number) => void,
  ): () => void {
    const job = this.#find(id, kind);
    for (let index = after; index < job.events.length; index++) listener(job.events[index]!, index);
    job.listeners.add(listener);
    return () => job.listeners.delete(listener);
  }

  /** Ends every child. */
  async close(): Promise<void> {
    const children = [...this.#jobs.values()].map(({ child }) => child);
    await Promise.all(
      children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return undefined;
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        return gone;
      }),
    );
  }

  #find(id: string, kind: JobSpec['job']): Job {
    const job = this.#jobs.get(id);
    if (job?.spec.job === kind) return job;
    throw new ApiError(404, 'job_not_found', `There is no ${kind} job ${JSON.stringify(id)}.`);
  }

  #note(job: Job, event: JobEvent): void {
    if (job.status !== 'running' && job.status !== 'paused') return;
    if (event.type === 'error') {
      job.status = 'failed';
      job.error = String(event.message);
    }
    if (event.type === 'end') job.status = event.reason === 'aborted' ? 'stopped' : 'done';
    if (job.events.length >= mostEvents && event.type === 'step') return;
    job.events.push(event);
    for (const listener of job.listeners) listener(event, job.events.length - 1);
  }
}

function summary({ id, spec, status, createdAt, events, error }: Job): JobSummary {
  const steps = events.filter(({ type }) => type === 'step' || type === 'progress');
  const last = steps[steps.length - 1];
  return {
    id,
    job: spec.job,
    kind: 'kind' in spec.spec ? String(spec.spec.kind) : 'evaluation',
    status,
    createdAt,
    events: events.length,
    ...(error === undefined ? {} : { error }),
    ...(last ? { last } : {}),
  };
}

/** The runner beside this module: built, or TypeScript while developing. */
function forkRunner(): ChildProcess {
  const developing = import.meta.url.endsWith('.ts');
  const script = new URL(developing ? '../../jobs/runner.ts' : './job-runner.js', import.meta.url);
  return fork(fileURLToPath(script), {
    execArgv: developing ? ['--import', 'tsx', '--conditions=@gpt-lineage/source'] : [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}
