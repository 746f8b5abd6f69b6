import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accuracy,
  bleu,
  bootstrap,
  brierScore,
  calibration,
  chrf,
  exactMatch,
  expectedCalibrationError,
  f1Score,
  InvalidMetricInputError,
  macroF1,
  matthewsCorrelation,
  mcNemar,
  normalizeAnswer,
  pairedPermutation,
  passAtK,
  perplexity,
  pickChoice,
  rouge,
  sentenceBleu,
  sentenceChrf,
  standardError,
  tokenF1,
} from '../src/index.js';
import { tokenize13a } from '../src/metrics/bleu.js';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8'));
const fixture = read('metrics.json');
const pairs: { hyp: string; refs: string[] }[] = fixture.pairs;
const hypotheses = pairs.map((pair) => pair.hyp);
const bothReferences = pairs.map((pair) => pair.refs);
const firstReference = pairs.map((pair) => pair.refs.slice(0, 1));

/** Relative 1e-6, as the reference numbers are float64. */
const close = (actual: number, expected: number) =>
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected)));

describe('BLEU and chrF equal sacrebleu', () => {
  it('tokenises like mteval 13a', () => {
    expect(hypotheses.map((text) => tokenize13a(text).join(' '))).toEqual(fixture.bleu.tokenized_13a);
  });

  it.each([
    ['corpus_13a_refs1', firstReference, {}],
    ['corpus_13a_refs2', bothReferences, {}],
    ['corpus_13a_lowercase_refs1', firstReference, { lowercase: true }],
    ['corpus_13a_lowercase_refs2', bothReferences, { lowercase: true }],
    ['corpus_none_refs1', firstReference, { tokenizer: 'none' }],
    ['corpus_none_refs2', bothReferences, { tokenizer: 'none' }],
    ['corpus_char_refs1', firstReference, { tokenizer: 'char' }],
    ['corpus_char_refs2', bothReferences, { tokenizer: 'char' }],
  ] as const)('%s', (name, references, options) => {
    const expected = fixture.bleu[name];
    const actual = bleu(hypotheses, references, options);
    close(actual.score, expected.score);
    for (const [n, precision] of actual.precisions.entries()) close(precision, expected.precisions[n]);
    close(actual.brevityPenalty, expected.bp);
    expect(actual.hypothesisLength).toBe(expected.sys_len);
    expect(actual.referenceLength).toBe(expected.ref_len);
    expect(actual.matches).toEqual(expected.counts);
    expect(actual.totals).toEqual(expected.totals);
  });

  it.each(['exp', 'floor', 'add-k', 'none'] as const)('sentences with smoothing %s', (smoothing) => {
    pairs.forEach(({ hyp, refs }, index) => {
      close(sentenceBleu(hyp, refs, { smoothing }).score, fixture.bleu[`sentence_${smoothing}`][index]);
    });
  });

  it('chrF of sentences and corpus', () => {
    for (const [index, { hyp, refs }] of pairs.entries()) {
      close(sentenceChrf(hyp, refs), fixture.bleu.chrf_sentence[index]);
    }
    close(chrf(hypotheses, bothReferences), fixture.bleu.chrf_corpus_refs2);
  });

  it('a perfect translation scores 100 and an empty one 0', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('one', 'two', 'red', 'blue', 'fish'), { minLength: 4, maxLength: 12 }),
        (tokens) => {
          const text = tokens.join(' ');
          close(bleu([text], [[text]]).score, 100);
          close(sentenceChrf(text, [text]), 100);
          expect(bleu([''], [[text]]).score).toBe(0);
          expect(sentenceChrf('', [text])).toBe(0);
        },
      ),
      { seed: 1, numRuns: 50 },
    );
    expect(() => bleu(['a'], [])).toThrow(InvalidMetricInputError);
    expect(() => bleu(['a'], [[]])).toThrow(/references\[0\]/);
  });
});

