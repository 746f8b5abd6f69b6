import { z } from 'zod';
import type { Json } from '../data/token-batch.js';

/**
 * All that a run needs, beside weights and optimizer moments, to go on as if it had never stopped. Dropout
 * masks and batches are functions of seed and position, so there is no generator state to keep.
 */
export interface TrainingState {
  readonly version: 1;
  readonly step: number;
  readonly tokens: number;
  readonly seed: number;
  /** Updates the optimizer has applied: `step` less the skipped ones. */
  readonly updates: number;
  readonly source: Json;
  readonly bestLoss: number | null;
  /** Validations since the best one. */
  readonly sinceBest: number;
  readonly guard: {
    readonly mean: number | null;
    readonly variance: number;
    readonly observed: number;
    readonly consecutive: number;
    readonly good: number;
    readonly learningRateScale: number;
  };
  /** Time spent training, all sessions together. */
  readonly elapsedMs: number;
  /** Settings that change the curve; a resumed run must have the same. */
  readonly settings: { readonly [name: string]: Json };
}

const count = z.number().int().min(0);

const schema = z.object({
  version: z.literal(1),
  step: count,
  tokens: count,
  seed: z.number(),
  updates: count,
  source: z.json(),
  bestLoss: z.number().nullable(),
  sinceBest: count,
  guard: z.object({
    mean: z.number().nullable(),
    variance: z.number(),
    observed: count,
    consecutive: count,
    good: count,
    learningRateScale: z.number(),
  }),
  elapsedMs: z.number(),
  settings: z.record(z.string(), z.json()),
});

/** A training state read from JSON, or what is wrong with it. */
export function parseTrainingState(value: unknown): TrainingState | { readonly problem: string } {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data as TrainingState;
  const issue = parsed.error.issues[0];
  return { problem: `${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'not a training state'}` };
}
