import type { GuardEvent } from './events.js';
import type { TrainingState } from './training-state.js';

export interface GuardOptions {
  /**
   * A loss above the running mean by this many running standard deviations is a spike. Default `Infinity`:
   * only non-finite numbers count.
   */
  spikeDeviations?: number;
  /** Steps observed before spikes are judged. Default 50. */
  warmupSteps?: number;
  /** Multiplies the learning rate after each refused step. Default 1: no back-off. */
  backOff?: number;
  /** Good steps after which one back-off is taken back. Default 50. */
  recoverAfter?: number;
  /** Refused steps in a row that end the run. Default 5; 1 stops at the first. */
  maxConsecutive?: number;
}

/** What the guard says about one step. */
export interface Verdict {
  readonly reason: GuardEvent['reason'];
  readonly action: GuardEvent['action'];
}

/**
 * Watches loss and gradient norm and refuses updates that would harm the model: a step with a NaN is never
 * applied, a loss spike is skipped and the learning rate backed off (the remedy of PaLM, section 5.1, is to
 * skip the batches around a spike), and a run of bad steps ends training.
 */
export class StepGuard {
  #options: Required<GuardOptions>;
  #mean: number | null = null;
  #variance = 0;
  #observed = 0;
  #consecutive = 0;
  #good = 0;
  #scale = 1;

  constructor(options: GuardOptions = {}) {
    this.#options = {
      spikeDeviations: options.spikeDeviations ?? Number.POSITIVE_INFINITY,
      warmupSteps: options.warmupSteps ?? 50,
      backOff: options.backOff ?? 1,
      recoverAfter: options.recoverAfter ?? 50,
      maxConsecutive: options.maxConsecutive ?? 5,
    };
  }

  /** Multiplier of the learning rate. */
  get learningRateScale(): number {
    return this.#scale;
  }

  get consecutive(): number {
    return this.#consecutive;
  }

  /** Judges a step before its update; `undefined` lets it pass. */
  judge(loss: number, gradientNorm: number): Verdict | undefined {
    const reason = this.#fault(loss, gradientNorm);
    if (!reason) {
      this.#observe(loss);
      return undefined;
    }
    this.#consecutive++;
    this.#good = 0;
    this.#scale *= this.#options.backOff;
    return { reason, action: this.#consecutive >= this.#options.maxConsecutive ? 'stop' : 'skip' };
  }

  get state(): TrainingState['guard'] {
    return {
      mean: this.#mean,
      variance: this.#variance,
      observed: this.#observed,
      consecutive: this.#consecutive,
      good: this.#good,
      learningRateScale: this.#scale,
    };
  }

  restore(state: TrainingState['guard']): void {
    this.#mean = state.mean;
    this.#variance = state.variance;
    this.#observed = state.observed;
    this.#consecutive = state.consecutive;
    this.#good = state.good;
    this.#scale = state.learningRateScale;
  }

  #fault(loss: number, gradientNorm: number): GuardEvent['reason'] | undefined {
    if (!Number.isFinite(loss)) return 'non-finite-loss';
    if (!Number.isFinite(gradientNorm)) return 'non-finite-gradient';
    const { spikeDeviations, warmupSteps } = this.#options;
    if (this.#mean === null || this.#observed < warmupSteps) return undefined;
    return loss > this.#mean + spikeDeviations * Math.sqrt(this.#variance) ? 'loss-spike' : undefined;
  }

  /** Exponentially weighted mean and variance over about the last fifty good steps. */
  #observe(loss: number): void {
    this.#observed++;
    this.#consecutive = 0;
    const rate = Math.max(0.02, 1 / this.#observed);
    if (this.#mean === null) this.#mean = loss;
    const difference = loss - this.#mean;
    this.#mean += rate * difference;
    this.#variance = (1 - rate) * (this.#variance + rate * difference * difference);
    if (this.#scale < 1 && ++this.#good >= this.#options.recoverAfter) {
      this.#good = 0;
      this.#scale = Math.min(1, this.#scale / this.#options.backOff);
    }
  }
}
