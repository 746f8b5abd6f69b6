import {
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  type Schedule,
  wsdSchedule,
} from '@gpt-lineage/compute';
import { TrainingError } from './errors.js';

/** How the learning rate moves. Lengths are in steps, or in tokens when the run counts those (as GPT-3 does). */
export interface LearningRateOptions {
  /** Highest rate. */
  peak: number;
  /** Rate at the end of the decay. Default `peak / 10`. */
  minimum?: number;
  /** Length of the linear rise. Default 0. */
  warmup?: number;
  /**
   * `'cosine'` (default) and `'linear'` fall from the end of warm-up to `decay`; `'constant'` stays;
   * `'wsd'` stays and falls linearly over the last fifth (warm-up, stable, decay).
   */
  shape?: 'cosine' | 'linear' | 'constant' | 'wsd';
  /** Where the decay ends, counted from the start; the rate stays at `minimum` afterwards. */
  decay: number;
  /**
   * `'nanogpt'` (default): step s of warm-up has `peak (s + 1) / (warmup + 1)`, so that no step is wasted.
   * `'hf'`: `peak s / warmup`, starting at exactly 0.
   */
  warmupStart?: 'nanogpt' | 'hf';
}

/** Share of a `wsd` schedule that is decay. */
const WSD_DECAY = 0.2;

/**
 * The learning rate as a function of steps (or tokens) done.
 *
 * @throws {TrainingError} naming the field that is out of range
 */
export function learningRateSchedule(options: LearningRateOptions): Schedule {
  const { peak, warmup = 0, shape = 'cosine', decay } = options;
  const minimum = options.minimum ?? peak / 10;
  const bad = (field: string, value: number, fix: string) =>
    new TrainingError(`${field} is ${value}: ${fix}.`, { field });
  if (!(peak > 0 && Number.isFinite(peak))) throw bad('learningRate', peak, 'give a positive number');
  if (!(minimum >= 0 && minimum <= peak))
    throw bad('minLearningRate', minimum, `give a number from 0 to the learning rate ${peak}`);
  if (!(warmup >= 0)) throw bad('warmup', warmup, 'give 0 or more');
  if (!(decay > 0)) throw bad('decay', decay, 'give a positive length');
  // A short run may end within its warm-up: then there is nothing to decay.
  const total = Math.max(decay, warmup);
  const decaying = { peak, final: minimum, warmupSteps: warmup, totalSteps: total };
  const shapes: Record<typeof shape, () => Schedule> = {
    cosine: () => cosineSchedule(decaying),
    linear: () => linearSchedule(decaying),
    wsd: () => wsdSchedule({ ...decaying, decaySteps: Math.min(WSD_DECAY * total, total - warmup) }),
    constant: () => {
      const steady = constantSchedule(peak);
      return (amount) => (amount < warmup ? (peak * (amount + 1)) / (warmup + 1) : steady(amount));
    },
  };
  const schedule = shapes[shape]();
  return options.warmupStart === 'hf'
    ? (amount) => (amount < warmup ? (peak * amount) / warmup : schedule(amount))
    : schedule;
}

/** GPT-3's growing batch: linear in tokens up to the full batch (Few-Shot Learners, appendix B). */
export interface BatchRamp {
  /** Tokens per batch at the start; 32,000 in GPT-3. */
  fromTokens: number;
  /** Tokens trained on when the full batch is reached; 4 to 12 billion in GPT-3. */
  overTokens: number;
}

/** Rows of the next batch, a multiple of `multiple` (the micro-batch, so that compiled shapes never change). */
export function rampedRows(
  tokens: number,
  fullRows: number,
  contextLength: number,
  multiple: number,
  ramp: BatchRamp | undefined,
): number {
  if (!ramp || tokens >= ramp.overTokens) return fullRows;
  const fromRows = ramp.fromTokens / contextLength;
  const rows = fromRows + (fullRows - fromRows) * (tokens / ramp.overTokens);
  return Math.min(fullRows, Math.max(multiple, Math.round(rows / multiple) * multiple));
}
