import { TrainerDataError } from '../errors.js';
import { type Exchange, patternRisk, type RiskScorer } from './risk.js';

export interface RiskFilterOptions {
  /** Default {@link patternRisk}. */
  readonly scorer?: RiskScorer;
  /** Samples with this risk or more are dropped. Default 0.5. */
  readonly threshold?: number;
  /** Samples judged at once. Default 64. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}

/**
 * Takes risky samples out of training data: GPT-4's first line of defence, before refusals are taught. Nothing is lost
 * silently: what was dropped comes back with its risk and category.
 */
export async function filterRisky<Sample extends Exchange>(
  samples: readonly Sample[],
  { scorer = patternRisk(), threshold = 0.5, batchSize = 64, signal }: RiskFilterOptions = {},
): Promise<{
  readonly kept: Sample[];
  readonly dropped: { readonly sample: Sample; readonly risk: number; readonly category: string }[];
  readonly byCategory: Readonly<Record<string, number>>;
}> {
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new TrainerDataError('threshold', threshold, 'give a number from 0 to 1');
  }
  const kept: Sample[] = [];
  const dropped: { sample: Sample; risk: number; category: string }[] = [];
  for (let start = 0; start < samples.length; start += batchSize) {
    const batch = samples.slice(start, start + batchSize);
    const risks = await scorer(batch, signal);
    batch.forEach((sample, index) => {
      const { score = Number.NaN, category = 'unknown' } = risks[index] ?? {};
      // A scorer that says nothing usable must not let a sample through.
      if (score < threshold) kept.push(sample);
      else dropped.push({ sample, risk: score, category });
    });
  }
  const byCategory: Record<string, number> = {};
  for (const { category } of dropped) byCategory[category] = (byCategory[category] ?? 0) + 1;
  return { kept, dropped, byCategory };
}
