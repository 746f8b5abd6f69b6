import { InvalidArgumentError } from '../errors.js';

/** Learning rate of the update with this index; the first update is step 0. */
export type Schedule = (step: number) => number;

interface Ramp {
  /** Highest learning rate. */
  readonly peak: number;
  /** Rate at the end and ever after. Default 0. */
  readonly final?: number;
  /** Updates of linear warm-up from near 0 to `peak`. Default 0. */
  readonly warmupSteps?: number;
}

export interface DecayOptions extends Ramp {
  /** Updates in all, warm-up included. */
  readonly totalSteps: number;
}

export interface WSDOptions extends Ramp {
  /** Updates in all, warm-up and decay included. */
  readonly totalSteps: number;
  /** Updates of the decay at the end. */
  readonly decaySteps: number;
  /** Form of the decay: `'linear'` (default), `'cosine'`, or `'sqrt'` for `1 − √progress`. */
  readonly decay?: 'linear' | 'cosine' | 'sqrt';
}

export function constantSchedule(learningRate: number): Schedule {
  requireNumbers({ learningRate });
  return () => learningRate;
}

/** `peak·(step + 1)/(warmupSteps + 1)` for the first `warmupSteps` updates, then what `after` says. */
export function warmup(
  after: Schedule,
  options: { readonly peak: number; readonly warmupSteps: number },
): Schedule {
  const { peak, warmupSteps } = options;
  requireNumbers({ peak, warmupSteps });
  return (step) => (step < warmupSteps ? (peak * (step + 1)) / (warmupSteps + 1) : after(step));
}

/** Warm-up, then half a cosine from `peak` to `final` at `totalSteps`. GPT-1, GPT-3 and nanoGPT train with it. */
export function cosineSchedule(options: DecayOptions): Schedule {
  return decaySchedule(options, (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)));
}

/** Warm-up, then a straight line from `peak` to `final` at `totalSteps`. */
export function linearSchedule(options: DecayOptions): Schedule {
  return decaySchedule(options, (progress) => 1 - progress);
}

/**
 * Warm-up, stable at `peak`, decay over the last `decaySteps`. Hu et al. 2024, "MiniCPM: Unveiling the Potential of
 * Small Language Models with Scalable Training Strategies", section 4.
 */
export function wsdSchedule(options: WSDOptions): Schedule {
  const { peak, final = 0, warmupSteps = 0, totalSteps, decaySteps, decay = 'linear' } = options;
  requireNumbers({ peak, final, warmupSteps, totalSteps, decaySteps });
  if (warmupSteps + decaySteps > totalSteps) {
    throw new InvalidArgumentError(
      'decaySteps',
      `at most totalSteps − warmupSteps = ${totalSteps - warmupSteps}`,
      decaySteps,
    );
  }
  const shapes = {
    linear: (progress: number) => 1 - progress,
    cosine: (progress: number) => 0.5 * (1 + Math.cos(Math.PI * progress)),
    sqrt: (progress: number) => 1 - Math.sqrt(progress),
  };
  const shape = shapes[decay];
  if (shape === undefined)
    throw new InvalidArgumentError('decay', `one of ${Object.keys(shapes).join(', ')}`, decay);
  const start = totalSteps - decaySteps;
  const after: Schedule = (step) => {
    if (step < start) return peak;
    const progress = decaySteps === 0 ? 1 : Math.min((step - start) / decaySteps, 1);
    return final + (peak - final) * shape(progress);
  };
  return warmup(after, { peak, warmupSteps });
}

function decaySchedule(options: DecayOptions, shape: (progress: number) => number): Schedule {
  const { peak, final = 0, warmupSteps = 0, totalSteps } = options;
  requireNumbers({ peak, final, warmupSteps, totalSteps });
  if (warmupSteps > totalSteps) {
    throw new InvalidArgumentError('warmupSteps', `at most totalSteps = ${totalSteps}`, warmupSteps);
  }
  const span = totalSteps - warmupSteps;
  const after: Schedule = (step) => {
    const progress = span === 0 ? 1 : Math.min((step - warmupSteps) / span, 1);
    return final + (peak - final) * shape(progress);
  };
  return warmup(after, { peak, warmupSteps });
}

function requireNumbers(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new InvalidArgumentError(name, 'a finite number ≥ 0', value);
    }
  }
}
