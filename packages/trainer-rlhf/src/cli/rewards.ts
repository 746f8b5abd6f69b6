import { ScalarHeadModel } from '../models/scalar-head.js';
import type { RewardFunction } from '../rollouts/rollout.js';
import { looksLikeRefusal } from '../rule-based-reward/refusal-rubric.js';
import type { Rule } from '../rule-based-reward/rule.js';
import { RuleBasedReward } from '../rule-based-reward/rule-based-reward.js';
import {
  exactMatchRule,
  jsonRule,
  lengthRule,
  numericRule,
  regexRule,
  repetitionRule,
  thinkFormatRule,
} from '../rule-based-reward/text-rules.js';
import { withHarmPenalty } from '../safety/harm-penalty.js';
import { scoreSequences } from '../trainers/reward-trainer.js';
import type { RuleConfig } from './config.js';
import { UsageError } from './errors.js';
import { defined } from './records.js';

/** The reward that a config describes: a reward model, rules, or the sum of both. */
export interface ConfiguredReward extends Disposable {
  readonly reward: RewardFunction;
  readonly model: ScalarHeadModel | undefined;
}

/** @throws {UsageError} when the config names neither */
export async function configuredReward(config: {
  readonly rewardModel?: string | undefined;
  readonly rules?: readonly RuleConfig[] | undefined;
  readonly harmPenalty?: number | undefined;
}): Promise<ConfiguredReward> {
  const { rewardModel, rules, harmPenalty } = config;
  if (rewardModel === undefined && rules === undefined)
    throw new UsageError('There is no reward: give --reward-model FOLDER, or rules in the config file.');
  const ruleBased =
    rules &&
    new RuleBasedReward({
      rules: rules.map((entry) => ({
        rule: ruleOf(entry),
        ...(entry.weight === undefined ? {} : { weight: entry.weight }),
      })),
    });
  const model = rewardModel === undefined ? undefined : await ScalarHeadModel.load(rewardModel);
  const sum: RewardFunction = async (rollouts) => {
    const learned = model ? await scoreSequences(model, rollouts) : undefined;
    const ruled = ruleBased ? await ruleBased.scoreAll(rollouts) : undefined;
    return rollouts.map((_, index) => (learned?.[index] ?? 0) + (ruled?.[index]?.reward ?? 0));
  };
  return {
    reward: harmPenalty ? withHarmPenalty(sum, { weight: harmPenalty }) : sum,
    model,
    [Symbol.dispose]: () => model?.dispose(),
  };
}

function ruleOf(entry: RuleConfig): Rule {
  switch (entry.type) {
    case 'numeric':
      return numericRule(defined(entry, 'type', 'weight'));
    case 'exact':
      return exactMatchRule(defined(entry, 'type', 'weight'));
    case 'regex':
      return regexRule(patternOf(entry), defined({ forbid: entry.forbid }));
    case 'length':
      return lengthRule(defined(entry, 'type', 'weight'));
    case 'json':
      return jsonRule();
    case 'think':
      return thinkFormatRule();
    case 'repetition':
      return repetitionRule(defined(entry, 'type', 'weight'));
    case 'refusal':
      return { name: 'refusal', score: ({ completion }) => Number(looksLikeRefusal(completion)) };
  }
}

function patternOf({ pattern, flags = 'u' }: { pattern: string; flags?: string | undefined }): RegExp {
  try {
    return new RegExp(pattern, flags);
  } catch (cause) {
    throw new UsageError(
      `The rule's pattern ${pattern} is not valid (${(cause as Error).message}): correct it.`,
      { cause },
    );
  }
}
