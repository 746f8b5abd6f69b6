import { beforeAll, describe, expect, it } from 'vitest';
import { badWords, minLength, noRepeatNgram, repetitionPenalty } from '../../src/generation/penalties.js';
import { inverseCdf, kthLargest, softmax, topIndices } from '../../src/generation/probabilities.js';
import { epsilonCutoff, minP, temperature, topK, topP, typicalP } from '../../src/generation/truncation.js';
import type { LogitsProcessor } from '../../src/index.js';
import { type Fixture, fixtureJson, fixtureTensors, rows } from '../support/fixtures.js';

interface Link {
  readonly type: string;
  readonly value: number & number[][];
  readonly eos?: number;
}
const fixture = fixtureJson<{
  cases: { name: string; chain: Link[] }[];
  inverse_cdf: { row: number; u: number[]; token: number[] };
}>('sampling/sampling.json');

function processor(link: Link): LogitsProcessor {
  const { type, value } = link;
  const factories: Record<string, () => LogitsProcessor> = {
    temperature: () => temperature(value),
    top_k: () => topK(value),
    top_p: () => topP(value),
    min_p: () => minP(value),
    typical_p: () => typicalP(value),
    epsilon_cutoff: () => epsilonCutoff(value),
    repetition_penalty: () => repetitionPenalty(value),
    no_repeat_ngram: () => noRepeatNgram(value),
    min_length: () => minLength(value, [link.eos!]),
    bad_words: () => badWords(value),
  };
  return factories[type]!();
}

describe("against transformers' logits processors", () => {
  let tensors: Fixture;
  let history: number[][];
  beforeAll(async () => {
    tensors = await fixtureTensors('sampling/sampling.safetensors');
    history = rows(tensors, 'input_ids');
  });

  it.each(fixture.cases)('$name: $chain', ({ name, chain }) => {
    rows(tensors, 'logits').forEach((logits, row) => {
      const scores = Float32Array.from(logits);
      const tokenIds = history[row]!;
      for (const link of chain)
        processor(link)(scores, { tokenIds, promptLength: tokenIds.length, text: '', row });
      const expected = rows(tensors, `${name}.scores`)[row]!;
      const probs = softmax(scores);
      const expectedProbs = rows(tensors, `${name}.probs`)[row]!;
      const kept = rows(tensors, `${name}.kept`)[row]!;
      for (let id = 0; id < scores.length; id++) {
        expect(scores[id]! > Number.NEGATIVE_INFINITY).toBe(kept[id] === 1);
        if (kept[id] === 1) expect(Math.abs(scores[id]! - expected[id]!)).toBeLessThan(1e-4);
        expect(Math.abs(probs[id]! - expectedProbs[id]!)).toBeLessThan(1e-5);
      }
    });
  });

  it.each([1, 2, 3])('top-k %i keeps all ties at the cut', (k) => {
    rows(tensors, 'ties.logits').forEach((logits, row) => {
      const scores = Float32Array.from(logits);
      topK(k)(scores, { tokenIds: [], promptLength: 0, text: '', row });
      const kept = Array.from(scores, (score) => Number(score > Number.NEGATIVE_INFINITY));
      expect(kept).toEqual(rows(tensors, `ties.top_k${k}.kept`)[row]);
    });
  });

  it('draws the first token whose cumulative probability exceeds u', () => {
    const { row, u, token } = fixture.inverse_cdf;
    const scores = Float32Array.from(rows(tensors, 'logits')[row]!);
    expect(u.map((value) => inverseCdf(scores, value))).toEqual(token);
  });
});

describe('selection without sorting', () => {
  it('agrees with sorting, also with ties and infinities', () => {
    let state = 7;
    const draw = () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state / 2 ** 32;
    };
    for (let trial = 0; trial < 200; trial++) {
      const values = Float32Array.from({ length: 1 + Math.floor(draw() * 60) }, () =>
        draw() < 0.1 ? Number.NEGATIVE_INFINITY : Math.round(draw() * 10),
      );
      const sorted = [...values].sort((a, b) => b - a);
      const k = 1 + Math.floor(draw() * values.length);
      expect(kthLargest(values, k)).toBe(sorted[k - 1]);
      expect(topIndices(values, k).map((id) => values[id])).toEqual(sorted.slice(0, k));
    }
  });
});
