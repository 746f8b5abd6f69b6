export { ObjectiveOptionError, RankingError, RuleFailedError, RuleOptionError } from './errors.js';
export { type DPOLoss, type DPOLossOptions, type DPOVariant, dpoLoss } from './objectives/dpo-loss.js';
export {
  type GeneralizedAdvantageOptions,
  generalizedAdvantage,
} from './objectives/generalized-advantage.js';
export { type GroupAdvantageOptions, groupAdvantage } from './objectives/group-advantage.js';
export { type GRPOLossOptions, grpoLoss } from './objectives/grpo-loss.js';
export {
  AdaptiveKLController,
  type AdaptiveKLOptions,
  FixedKLController,
  type KLController,
  type KLEstimator,
  klDivergence,
  klEstimate,
} from './objectives/kl.js';
export {
  entropyFromLogits,
  type PPOLoss,
  type PPOLossInput,
  type PPOLossOptions,
  ppoLoss,
  ppoPtxLoss,
} from './objectives/ppo-loss.js';
export { type RewardModelLoss, rewardModelLoss } from './objectives/reward-model-loss.js';
export { sequenceLogProbs, tokenLogProbs } from './objectives/sequence-log-probs.js';
export { tokenRewards } from './objectives/token-rewards.js';
export {
  looksLikeRefusal,
  refusalClasses,
  refusalPatternRules,
  refusalRubric,
} from './rule-based-reward/refusal-rubric.js';
export { type RubricOption, type RubricOptions, rubricRule } from './rule-based-reward/rubric-rule.js';
export { customRule, type Rule, type RuleInput } from './rule-based-reward/rule.js';
export {
  RuleBasedReward,
  type RuleBasedRewardOptions,
  type RuleBasedScore,
  type WeightedRule,
} from './rule-based-reward/rule-based-reward.js';
export {
  exactMatchRule,
  extractNumber,
  jsonRule,
  lengthRule,
  numericRule,
  regexRule,
  repetitionRule,
  thinkFormatRule,
  unitTestRule,
} from './rule-based-reward/text-rules.js';
