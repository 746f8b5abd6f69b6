export {
  EndpointSamplerError,
  FeedbackRecordError,
  ObjectiveOptionError,
  RankingError,
  RewardError,
  RuleFailedError,
  RuleOptionError,
  SequenceLengthError,
  TrainerDataError,
} from './errors.js';
export {
  cohenKappa,
  fleissKappa,
  type PairwiseAgreement,
  pairwiseAgreement,
} from './human-feedback/agreement.js';
export { type DiversityReport, diversityReport } from './human-feedback/diversity.js';
export {
  type DemonstrationRecord,
  parseDemonstrations,
  parseRankings,
  type RankingRecord,
  rankedPairs,
  toJsonl,
} from './human-feedback/records.js';
export { type Split, type SplitOptions, splitByUser } from './human-feedback/split-by-user.js';
export { guessUseCase, instructGPTShares, type UseCase, useCases } from './human-feedback/use-cases.js';
export { ActorCritic } from './models/actor-critic.js';
export { copyModel } from './models/copy-model.js';
export { RewardEnsemble, type RewardEnsembleOptions } from './models/reward-ensemble.js';
export {
  type Pooling,
  ScalarHeadModel,
  type ScalarHeadOptions,
  type Sequences,
} from './models/scalar-head.js';
export { type DPOLoss, type DPOLossOptions, type DPOVariant, dpoLoss } from './objectives/dpo-loss.js';
export {
  type GeneralizedAdvantageOptions,
  generalizedAdvantage,
} from './objectives/generalized-advantage.js';
export { type GroupAdvantageOptions, groupAdvantage } from './objectives/group-advantage.js';
export {
  type GRPOLoss,
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
export { type EndpointSamplerOptions, endpointSampler } from './rollouts/endpoint-sampler.js';
export {
  type LocalSamplingOptions,
  type RewardFunction,
  type RewardGuard,
  type Rollout,
  type RolloutPrompt,
  type SamplingOptions,
  sampleRollouts,
} from './rollouts/rollout.js';
export { localSampler, type RolloutSampler } from './rollouts/sampler.js';
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
export { type AttackWrapper, attackWrappers } from './safety/attack-wrappers.js';
export { compareRedTeam, type RedTeamComparison, redTeamMarkdown } from './safety/compare-red-team.js';
export { filterRisky, type RiskFilterOptions } from './safety/filter-risky.js';
export { withHarmPenalty } from './safety/harm-penalty.js';
export { type Interval, signTest, wilsonInterval } from './safety/intervals.js';
export {
  type Rate,
  type RedTeamOptions,
  type RedTeamPrompt,
  type RedTeamReport,
  redTeam,
} from './safety/red-team.js';
export { type RefusalOptions, refusalDemonstrations, refusals } from './safety/refusal-demonstrations.js';
export {
  type Exchange,
  harmPatterns,
  judgeRisk,
  patternRisk,
  type Risk,
  type RiskScorer,
  rewardModelRisk,
} from './safety/risk.js';
export { diagnose, type Finding } from './trainers/doctor.js';
export {
  DPOTrainer,
  type DPOTrainerOptions,
  type PreferencePair,
  sequenceLogProbsOf,
} from './trainers/dpo-trainer.js';
export { GRPOTrainer, type GRPOTrainerOptions } from './trainers/grpo-trainer.js';
export type { OnPolicyEvent, RolloutEvent, UpdateEvent } from './trainers/on-policy-events.js';
export { PPOTrainer, type PPOTrainerOptions } from './trainers/ppo-trainer.js';
export {
  preference,
  type Ranking,
  type RewardMetrics,
  RewardTrainer,
  type RewardTrainerOptions,
  scoreSequences,
} from './trainers/reward-trainer.js';
export { RLOOTrainer, type RLOOTrainerOptions } from './trainers/rloo-trainer.js';
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
