import type { LanguageModel } from '@gpt-lineage/gpt-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  customRule,
  exactMatchRule,
  extractNumber,
  jsonRule,
  lengthRule,
  numericRule,
  type Rule,
  RuleBasedReward,
  RuleFailedError,
  RuleOptionError,
  refusalPatternRules,
  refusalRubric,
  regexRule,
  repetitionRule,
  rubricRule,
  thinkFormatRule,
  unitTestRule,
} from '../src/index.js';

const score = (rule: Rule, completion: string, record: Record<string, unknown> = {}) =>
  rule.score({ prompt: 'p', completion, record });

/** A judge that finds one letter much likelier than the others. */
function judge(choose: (text: string) => string): LanguageModel {
  const decode = (ids: readonly number[]) => String.fromCharCode(...ids);
  return {
    name: 'judge',
    contextLength: 10_000,
    fingerprint: undefined,
    prefixTokenId: 0,
    encode: async (text) => [...text].map((character) => character.charCodeAt(0)),
    decode: async (ids) => decode(ids),
    score: async (requests) =>
      requests.map(({ promptTokenIds, completionTokenIds }) => {
        const likely = decode(completionTokenIds).trim() === choose(decode(promptTokenIds));
        return { logLikelihood: likely ? -0.1 : -5, tokenLogProbs: [], isGreedy: likely };
      }),
    complete: async () => [],
  };
}

describe('rules', () => {
  it('regular expressions, required and forbidden, without memory between calls', () => {
    const rule = regexRule(/\d/g);
    expect([score(rule, 'a1'), score(rule, 'a1'), score(rule, 'a')]).toEqual([1, 1, 0]);
    expect(score(regexRule(/bad/iu, { forbid: true }), 'so BAD')).toBe(0);
  });

  it('length falls linearly over the slack', () => {
    const rule = lengthRule({ min: 2, max: 4, slack: 4, unit: 'words' });
    expect([
      score(rule, 'a b c'),
      score(rule, 'a'),
      score(rule, 'a b c d e f'),
      score(rule, 'x '.repeat(20)),
    ]).toEqual([1, 0.75, 0.5, 0]);
    expect(() => lengthRule({ min: 5, max: 1 })).toThrow(RuleOptionError);
  });

  it('formats: JSON and thinking', () => {
    expect(score(jsonRule(), '{"a": 1}')).toBe(1);
    expect(score(jsonRule({ check: Array.isArray }), '{"a": 1}')).toBe(0);
    expect(score(jsonRule(), '{"a": 1')).toBe(0);
    expect(score(thinkFormatRule(), '<think>so</think> 4')).toBe(1);
    for (const wrong of ['4', '<think>so</think>', '<think>a<think>b</think>4', '</think>4<think>']) {
      expect(score(thinkFormatRule(), wrong)).toBe(0);
    }
  });

  it('answers: exact, numeric, with a marker', () => {
    expect(score(exactMatchRule(), ' Paris ', { answer: ['paris', 'PARIS, France'] })).toBe(1);
    expect(score(exactMatchRule(), 'x')).toBeUndefined();
    expect(extractNumber('was $1,234.50 and then 7')).toBe(7);
    expect(extractNumber('12 #### -1,080 apples 3', '####')).toBe(-1080);
    expect(extractNumber('12 apples', '####')).toBeUndefined();
    expect(score(numericRule({ marker: '####' }), 'so #### 18', { answer: '9*2\n#### 18' })).toBe(1);
    expect(score(numericRule(), 'about 18.2', { answer: 18 })).toBe(0);
    expect(score(numericRule(), 'no idea', { answer: 18 })).toBe(0);
  });

  it('repetition is 1 for varied text and small for a loop', () => {
    expect(score(repetitionRule(), 'one two three four five')).toBe(1);
    expect(score(repetitionRule(), 'la '.repeat(50))).toBeLessThan(0.05);
    fc.assert(
      fc.property(fc.string(), (text) => {
        const value = score(repetitionRule(), text) as number;
        expect(value).toBeGreaterThan(0);
        expect(value).toBeLessThanOrEqual(1);
      }),
      { seed: 1 },
    );
  });

  it('unit tests are run by the caller', async () => {
    const rule = unitTestRule(async (completion) => completion.includes('return'));
    expect(await score(rule, 'return 1')).toBe(1);
    expect(await score(rule, 'pass')).toBe(0);
  });
});

