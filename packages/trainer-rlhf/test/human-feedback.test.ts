import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cohenKappa,
  diversityReport,
  FeedbackRecordError,
  fleissKappa,
  guessUseCase,
  instructGPTShares,
  pairwiseAgreement,
  parseDemonstrations,
  parseRankings,
  rankedPairs,
  splitByUser,
  TrainerDataError,
  toJsonl,
} from '../src/index.js';

describe('records', () => {
  it('reads what it writes', () => {
    const rankings = [
      { prompt: 'p', completions: ['a', 'b', 'c'], ranks: [1, 0, 1], user: 'u', labeler: 'l' },
    ];
    expect(parseRankings(toJsonl(rankings))).toEqual(rankings);
    const demonstrations = [{ prompt: 'p', completion: 'c', category: 'chat' as const, user: 'u' }];
    expect(parseDemonstrations(toJsonl(demonstrations))).toEqual(demonstrations);
  });

  it('takes pairs, ties, rankings without ranks, and whole dialogues', () => {
    const text = toJsonl([
      { prompt: 'p', chosen: 'a', rejected: 'b' },
      { prompt: 'p', chosen: 'a', rejected: 'b', tie: true },
      { prompt: 'p', completions: ['a', 'b'] },
      { chosen: '\n\nHuman: x\n\nAssistant: yes', rejected: '\n\nHuman: x\n\nAssistant: no' },
    ]);
    const [pair, tie, plain, dialogue] = parseRankings(text);
    expect(pair).toMatchObject({ completions: ['a', 'b'], ranks: [0, 1] });
    expect(rankedPairs(tie!)).toEqual([]);
    expect(rankedPairs(plain!)).toEqual([[0, 1]]);
    expect(dialogue).toMatchObject({ prompt: '\n\nHuman: x\n\nAssistant:', completions: [' yes', ' no'] });
  });

  it.each([
    ['{"prompt":"p","completions":["a"]}', /rankings:1 completions/],
    ['{"prompt":"p","completions":["a","b"],"ranks":[0]}', /one rank per completion/],
    ['{"prompt":"p","completions":["a","b"],"ranks":[0,-1]}', /ranks\.1 is -1/],
    ['{"prompt":3,"chosen":"a","rejected":"b"}', /prompt is 3/],
    ['{"chosen":"Assistant: a","rejected":"Other Assistant: b"}', /share all but the last answer/],
  ])('names line and field of %s', (line, message) => {
    expect(() => parseRankings(line)).toThrow(FeedbackRecordError);
    expect(() => parseRankings(line)).toThrow(message);
  });

  it('every pair of a ranking is ordered, ties left out', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: 2, maxLength: 7 }), (ranks) => {
        const pairs = rankedPairs({ ranks });
        expect(pairs.every(([better, worse]) => ranks[better]! < ranks[worse]!)).toBe(true);
        const tied = ranks.flatMap((rank, i) => ranks.slice(i + 1).filter((other) => other === rank)).length;
        expect(pairs.length + tied).toBe((ranks.length * (ranks.length - 1)) / 2);
      }),
    );
  });
});

describe('agreement', () => {
  it("Cohen's kappa: a worked example", () => {
    // 50 items: both yes 20, both no 15, only A yes 5, only B yes 10 → p₀ = 0.7, pₑ = 0.5
    const pairs = [
      ...Array(20).fill('yy'),
      ...Array(15).fill('nn'),
      ...Array(5).fill('yn'),
      ...Array(10).fill('ny'),
    ];
    const [a, b] = [0, 1].map((at) => pairs.map((pair: string) => pair[at]!));
    expect(cohenKappa(a!, b!)).toBeCloseTo(0.4, 10);
  });

  it('weighted kappa equals scikit-learn', () => {
    const [a, b] = [
      [0, 1, 2, 2, 1, 0, 3],
      [0, 2, 2, 1, 1, 0, 2],
    ];
    expect(cohenKappa(a!, b!)).toBeCloseTo(0.4, 10);
    expect(cohenKappa(a!, b!, { weights: 'linear' })).toBeCloseTo(0.5882352941176471, 10);
    expect(cohenKappa(a!, b!, { weights: 'quadratic' })).toBeCloseTo(0.7586206896551724, 10);
  });

  it("Fleiss' kappa: the example of the original article's kind, and its bounds", () => {
    // The example that is usually shown: 10 subjects, 14 raters, 5 categories.
    const counts = [
      [0, 0, 0, 0, 14],
      [0, 2, 6, 4, 2],
      [0, 0, 3, 5, 6],
      [0, 3, 9, 2, 0],
      [2, 2, 8, 1, 1],
      [7, 7, 0, 0, 0],
      [3, 2, 6, 3, 0],
      [2, 5, 3, 2, 2],
      [6, 5, 2, 1, 0],
      [0, 2, 2, 3, 7],
    ];
    expect(fleissKappa(counts)).toBeCloseTo(0.20993, 4);
    expect(
      fleissKappa([
        [3, 0],
        [0, 3],
      ]),
    ).toBe(1);
    expect(() => fleissKappa([[1, 0]])).toThrow(TrainerDataError);
    expect(() =>
      fleissKappa([
        [2, 0],
        [1, 0],
      ]),
    ).toThrow(/sum to 2/);
  });

  it('two raters are a case of many: Fleiss and Cohen agree on balanced labels', () => {
    const [a, b] = [
      [0, 0, 1, 1, 0, 1, 0, 1],
      [0, 1, 1, 0, 0, 1, 0, 1],
    ] as const;
    const counts = a.map((label, index) => [0, 1].map((k) => Number(label === k) + Number(b[index] === k)));
    expect(fleissKappa(counts)).toBeCloseTo(cohenKappa(a, b), 10);
  });

  it('compares rankings of the same completions, whatever their order', () => {
    const base = { prompt: 'p', completions: ['a', 'b', 'c'] };
    const rankings = [
      { ...base, ranks: [0, 1, 2], labeler: 'x' },
      { prompt: 'p', completions: ['c', 'b', 'a'], ranks: [2, 1, 0], labeler: 'y' }, // the same order
      { ...base, ranks: [0, 0, 1], labeler: 'z' }, // a tie beside a < b
    ];
    const { agreement, pairs, prompts, byLabeler } = pairwiseAgreement(rankings);
    expect({ pairs, prompts }).toEqual({ pairs: 9, prompts: 1 });
    expect(agreement).toBeCloseTo((3 + 2.5 + 2.5) / 9, 10);
    expect(byLabeler.z!.agreement).toBeCloseTo(5 / 6, 10);
    expect(pairwiseAgreement(rankings.slice(0, 1)).pairs).toBe(0);
  });
});