describe('text metrics', () => {
  it('ROUGE equals the reference', () => {
    pairs.forEach(({ hyp, refs }, index) => {
      const actual = rouge(hyp, refs[0]!);
      for (const variant of ['rouge1', 'rouge2', 'rougeL'] as const) {
        for (const part of ['precision', 'recall', 'fmeasure'] as const) {
          close(actual[variant][part], fixture.rouge[index][variant][part]);
        }
      }
    });
  });

  it('SQuAD exact match and F1 equal the reference', () => {
    for (const { prediction, answers, exact_match, f1 } of fixture.squad) {
      expect(exactMatch(prediction, answers)).toBe(exact_match);
      close(tokenF1(prediction, answers), f1);
    }
    expect(normalizeAnswer('  The  Eiffel-Tower! ')).toBe('eiffeltower');
    expect(tokenF1('', [''])).toBe(1);
    expect(tokenF1('', ['x'])).toBe(0);
  });

  it('perplexities and bits per byte equal the reference', () => {
    const texts = fixture.perplexity.texts.map((row: { text: string; token_logprobs: number[] }) => ({
      text: row.text,
      tokenLogProbs: row.token_logprobs,
    }));
    fixture.perplexity.texts.forEach((row: Record<string, number>, index: number) => {
      const report = perplexity([texts[index]]);
      close(report.tokenPerplexity, row.perplexity!);
      close(report.bitsPerByte, row.bits_per_byte!);
      close(report.bytePerplexity, row.byte_perplexity!);
      close(report.bitsPerToken, row.bits_per_token!);
      if (row.word_perplexity) close(report.wordPerplexity, row.word_perplexity);
      expect(report.bytes).toBe(row.bytes);
    });
    const corpus = perplexity(texts);
    close(corpus.tokenPerplexity, fixture.perplexity.corpus.perplexity);
    close(corpus.bitsPerByte, fixture.perplexity.corpus.bits_per_byte);
    close(corpus.wordPerplexity, fixture.perplexity.corpus.word_perplexity);
    expect(() => perplexity([])).toThrow(InvalidMetricInputError);
  });
});

describe('pass@k', () => {
  it('equals the reference', () => {
    for (const { n, c, k, pass_at_k } of fixture.pass_at_k) close(passAtK(n, c, k), pass_at_k);
  });

  it('is the expectation over all subsets, for small n', () => {
    const subsets = (n: number, k: number): number[][] =>
      k === 0
        ? [[]]
        : n === 0
          ? []
          : [...subsets(n - 1, k), ...subsets(n - 1, k - 1).map((s) => [...s, n - 1])];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(8), fc.nat(7), (n, c0, k0) => {
        const c = c0 % (n + 1);
        const k = 1 + (k0 % n);
        const all = subsets(n, k);
        const passing = all.filter((subset) => subset.some((sample) => sample < c)).length;
        close(passAtK(n, c, k), passing / all.length);
      }),
      { seed: 1, numRuns: 100 },
    );
    expect(() => passAtK(5, 6, 1)).toThrow(/c is 6/);
    expect(() => passAtK(5, 1, 6)).toThrow(/k is 6/);
    expect(() => passAtK(0, 0, 1)).toThrow(InvalidMetricInputError);
  });
});

