export {
  ObjectiveOptionError,
  RankingError,
  RewardError,
  RuleFailedError,
  RuleOptionError,
  SequenceLengthError,
  TrainerDataError,
} from './errors.js';
export { ActorCritic } from './models/actor-critic.js';
export { copyModel } from './models/copy-model.js';
export { ScalarHeadModel, type Sequences } from './models/scalar-head.js';
export { type DPOLoss, type DPOLossOptions, type DPOVariant, dpoLoss } from './objectives/dpo-loss.js';
export {
  type GeneralizedAdvantageOptions,
  generalizedAdvantage,
} from './objectives/generalized-advantage.js';
export { type GroupAdvantageOptions, groupAdvantage } from './objectives/group-advantage.js';
export {
  type GRPOLossOptions,
  type GRPOTokenInput,
  grpoLoss,
  grpoTokenLoss,
} from './objectives/grpo-loss.js';
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
export { type BestOfNOptions, bestOfN } from './rollouts/best-of-n.js';
export { tokenLogProbsOf } from './rollouts/completion-log-probs.js';
export type { RewardFunction, RewardGuard, Rollout, RolloutPrompt } from './rollouts/rollout.js';
export { sampleRollouts } from './rollouts/rollout.js';
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
export { diagnose, type Finding } from './trainers/doctor.js';
export {
  DPOTrainer,
  type DPOTrainerOptions,
  type PreferencePair,
  sequenceLogProbsOf,
} from './trainers/dpo-trainer.js';
export { GRPOTrainer, type GRPOTrainerOptions } from './trainers/grpo-trainer.js';
export { PPOTrainer, type PPOTrainerOptions, type RolloutEvent } from './trainers/ppo-trainer.js';
export {
  preference,
  type Ranking,
  type RewardMetrics,
  RewardTrainer,
  type RewardTrainerOptions,
  scoreSequences,
} from './trainers/reward-trainer.js';
export type { CommonTrainerOptions } from './trainers/run.js';
export {
  type Question,
  type ReasoningFormat,
  type RoundEvent,
  SelfImprovement,
  type SelfImprovementOptions,
  type VotedQuestion,
  vote,
} from './trainers/self-improvement.js';
export {
  type Demonstration,
  type SelectionEvent,
  type SFTOptions,
  SFTTrainer,
} from './trainers/sft-trainer.js';