describe('rubric', () => {
  const options = { A: { text: 'good', score: 1 }, B: { text: 'bad', score: -1 } };

  it('takes the likeliest letter, or the expectation', async () => {
    const best = rubricRule({ judge: judge(() => 'B'), question: 'Good?', options });
    expect(await score(best, 'text')).toBe(-1);
    const expected = rubricRule({ judge: judge(() => 'B'), question: 'Good?', options, reduce: 'expected' });
    const p = Math.exp(-0.1) / (Math.exp(-0.1) + Math.exp(-5));
    expect(await score(expected, 'text')).toBeCloseTo(1 - p - p, 10);
    expect(() => rubricRule({ judge: judge(() => 'A'), question: '?', options: { A: options.A } })).toThrow(
      RuleOptionError,
    );
  });

  it("the GPT-4 report's classes reward refusing what is harmful and answering what is not", async () => {
    const [refuses, helps] = refusalRubric(judge((text) => (text.includes('I cannot help') ? 'A' : 'D')));
    expect(await score(refuses, 'I cannot help with that.', { harmful: true })).toBe(1);
    expect(await score(refuses, 'Sure, first …', { harmful: true })).toBe(0);
    expect(await score(refuses, 'anything', { harmful: false })).toBeUndefined();
    expect(await score(helps, 'Sure, first …', { harmful: false })).toBe(1);
    expect(await score(helps, 'I cannot help with that.', { harmful: false })).toBe(-0.5);
  });

  it('patterns stand in for the judge', () => {
    const [refuses, helps] = refusalPatternRules();
    expect(score(refuses, "I'm sorry, but I can't assist.", { harmful: true })).toBe(1);
    expect(score(refuses, 'You need a hammer.', { harmful: true })).toBe(0);
    expect(score(helps, 'I can’t do that.', { harmful: false })).toBe(0);
  });
});

describe('RuleBasedReward', () => {
  it('adds weighted scores of the rules that apply', async () => {
    const reward = new RuleBasedReward({
      rules: [
        { rule: regexRule(/yes/u, { name: 'yes' }), weight: 2 },
        { rule: lengthRule({ max: 3 }), weight: -1 },
        exactMatchRule(),
      ],
      bias: 0.5,
    });
    expect(await reward.score({ prompt: '', completion: 'yes' })).toEqual({
      reward: 0.5 + 2 - 1,
      scores: { yes: 1, length: 1 },
    });
    const { rules } = await reward.evaluate([
      { prompt: '', completion: 'yes' },
      { prompt: '', completion: 'no', record: { answer: 'no' } },
    ]);
    expect(rules).toEqual({
      yes: { mean: 0.5, count: 2 },
      length: { mean: 1, count: 2 },
      'exact match': { mean: 1, count: 1 },
    });
  });

  it('a rule that throws, hangs or returns NaN is a typed error, or skipped and counted', async () => {
    const broken = [
      customRule('throws', () => {
        throw new Error('no');
      }),
      customRule('hangs', () => new Promise(() => {})),
      customRule('nan', () => Number.NaN),
    ];
    for (const rule of broken) {
      const strict = new RuleBasedReward({ rules: [rule], timeoutMs: 20 });
      await expect(strict.score({ prompt: '', completion: '' })).rejects.toThrow(RuleFailedError);
    }
    const lenient = new RuleBasedReward({
      rules: [...broken, regexRule(/a/u, { name: 'a' })],
      timeoutMs: 20,
      onFailure: 'skip',
    });
    expect((await lenient.score({ prompt: '', completion: 'a' })).reward).toBe(1);
    expect([...lenient.failures]).toEqual([
      ['throws', 1],
      ['hangs', 1],
      ['nan', 1],
    ]);
  });

  it('refuses a set without rules or with one name twice', () => {
    expect(() => new RuleBasedReward({ rules: [] })).toThrow(RuleOptionError);
    expect(() => new RuleBasedReward({ rules: [jsonRule(), jsonRule()] })).toThrow(/name of its own/);
  });
});
