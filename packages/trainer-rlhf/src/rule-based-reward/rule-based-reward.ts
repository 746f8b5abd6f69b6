import { RuleFailedError, RuleOptionError } from '../errors.js';
import type { Rule, RuleInput } from './rule.js';

export interface WeightedRule {
  readonly rule: Rule;
  /** Default 1; a negative weight turns a criterion into a penalty. */
  readonly weight?: number;
}

export interface RuleBasedRewardOptions {
  readonly rules: readonly (Rule | WeightedRule)[];
  /** Added to every reward, default 0. */
  readonly bias?: number;
  /** Milliseconds a rule may take before it counts as failed, default 30,000. */
  readonly timeoutMs?: number;
  /** What a rule that throws, hangs or returns no number does: `'throw'` (default) or `'skip'` it and count. */
  readonly onFailure?: 'throw' | 'skip';
}

export interface RuleBasedScore {
  /** bias + Σ weight · score over the rules that apply. */
  readonly reward: number;
  /** Unweighted score of each rule that applied. */
  readonly scores: Readonly<Record<string, number>>;
}

/**
 * The rule-based reward model (RBRM) of the GPT-4 technical report: rules, from regular expressions to a rubric judged
 * by a language model, combined by weights. Alone it is a reward for GRPO or best-of-n; beside a reward model its value
 * is added; with `evaluate` it reports rates.
 */
export class RuleBasedReward {
  readonly rules: readonly Required<WeightedRule>[];
  readonly bias: number;
  readonly timeoutMs: number;
  readonly onFailure: 'throw' | 'skip';
  /** Failures skipped so far, by rule. */
  readonly failures = new Map<string, number>();

  constructor({ rules, bias = 0, timeoutMs = 30_000, onFailure = 'throw' }: RuleBasedRewardOptions) {
    this.rules = rules.map((entry) =>
      'rule' in entry ? { weight: 1, ...entry } : { rule: entry, weight: 1 },
    );
    const names = this.rules.map(({ rule }) => rule.name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (rules.length === 0) throw new RuleOptionError('rules', '[]', 'give at least one rule');
    if (twice !== undefined) throw new RuleOptionError('rules', twice, 'give each rule a name of its own');
    this.bias = bias;
    this.timeoutMs = timeoutMs;
    this.onFailure = onFailure;
  }

  /** Scores one completion. @throws {RuleFailedError} unless `onFailure` is `'skip'` */
  async score(input: RuleInput): Promise<RuleBasedScore> {
    const scores: Record<string, number> = {};
    let reward = this.bias;
    for (const { rule, weight } of this.rules) {
      const value = await this.#apply(rule, input);
      if (value === undefined) continue;
      scores[rule.name] = value;
      reward += weight * value;
    }
    return { reward, scores };
  }

  /** Scores many, in order. */
  async scoreAll(inputs: readonly RuleInput[]): Promise<RuleBasedScore[]> {
    const results: RuleBasedScore[] = [];
    for (const input of inputs) results.push(await this.score(input));
    return results;
  }

  /** Mean reward and, for each rule, its mean over the inputs it applied to. */
  async evaluate(inputs: readonly RuleInput[]): Promise<{
    reward: number;
    rules: Record<string, { mean: number; count: number }>;
  }> {
    const results = await this.scoreAll(inputs);
    const rules: Record<string, { mean: number; count: number }> = {};
    for (const { scores } of results) {
      for (const [name, value] of Object.entries(scores)) {
        const entry = rules[name] ?? { mean: 0, count: 0 };
        const count = entry.count + 1;
        rules[name] = { mean: entry.mean + (value - entry.mean) / count, count };
      }
    }
    const total = results.reduce((sum, { reward }) => sum + reward, 0);
    return { reward: total / Math.max(1, results.length), rules };
  }

  async #apply(rule: Rule, input: RuleInput): Promise<number | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`took longer than ${this.timeoutMs} ms`)), this.timeoutMs);
      });
      const value = await Promise.race([Promise.resolve().then(() => rule.score(input)), late]);
      if (value !== undefined && !Number.isFinite(value)) throw new Error(`returned ${value}`);
      return value;
    } catch (cause) {
      input.signal?.throwIfAborted();
      if (this.onFailure === 'throw')
        throw new RuleFailedError(rule.name, (cause as Error).message, { cause });
      this.failures.set(rule.name, (this.failures.get(rule.name) ?? 0) + 1);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
