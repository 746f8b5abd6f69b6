import asciichart from 'asciichart';
import { MultiBar, type SingleBar } from 'cli-progress';
import { formatCount, formatDuration } from '../metrics/format.js';
import type { TrainingEvent } from '../training/events.js';

/** Shows a run: a bar that moves on a terminal, plain lines otherwise. */
export interface Progress {
  show(event: TrainingEvent): void;
  close(): void;
}

export interface ProgressOptions {
  /** Default: whether standard output is a terminal. */
  terminal?: boolean;
  /** Steps between plain lines. Default: some forty lines per run. */
  every?: number;
  write?: (text: string) => void;
}

export function createProgress(options: ProgressOptions = {}): Progress {
  const write = options.write ?? ((text: string) => void process.stdout.write(text));
  const terminal = options.terminal ?? process.stdout.isTTY === true;
  return terminal ? barProgress() : lineProgress(write, options.every);
}

function lineProgress(write: (text: string) => void, every?: number): Progress {
  let steps = 1;
  let first = 0;
  return {
    show(event) {
      if (event.type === 'start') {
        steps = event.steps;
        first = event.step;
      }
      const interval = every ?? Math.max(1, Math.round(steps / 40));
      if (event.type === 'step') {
        const due = event.step === first + 1 || event.step % interval === 0 || event.step === steps;
        if (due) write(`${stepLine(event, steps)}\n`);
        return;
      }
      const line = eventLine(event);
      if (line !== undefined) write(`${line}\n`);
    },
    close: () => undefined,
  };
}

function barProgress(): Progress {
  const bars = new MultiBar({
    format: '{bar} {value}/{total} · loss {loss} · val {val} · {rate} tok/s · {left} left',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    stream: process.stdout,
    gracefulExit: false,
  });
  let bar: SingleBar | undefined;
  let steps = 1;
  let val = '–';
  return {
    show(event) {
      if (event.type === 'start') {
        steps = event.steps;
        process.stdout.write(`${eventLine(event)}\n`);
        bar = bars.create(steps, event.step, { loss: '–', val, rate: '–', left: '–' });
        return;
      }
      if (event.type === 'validation') val = event.loss.toFixed(4);
      if (event.type === 'step') {
        bar?.update(event.step, {
          loss: event.loss.toFixed(4),
          val,
          rate: formatCount(event.tokensPerSecond),
          left: formatDuration(event.etaMs),
        });
        return;
      }
      const line = eventLine(event);
      if (event.type === 'end') {
        bars.stop();
        if (line !== undefined) process.stdout.write(`${line}\n`);
      } else if (line !== undefined) {
        bars.log(`${line}\n`);
        bars.update();
      }
    },
    close: () => bars.stop(),
  };
}

function stepLine(event: Extract<TrainingEvent, { type: 'step' }>, steps: number): string {
  const { step, loss, learningRate, gradientNorm, tokensPerSecond, etaMs } = event;
  return [
    `step ${String(step).padStart(String(steps).length)}/${steps}`,
    `loss ${loss.toFixed(4)}`,
    `lr ${learningRate.toExponential(2)}`,
    `norm ${gradientNorm.toFixed(2)}`,
    `${formatCount(tokensPerSecond)} tok/s`,
    `${formatDuration(etaMs)} left`,
  ].join('  ');
}

function eventLine(event: TrainingEvent): string | undefined {
  switch (event.type) {
    case 'start': {
      const from = event.resumedFrom
        ? `resuming at step ${event.step} from ${event.resumedFrom}`
        : 'training';
      const size = `${formatCount(event.parameters)} parameters, ${formatCount(event.tokensPerStep)} tokens a step`;
      return `${from}: ${size}, ${event.steps} steps`;
    }
    case 'validation': {
      const bytes = event.bitsPerByte === undefined ? '' : `, ${event.bitsPerByte.toFixed(3)} bits/byte`;
      const best = event.isBest ? ' (best)' : '';
      return `step ${event.step}: validation loss ${event.loss.toFixed(4)}${bytes}${best}`;
    }
    case 'sample':
      return `step ${event.step}, sample:\n${event.text}`;
    case 'checkpoint':
      return `step ${event.step}: saved ${event.path}`;
    case 'guard':
      return `step ${event.step}: ${event.reason} (loss ${event.loss}, norm ${event.gradientNorm}), ${event.action === 'stop' ? 'stopping' : 'step skipped'}`;
    case 'end': {
      const best = event.bestLoss === undefined ? '' : `, best validation loss ${event.bestLoss.toFixed(4)}`;
      return `${event.reason} at step ${event.step} after ${formatDuration(event.durationMs)}${best}`;
    }
    default:
      return undefined;
  }
}

/** A loss curve in characters: training loss, averaged to the width of the chart. */
export function lossChart(
  losses: readonly number[],
  options: { width?: number; height?: number } = {},
): string {
  const { width = 72, height = 12 } = options;
  const columns = Math.min(width, losses.length);
  const means = Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column * losses.length) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * losses.length) / columns));
    const part = losses.slice(from, to);
    return part.reduce((sum, loss) => sum + loss, 0) / part.length;
  });
  return means.length < 2 ? '' : asciichart.plot(means, { height });
}
