import { SingleBar } from 'cli-progress';
import type { Progress } from '../evaluate.js';

/** Shows a run: a bar that moves on a terminal, plain lines otherwise, JSON lines on request. */
export interface ProgressView {
  show(progress: Progress): void;
  close(): void;
}

export interface ProgressViewOptions {
  /** Lines of JSON in place of text. Default `false`. */
  readonly jsonl?: boolean;
  readonly stream?: NodeJS.WriteStream;
  /** Milliseconds between plain lines. Default 5,000. */
  readonly everyMs?: number;
  readonly now?: () => number;
}

export function createProgressView(options: ProgressViewOptions = {}): ProgressView {
  const { stream = process.stderr, jsonl = false } = options;
  if (jsonl)
    return { show: (progress) => void stream.write(`${JSON.stringify(progress)}\n`), close: () => undefined };
  return stream.isTTY ? barView(stream) : lineView(options, stream);
}

/** Requests a second and seconds left, from what was answered since the task began. */
function pace(now: () => number) {
  let [task, began, first] = [-1, 0, 0];
  return ({ taskIndex, done, total }: Progress) => {
    if (taskIndex !== task) [task, began, first] = [taskIndex, now(), done];
    const seconds = (now() - began) / 1000;
    const rate = seconds > 0 ? (done - first) / seconds : 0;
    return { rate, left: rate > 0 ? (total - done) / rate : undefined };
  };
}

export function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return '–';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

function lineView(
  { everyMs = 5000, now = performance.now.bind(performance) }: ProgressViewOptions,
  stream: NodeJS.WriteStream,
): ProgressView {
  const measure = pace(now);
  let last = Number.NEGATIVE_INFINITY;
  let shown = '';
  return {
    show(progress) {
      const { task, taskIndex, tasks, done, total } = progress;
      const { rate, left } = measure(progress);
      if (done < total && now() - last < everyMs) return;
      last = now();
      const line = `[${taskIndex + 1}/${tasks}] ${task}: ${done}/${total}`;
      if (line === shown) return;
      shown = line;
      const speed = rate > 0 ? `, ${rate.toFixed(1)}/s` : '';
      stream.write(`${line}${speed}${done < total ? `, ${formatSeconds(left)} left` : ''}\n`);
    },
    close: () => undefined,
  };
}

function barView(stream: NodeJS.WriteStream): ProgressView {
  const measure = pace(performance.now.bind(performance));
  const bar = new SingleBar({
    format: '[{at}/{tasks}] {task} {bar} {value}/{total} · {rate}/s · {left} left',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    stream,
    clearOnComplete: true,
    // Ctrl-C is the command's to handle.
    gracefulExit: false,
  });
  let started = false;
  return {
    show(progress) {
      const { task, taskIndex, tasks, done, total } = progress;
      const { rate, left } = measure(progress);
      const fields = { task, at: taskIndex + 1, tasks, rate: rate.toFixed(1), left: formatSeconds(left) };
      if (started) {
        bar.setTotal(total);
        bar.update(done, fields);
      } else bar.start(total, done, fields);
      started = true;
    },
    close: () => bar.stop(),
  };
}
