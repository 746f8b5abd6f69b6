import { TrainingError } from './errors.js';

/** How the learning rate moves. Amounts are in steps, or in tokens when `unit` is `'tokens'` (as GPT-3 counts). */
export interface LearningRateOptions {
  /** Highest rate. */
  peak: number;
  /** Rate at the end of the decay. Default `peak / 10`. */
  minimum?: number;
  /** Length of the linear rise from 0. Default 0. */
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

/** The learning rate after `amount` steps (or tokens). */
export function learningRateAt(amount: number, options: LearningRateOptions): number {
  const { peak, warmup = 0, shape = 'cosine', decay, warmupStart = 'nanogpt' } = options;
  const minimum = options.minimum ?? peak / 10;
  if (amount < warmup)
    return (
      (peak * (amount + (warmupStart === 'nanogpt' ? 1 : 0))) / (warmup + (warmupStart === 'nanogpt' ? 1 : 0))
    );
  if (shape === 'constant') return peak;
  if (amount >= decay) return minimum;
  const from = shape === 'wsd' ? Math.max(warmup, decay * (1 - WSD_DECAY)) : warmup;
  if (amount < from) return peak;
  const done = (amount - from) / (decay - from);
  const left = shape === 'cosine' ? 0.5 * (1 + Math.cos(Math.PI * done)) : 1 - done;
  return minimum + left * (peak - minimum);
}

/** GPT-3's growing batch: linear in tokens from `from` to `to` rows (Few-Shot Learners, appendix B). */
export interface BatchRamp {
  /** Tokens per batch at the start; 32,000 in GPT-3. */
  fromTokens: number;
  /** Tokens trained on when the full batch is reached; 4 to 12 billion in GPT-3. */
  overTokens: number;
}

/**
 * Rows of the next batch, a multiple of `multiple` (the micro-batch, so that compiled shapes never change).
 */
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

/** @throws {TrainingError} naming the field */
export function checkLearningRate(options: LearningRateOptions): void {
  const { peak, warmup = 0, decay } = options;
  const minimum = options.minimum ?? peak / 10;
  const bad = (field: string, value: number, fix: string) =>
    new TrainingError(`${field} is ${value}: ${fix}.`, { field });
  if (!(peak > 0 && Number.isFinite(peak))) throw bad('learningRate', peak, 'give a positive number');
  if (!(minimum >= 0 && minimum <= peak))
    throw bad('minLearningRate', minimum, `give a number from 0 to the learning rate ${peak}`);
  if (!(warmup >= 0)) throw bad('warmup', warmup, 'give 0 or more');
  if (!(decay >= 0)) throw bad('decay', decay, 'give a positive length');
}
