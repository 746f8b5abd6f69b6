import type { Rollout } from '../rollouts/rollout.js';
import { mean } from './mean.js';
import { completionMetrics, type RolloutEvent, samplingDifference } from './on-policy-events.js';
import type { Measured } from './step-measurements.js';

/** One iteration's sampled completions, and what is known about them. */
export interface ScoredIteration {
  readonly iteration: number;
  readonly episodes: number;
  readonly rollouts: readonly Rollout[];
  readonly scores: readonly number[];
  readonly skipped: number;
  readonly referenceLogProbs: readonly (readonly number[])[];
  /** β of this iteration's rewards. */
  readonly klCoefficient: number;
}

/** Mean KL to the reference per sequence, nats. */
export function meanKL(
  logProbs: Measured['logProbs'],
  referenceLogProbs: ScoredIteration['referenceLogProbs'],
): number {
  const perSequence = logProbs.map((row, index) =>
    row.reduce((sum, p, t) => sum + p - referenceLogProbs[index]![t]!, 0),
  );
  return mean(perSequence);
}

/** The iteration under TRL's names. */
export function ppoRolloutEvent(
  sampled: ScoredIteration,
  { logProbs, entropies, values }: Measured,
  temperature: number,
): RolloutEvent {
  const { iteration, episodes, rollouts, scores, klCoefficient } = sampled;
  const kl = meanKL(logProbs, sampled.referenceLogProbs);
  return {
    type: 'rollout',
    iteration,
    skipped: sampled.skipped,
    metrics: {
      'objective/kl': kl,
      'objective/entropy': mean(entropies.map((row) => row.reduce((sum, entropy) => sum + entropy, 0))),
      'objective/non_score_reward': -klCoefficient * kl,
      'objective/rlhf_reward': mean(scores) - klCoefficient * kl,
      'objective/scores': mean(scores),
      'objective/kl_coefficient': klCoefficient,
      'policy/entropy_avg': mean(entropies.flat()),
      'val/num_eos_tokens': rollouts.filter((rollout) => rollout.endedByItself).length,
      ...completionMetrics(rollouts),
      ...samplingDifference(rollouts, temperature === 1 ? logProbs : []),
      eps: episodes,
      episode: (iteration + 1) * episodes,
      'value/mean': mean(values.flat()),
    },
    samples: rollouts.slice(0, 4).map(({ prompt, completion }, index) => ({
      prompt,
      completion,
      reward: scores[index]!,
    })),
  };
}
