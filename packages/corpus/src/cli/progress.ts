import type { PipelineEvent } from '../pipeline/build.js';

/** Shows what a run does: one changing line on a terminal, plain lines otherwise, JSON lines on request. */
export function progressPrinter(mode: 'text' | 'jsonl', stream: NodeJS.WriteStream = process.stderr) {
  const live = mode === 'text' && stream.isTTY === true;
  let stageStarted = 0;
  let startedWith = 0;
  return (event: PipelineEvent): void => {
    if (mode === 'jsonl') {
      const { type } = event;
      process.stdout.write(
        `${JSON.stringify(type === 'done' ? { type, fingerprint: event.manifest.fingerprint } : event)}\n`,
      );
      return;
    }
    switch (event.type) {
      case 'stage':
        stageStarted = performance.now();
        startedWith = event.done;
        if (event.done === event.tasks) stream.write(`${event.stage}: done before\n`);
        else if (!live)
          stream.write(
            `${event.stage}: ${event.tasks} tasks${event.done > 0 ? `, ${event.done} done before` : ''}\n`,
          );
        break;
      case 'task': {
        const { stage, done, tasks } = event;
        const seconds = (performance.now() - stageStarted) / 1000;
        const rate = (done - startedWith) / seconds;
        if (live) {
          const left = done < tasks ? `, ${formatSeconds((tasks - done) / rate)} left` : '';
          stream.write(`\r\u001b[K${stage}: ${done}/${tasks} (${rate.toFixed(1)} tasks/s${left})`);
          if (done === tasks) stream.write('\n');
        } else if (done === tasks) {
          stream.write(`${stage}: finished in ${formatSeconds(seconds)}\n`);
        }
        break;
      }
      case 'done':
        break;
    }
  };
}

export const formatSeconds = (seconds: number): string =>
  seconds < 90 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
