import { MultiBar, type SingleBar } from 'cli-progress';
import type { SessionEvent } from './session.js';

/** Shows a run: a bar that moves on a terminal, plain lines otherwise. */
export interface Progress {
  show(event: SessionEvent): void;
  close(): void;
}

/** Metrics worth a line, in this order, where an event has them. */
const SHOWN = [
  'objective/scores',
  'objective/rlhf_reward',
  'objective/kl',
  'reward',
  'reward_std',
  'kl',
  'policy/entropy_avg',
  'entropy',
  'completions/mean_length',
];

export function createProgress(
  write: (text: string) => void = (text) => void process.stdout.write(text),
  terminal = process.stdout.isTTY === true,
): Progress {
  const bars = terminal
    ? new MultiBar({
        format: '{bar} {value}/{total} · loss {loss} · {rate} tok/s · {left} left',
        barsize: 24,
        hideCursor: true,
        stream: process.stdout,
        gracefulExit: false,
      })
    : undefined;
  let bar: SingleBar | undefined;
  let steps = 1;
  let first = 0;
  const line = (text: string) => {
    if (!bars) return write(`${text}\n`);
    bars.log(`${text}\n`);
    bars.update();
  };
  return {
    show(event) {
      if (event.type === 'start') {
        steps = event.steps;
        first = event.step;
        bars?.stop();
        bar = bars?.create(steps, event.step, { loss: '–', rate: '–', left: '–' });
      }
      if (event.type === 'step') {
        const [loss, rate, left] = [
          event.loss.toFixed(4),
          Math.round(event.tokensPerSecond),
          duration(event.etaMs),
        ];
        bar?.update(event.step, { loss, rate, left });
        const due =
          event.step === first + 1 ||
          event.step % Math.max(1, Math.round(steps / 40)) === 0 ||
          event.step === steps;
        if (!bars && due)
          write(
            `step ${event.step}/${steps}  loss ${loss}  lr ${event.learningRate.toExponential(2)}  norm ${event.gradientNorm.toFixed(2)}  ${rate} tok/s  ${left} left\n`,
          );
        return;
      }
      if (event.type === 'end') bars?.stop();
      const text = describeEvent(event);
      if (text !== undefined) line(text);
    },
    close: () => bars?.stop(),
  };
}

function describeEvent(event: SessionEvent): string | undefined {
  switch (event.type) {
    case 'start':
      return `${event.resumedFrom ? `resuming at step ${event.step} from ${event.resumedFrom}` : 'training'}: ${event.parameters} parameters, ${event.steps} steps`;
    case 'rollout': {
      const parts = SHOWN.flatMap((name) => {
        const value = event.metrics[name];
        return value === undefined ? [] : [`${name.split('/').at(-1)} ${value.toFixed(3)}`];
      });
      return `iteration ${event.iteration}: ${parts.join('  ')}${event.skipped > 0 ? `  skipped ${event.skipped}` : ''}`;
    }
    case 'round': {
      const percent = (value: number | undefined) =>
        value === undefined ? '–' : `${(100 * value).toFixed(1)} %`;
      return `round ${event.round}: held-out ${percent(event.heldOutAccuracy)}, vote right ${percent(event.voteAccuracy)}, vote margin ${event.voteMargin.toFixed(3)}, ${event.questionsKept} questions kept, ${event.examples} examples`;
    }
    case 'selection':
      return `epoch ${event.epoch}: score ${event.score.toFixed(4)}${event.isBest ? ' (best)' : ''}`;
    case 'validation': {
      const metrics = Object.entries(event.metrics ?? {}).map(
        ([name, value]) => `${name} ${value.toFixed(4)}`,
      );
      return [`step ${event.step}: validation loss ${event.loss.toFixed(4)}`, ...metrics].join('  ');
    }
    case 'checkpoint':
      return `step ${event.step}: saved ${event.path}`;
    case 'guard':
      return `step ${event.step}: ${event.reason}, ${event.action === 'stop' ? 'stopping' : 'step skipped'}`;
    case 'end':
      return `${event.reason} at step ${event.step} after ${duration(event.durationMs)}`;
    default:
      return undefined;
  }
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