describe('calibration and choices', () => {
  const tensors = read('calibration.json');
  const labels: number[] = tensors.labels.values;
  const classes = tensors.logits.shape[1];
  const probabilities = labels.map((_, row) => {
    const logits: number[] = tensors.logits.values.slice(row * classes, (row + 1) * classes);
    const top = Math.max(...logits);
    const exps = logits.map((x) => Math.exp(x - top));
    const sum = exps.reduce((a, b) => a + b, 0);
    return exps.map((x) => x / sum);
  });

  it.each([10, 15])('ECE and MCE with %i bins equal the reference', (bins) => {
    const expected = fixture.calibration[`ece${bins}`];
    const report = calibration(tensors.confidence.values, tensors.correct.values, bins);
    close(report.expectedCalibrationError, expected.ece);
    close(report.maximumCalibrationError, expected.mce);
    expect(report.bins.map((bin) => bin.count)).toEqual(
      expected.table.map((row: { count: number }) => row.count),
    );
    close(expectedCalibrationError(tensors.confidence.values, tensors.correct.values, bins), expected.ece);
  });

  it('Brier score and accuracy equal the reference', () => {
    close(brierScore(probabilities, labels), fixture.calibration.brier);
    const picks = probabilities.map((row) => row.indexOf(Math.max(...row)));
    close(accuracy(picks, labels), fixture.calibration.accuracy);
    expect(() => calibration([2], [true])).toThrow(/confidences\[0\] is 2/);
  });

  it('picks choices as the reference does, plain and per character', () => {
    for (const { choice_lengths, loglikelihoods, pick, pick_length_normalised } of fixture.multiple_choice) {
      const choices = choice_lengths.map((length: number, index: number) => ({
        text: 'x'.repeat(length),
        logLikelihood: loglikelihoods[index],
      }));
      expect(pickChoice(choices)).toBe(pick);
      expect(pickChoice(choices, 'character')).toBe(pick_length_normalised);
    }
  });

  it('normalises by bytes, tokens and the unconditional likelihood', () => {
    const choices = [
      { text: 'é', logLikelihood: -2, tokens: 1, unconditionalLogLikelihood: -1 },
      { text: 'ab', logLikelihood: -2.5, tokens: 2, unconditionalLogLikelihood: -3 },
    ];
    expect(pickChoice(choices, 'byte')).toBe(0); // two bytes each: −1 over −1.25
    expect(pickChoice(choices, 'token')).toBe(1);
    expect(pickChoice(choices, 'unconditional')).toBe(1);
    expect(() => pickChoice([{ text: 'a', logLikelihood: -1 }], 'token')).toThrow(/divides by it/);
    expect(() => pickChoice([], 'sum')).toThrow(InvalidMetricInputError);
  });
});

describe('classification', () => {
  it('matches values worked out by hand', () => {
    const predictions = [1, 1, 0, 0, 1];
    const labels = [1, 0, 0, 1, 1];
    close(accuracy(predictions, labels), 0.6);
    close(f1Score(predictions, labels, 1), 2 / 3);
    close(macroF1(predictions, labels), (2 / 3 + 0.5) / 2);
    // binary formula: (TP·TN − FP·FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)) = (2·1 − 1·1) / √(3·3·2·2)
    close(matthewsCorrelation(predictions, labels), 1 / 6);
    expect(matthewsCorrelation([1, 1], [0, 1])).toBe(0);
    expect(matthewsCorrelation(['a', 'b', 'c'], ['a', 'b', 'c'])).toBe(1);
  });
});

describe('statistics', () => {
  it('standard error and bootstrap agree on a mean', () => {
    const values = Array.from({ length: 200 }, (_, index) => index % 2);
    const analytic = standardError(values);
    close(analytic, Math.sqrt((200 * 0.25) / 199 / 200));
    const mean = (sample: readonly number[]) => sample.reduce((a, b) => a + b, 0) / sample.length;
    const result = bootstrap(values, mean, { seed: 7 });
    expect(Math.abs(result.standardError - analytic)).toBeLessThan(0.1 * analytic);
    expect(result.low).toBeLessThan(0.5);
    expect(result.high).toBeGreaterThan(0.5);
    expect(bootstrap(values, mean, { seed: 7 })).toEqual(result);
  });

  it("McNemar's exact test equals the binomial tail", () => {
    const a = [...Array(9).fill(true), ...Array(1).fill(false), true, false];
    const b = [...Array(9).fill(false), ...Array(1).fill(true), true, false];
    const { onlyA, onlyB, pValue } = mcNemar(a, b);
    expect([onlyA, onlyB]).toEqual([9, 1]);
    close(pValue, (2 * (1 + 10)) / 1024);
    expect(mcNemar([true], [true]).pValue).toBe(1);
  });

  it('the permutation test sees a real difference and no false one', () => {
    const a = Array.from({ length: 40 }, (_, index) => 1 + (index % 3));
    const b = a.map((value, index) => value - (index % 2 === 0 ? 0.5 : 0.4));
    expect(pairedPermutation(a, b, { resamples: 2000 }).pValue).toBeLessThan(0.01);
    const noise = a.map((value, index) => value + (index % 2 === 0 ? 0.5 : -0.5));
    expect(pairedPermutation(a, noise, { resamples: 2000 }).pValue).toBeGreaterThan(0.5);
    expect(() => pairedPermutation([1], [])).toThrow(InvalidMetricInputError);
  });
});
