import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ByteTokenizer, GPT, localLanguageModel } from '../../src/index.js';
import { fixturePath, fixtureTensors, rows } from '../support/fixtures.js';

let gpt2: GPT;
let bytes: GPT;
let before = 0;
beforeAll(async () => {
  await tf.setBackend('cpu');
  gpt2 = await GPT.load(fixturePath('gpt2-tiny/model'));
  bytes = GPT.create(
    {
      vocabSize: 257,
      contextLength: 16,
      nLayer: 2,
      nHead: 2,
      nEmbd: 16,
      layerPattern: ['dense', 'banded(4)'],
    },
    { tokenizer: new ByteTokenizer(), seed: 4 },
  );
});
afterAll(() => {
  gpt2.dispose();
  bytes.dispose();
});
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors).toBe(before);
});

/** The sum of log-probabilities by the plain forward pass. */
function reference(model: GPT, prompt: number[], completion: number[]): number {
  return tf.tidy(() => {
    const whole = [...prompt, ...completion];
    const logProbs = tf.logSoftmax(model.forward([whole.slice(0, -1)]).logits).arraySync() as number[][][];
    return completion.reduce((sum, id, i) => sum + logProbs[0]![prompt.length + i - 1]![id]!, 0);
  });
}

describe('score', () => {
  it("agrees with transformers' log-probabilities, in any grouping", async () => {
    const io = await fixtureTensors('gpt2-tiny/io.safetensors');
    const ids = rows(io, 'input_ids');
    const expected = rows(io, 'logprobs_next');
    const cuts = [1, 5, 19, 5, 12];
    const prompts = ids.flatMap((row) => cuts.map((cut) => row.slice(0, cut)));
    const completions = ids.flatMap((row) => cuts.map((cut) => row.slice(cut)));
    for (const batchTokens of [1, 30, 4096]) {
      const scores = await gpt2.score(prompts, completions, { batchTokens });
      scores.forEach((score, i) => {
        const row = expected[Math.floor(i / cuts.length)]!;
        const cut = cuts[i % cuts.length]!;
        score.tokenLogProbs.forEach((logProb, t) => {
          expect(logProb).toBeCloseTo(row[cut - 1 + t]!, 4);
        });
        const sum = row.slice(cut - 1).reduce((a, b) => a + b, 0);
        expect(score.logLikelihood).toBeCloseTo(sum, 3);
      });
    }
  });

  it('reads a shared prompt once for many completions', async () => {
    const prompt = [1, 2, 3, 4, 5, 6];
    const completions = [[7], [8, 9, 10], [11, 12], [7, 8, 9, 10, 11]];
    const [scores] = await gpt2.score([prompt], [completions]);
    scores!.forEach((score, i) => {
      expect(score.logLikelihood).toBeCloseTo(reference(gpt2, prompt, completions[i]!), 4);
    });
  });

  it('knows what greedy search would have said', async () => {
    const prompt = [3, 1, 4];
    const { tokenIds } = await gpt2.generate(prompt, { temperature: 0, maxTokens: 5, eosTokenIds: [] });
    const other = [...tokenIds.slice(0, 4), (tokenIds[4]! + 1) % 500];
    const scores = await gpt2.score([prompt, prompt], [[...tokenIds], other]);
    expect(scores.map(({ isGreedy }) => isGreedy)).toEqual([true, false]);
  });

  it('cuts a prompt that is too long on its left, and refuses what cannot be scored', async () => {
    const prompt = Array.from({ length: 30 }, (_, i) => i);
    const [score] = await bytes.score([prompt], [[5, 6, 7]]);
    expect(score!.logLikelihood).toBeCloseTo(reference(bytes, prompt.slice(30 - 14), [5, 6, 7]), 4);
    await expect(bytes.score([[1]], [[]])).rejects.toThrow(/at least one token/);
    await expect(bytes.score([[1]], [new Array(17).fill(1)])).rejects.toThrow(/rollingLogLikelihood/);
    await expect(bytes.score([[1], [2]], [[1]])).rejects.toThrow(/each of the 2 prompts/);
  });
});

describe('rollingLogLikelihood', () => {
  const text = 'The quick brown fox jumps over the lazy dog, twice.';
  it('predicts every token once, from the context it may have', async () => {
    const ids = [...new TextEncoder().encode(text)];
    for (const stride of [16, 5, 1]) {
      const { tokenLogProbs } = await bytes.rollingLogLikelihood(text, { stride });
      expect(tokenLogProbs).toHaveLength(ids.length);
      for (const t of [0, 3, 15, 16, 20, 33, ids.length - 1]) {
        const done = t < 16 ? 0 : 16 + Math.floor((t - 16) / stride) * stride;
        const end = t < 16 ? Math.min(16, ids.length) : Math.min(done + stride, ids.length);
        const begin = Math.max(-1, end - 17);
        const prompt = begin < 0 ? [256, ...ids.slice(0, t)] : ids.slice(begin, t);
        expect(tokenLogProbs[t]).toBeCloseTo(reference(bytes, prompt, [ids[t]!]), 4);
      }
    }
  });
});

describe('embed', () => {
  it('gives unit vectors, equal texts equal ones', async () => {
    const [a, b, c] = await bytes.embed(['one text', 'another', 'one text']);
    expect(Math.hypot(...a!)).toBeCloseTo(1, 5);
    expect(a).toEqual(c);
    expect(a).not.toEqual(b);
    const [last] = await bytes.embed([[1, 2, 3]], { pooling: 'last', normalize: false, layer: 1 });
    const { hiddenStates, logits, lastHiddenState } = bytes.forward([[1, 2, 3]], {
      outputHiddenStates: true,
    });
    const expected = Array.from(hiddenStates![1]!.dataSync().slice(32, 48));
    expect(Array.from(last!)).toEqual(expected);
    tf.dispose([hiddenStates!, logits, lastHiddenState]);
  });
});

describe('localLanguageModel', () => {
  it('completes and scores', async () => {
    const model = localLanguageModel(bytes, { name: 'bytes' });
    expect(model).toMatchObject({ name: 'bytes', contextLength: 16, prefixTokenId: 256 });
    const [completions] = await model.complete(['ab'], { maxTokens: 4, n: 2, seed: 3 });
    expect(completions).toHaveLength(2);
    expect(completions![0]!.logProbs).toHaveLength(completions![0]!.tokenIds.length);
    const ids = await model.encode('ab');
    const [score] = await model.score([
      { promptTokenIds: ids, completionTokenIds: completions![0]!.tokenIds },
    ]);
    score!.tokenLogProbs.forEach((logProb, i) => {
      expect(logProb).toBeCloseTo(completions![0]!.logProbs[i]!, 4);
    });
    const [whole] = await model.score([{ promptTokenIds: [], completionTokenIds: ids }]);
    expect(whole!.logLikelihood).toBeCloseTo(reference(bytes, [256], ids), 4);
  });
});