describe('use cases and splits', () => {
  it.each([
    ['Summarize this for a second-grade student: Jupiter is …', 'summarization'],
    ['Write a short story about a bear who goes to the beach', 'generation'],
    ['Who built the statue of liberty?', 'open-qa'],
    ['List five ideas for how to regain enthusiasm for my career', 'brainstorming'],
    ['Extract all place names from the article below', 'extract'],
    ['Translate the sentence to French: good morning', 'rewrite'],
    ['Classify the sentiment of this review', 'classification'],
    ['zzz', 'other'],
  ])('%s → %s', (prompt, useCase) => {
    expect(guessUseCase(prompt)).toBe(useCase);
  });

  it('reports shares, evenness and duplicates', () => {
    const report = diversityReport([
      { prompt: 'Who are you?', user: 'a' },
      { prompt: 'who  are you?', user: 'a' },
      { prompt: 'x', category: 'generation', user: 'b' },
    ]);
    expect(report).toMatchObject({ prompts: 3, users: 2, mostOfOneUser: 2, guessed: 2, duplicates: 1 });
    expect(report.useCases['open-qa'].count).toBe(2);
    expect(report.distinct1).toBeCloseTo(4 / 7, 10);
    const sum = Object.values(report.useCases).reduce((total, { paper }) => total + paper, 0);
    expect(sum).toBeCloseTo(1, 10);
    expect(diversityReport([]).evenness).toBe(0);
    const alike = Object.entries(instructGPTShares).flatMap(([category, share]) =>
      Array.from({ length: Math.round(share * 10) }, () => ({ prompt: '', category: category as 'chat' })),
    );
    expect(diversityReport(alike).distanceFromPaper).toBeLessThan(1e-9);
  });

  it('no user is in two parts, later records move nobody, and the shares hold', () => {
    const items = Array.from({ length: 3000 }, (_, index) => ({
      prompt: `p${index}`,
      user: `u${index % 600}`,
    }));
    const parts = splitByUser(items, { validation: 0.2, test: 0.1, seed: 3 });
    const users = [parts.training, parts.validation, parts.test].map(
      (list) => new Set(list.map(({ user }) => user)),
    );
    expect(users[0]!.size + users[1]!.size + users[2]!.size).toBe(600);
    expect(parts.validation.length / 3000).toBeGreaterThan(0.15);
    expect(parts.validation.length / 3000).toBeLessThan(0.25);
    const fewer = splitByUser(items.slice(0, 1000), { validation: 0.2, test: 0.1, seed: 3 });
    expect(fewer.test.every((item) => parts.test.includes(item))).toBe(true);
    expect(() => splitByUser(items, { validation: 1 })).toThrow(TrainerDataError);
  });

  it('caps a user and drops shared beginnings', () => {
    const items = Array.from({ length: 5 }, (_, index) => ({
      prompt: `the same beginning ${index}`,
      user: 'u',
    }));
    expect(splitByUser(items, { mostPerUser: 2 }).dropped).toEqual({ tooManyOfUser: 3, sharedPrefix: 0 });
    expect(splitByUser(items, { sharedPrefix: 10 }).dropped).toEqual({ tooManyOfUser: 0, sharedPrefix: 4 });
  });
});
