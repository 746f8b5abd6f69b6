import { initCompute } from '@gpt-lineage/gpt-core';
import { alignmentJob } from './alignment-job.js';
import { evaluationJob } from './evaluation-job.js';
import type { JobControl, JobEvent, JobSpec } from './job-specs.js';
import { trainingJob } from './training-job.js';

// The child process of a job: takes its specification, then commands, and tells what happens. It does not outlive the
// server, and gives way to it.

const controller = new AbortController();
let held: { promise: Promise<void>; open: () => void } | undefined;

function control(command: JobControl): void {
  if (command === 'pause') {
    let open = () => {};
    held ??= {
      promise: new Promise<void>((resolve) => {
        open = resolve;
      }),
      open: () => open(),
    };
    return;
  }
  if (command === 'stop') controller.abort();
  held?.open();
  held = undefined;
}

const tell = (event: JobEvent) => void process.send?.(event);

async function run(job: JobSpec): Promise<void> {
  await initCompute();
  const { signal } = controller;
  const events =
    job.job === 'training'
      ? trainingJob(job.spec, job.base, job.out, signal)
      : job.job === 'evaluation'
        ? evaluationJob(job.spec, job.base, signal, tell)
        : alignmentJob(job.spec, job.base, job.out, signal);
  for await (const event of events) {
    tell(event);
    // Commands come in here; a held job waits between two of its steps.
    await new Promise((resolve) => setImmediate(resolve));
    while (held) await held.promise;
  }
}

process.once('message', (job: JobSpec) => {
  process.on('message', control);
  run(job)
    .catch((error: Error) => {
      if (controller.signal.aborted) tell({ type: 'end', reason: 'aborted' });
      else tell({ type: 'error', message: error.message });
    })
    .finally(() => process.disconnect?.());
});
process.on('disconnect', () => process.exit());
