/** Work that can be stopped, and held between two of its steps. */
export class Job {
  readonly #controller = new AbortController();
  #gate: Promise<void> | undefined;
  #open: () => void = () => {};

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  pause(): void {
    this.#gate ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  resume(): void {
    this.#open();
    this.#gate = undefined;
  }

  stop(): void {
    this.#controller.abort();
    this.resume();
  }

  /** Lets messages through, and waits while the job is held. */
  async breathe(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    while (this.#gate) await this.#gate;
  }
}

const jobs = new Map<string, Job>();

export async function runJob(id: string, work: (job: Job) => Promise<void>): Promise<void> {
  const job = new Job();
  jobs.set(id, job);
  try {
    await work(job);
  } finally {
    jobs.delete(id);
  }
}

export function controlJob(id: string, action: 'pause' | 'resume' | 'stop'): void {
  jobs.get(id)?.[action]();
}
