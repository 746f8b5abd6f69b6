import type { RewardFunction } from '../rollouts/rollout.js';
import { patternRisk, type RiskScorer } from './risk.js';

/** A reward less `weight` times the risk of each completion: helpfulness that harm cannot buy. */
export function withHarmPenalty(
  reward: RewardFunction,
  { scorer = patternRisk() as RiskScorer, weight = 1 } = {},
): RewardFunction {
  return async (rollouts, signal) => {
    const [rewards, risks] = await Promise.all([reward(rollouts, signal), scorer(rollouts, signal)]);
    return rewards.map((value, index) => value - weight * (risks[index]?.score ?? Number.NaN));
  };
}
