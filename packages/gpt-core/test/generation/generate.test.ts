import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  ByteTokenizer,
  CharacterTokenizer,
  GPT,
  type GPTConfigInput,
  type StreamEvent,
} from '../../src/index.js';
import { fixtureJson, fixturePath, fixtureTensors, rows } from '../support/fixtures.js';

let models: { gpt1: GPT; gpt2: GPT; neo: GPT; gpt3: GPT };
let before = 0;
beforeAll(async () => {
  await tf.setBackend('cpu');
  models = {
    gpt1: await GPT.load(fixturePath('gpt1-tiny/model')),
    gpt2: await GPT.load(fixturePath('gpt2-tiny/model')),
    neo: await GPT.load(fixturePath('gpt3-banded-tiny/gpt_neo')),
    gpt3: await GPT.load(fixturePath('gpt3-banded-tiny/gpt3_style'), {
      config: { layerPattern: ['dense', 'banded(8)'] },
    }),
  };
});
afterAll(() => {
  for (const model of Object.values(models)) model.dispose();
});
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors).toBe(before);
});

const greedy = { temperature: 0, eosTokenIds: [] };

describe('greedy search against transformers', () => {
  it('GPT-1', async () => {
    const extra = await fixtureTensors('gpt1-tiny/extra.safetensors');
    const [prompt, sequence] = [rows(extra, 'greedy_prompt')[0]!, rows(extra, 'greedy_sequence')[0]!];
    const { tokenIds } = await models.gpt1.generate(prompt, { ...greedy, maxTokens: 12 });
    expect([...prompt, ...tokenIds]).toEqual(sequence);
  });

  it('GPT-2, with the log-probabilities of the chosen tokens', async () => {
    const fixture = await fixtureTensors('gpt2-tiny/greedy.safetensors');
    const [prompt, sequence] = [rows(fixture, 'prompt')[0]!, rows(fixture, 'sequence')[0]!];
    const result = await models.gpt2.generate(prompt, { ...greedy, maxNewTokens: 20 });
    expect([...prompt, ...result.tokenIds]).toEqual(sequence);
    const expected = rows(fixture, 'token_logprobs')[0]!;
    result.logProbs.forEach((logProb, i) => {
      expect(logProb).toBeCloseTo(expected[i]!, 4);
    });
  });

  it('a left-padded batch', async () => {
    const fixture = await fixtureTensors('gpt2-tiny/left_padded.safetensors');
    const mask = rows(fixture, 'attention_mask');
    const prompts = rows(fixture, 'input_ids').map((row, i) => row.filter((_, t) => mask[i]![t] === 1));
    const results = await models.gpt2.generate(prompts, { ...greedy, maxTokens: 10 });
    const expected = rows(fixture, 'greedy_sequences').map((row) => row.slice(14));
    expect(results.map(({ tokenIds }) => tokenIds)).toEqual(expected);
  });
});

interface BeamCase {
  name: string;
  num_beams: number;
  max_new_tokens: number;
  eos_token_id: number | null;
  length_penalty: number;
  early_stopping: boolean;
  prompt: number[];
  sequences: number[][];
  sequences_scores: number[];
}

describe('beam search against transformers', () => {
  it.each(fixtureJson<{ cases: BeamCase[] }>('gpt2-tiny/beam.json').cases)('$name', async (example) => {
    const result = await models.gpt2.generate(example.prompt, {
      numBeams: example.num_beams,
      n: example.num_beams,
      maxTokens: example.max_new_tokens,
      eosTokenIds: example.eos_token_id === null ? [] : [example.eos_token_id],
      lengthPenalty: example.length_penalty,
      earlyStopping: example.early_stopping,
    });
    expect(result.choices.map(({ tokenIds }) => [...example.prompt, ...tokenIds])).toEqual(example.sequences);
    result.choices.forEach((choice, i) => {
      expect((choice as unknown as { score: number }).score).toBeCloseTo(example.sequences_scores[i]!, 4);
    });
  });
});

describe('cached decoding equals the full forward pass', () => {
  const patterns: GPTConfigInput[] = [
    {},
    { normPlacement: 'post' },
    { normPlacement: 'sandwich', activation: 'relu' },
    { layerPattern: ['dense', 'banded(5)'] },
    { layerPattern: ['banded(3)', 'strided(4)', 'fixed(4,1)'] },
    { nKvHead: 2 },
    { positions: 'none', tieEmbeddings: false },
    { layerPattern: ['topk(3)', 'dense'] },
    { layerPattern: [{ type: 'strided', stride: 3, heads: 'alternating' }, 'banded(4)'] },
    { positions: 'rotary', layerPattern: ['dense', 'banded(5)'] },
    { positions: 'alibi', layerPattern: ['dense', 'banded(5)'] },
    { positions: 't5', relativeDistance: 20 },
    { positions: 'shaw', relativeDistance: 5, layerPattern: ['dense', 'strided(3)'] },
    { positions: 'transformer-xl' },
    { qkvBias: false, scaleAttention: false, activation: 'gelu' },
    { scaleAttentionByLayer: true },
  ];
  it.each(patterns)('%j', async (config) => {
    const base = { vocabSize: 40, contextLength: 32, nLayer: 3, nHead: 4, nEmbd: 16, initializerRange: 0.3 };
    const model = GPT.create({ ...base, ...config }, { seed: 11 });
    const prompts = [
      [1, 2, 3, 4, 5, 6, 7],
      [8, 9],
      [10, 11, 12, 13],
    ];
    const cached = await model.generate(prompts, { ...greedy, maxTokens: 12 });
    for (const [i, prompt] of prompts.entries()) {
      const full = [...prompt];
      for (let step = 0; step < 12; step++) {
        const next = tf.tidy(
          () => tf.argMax(model.forward([full], { logits: 'last' }).logits, 2).dataSync()[0]!,
        );
        full.push(next);
      }
      expect([...prompt, ...cached[i]!.tokenIds]).toEqual(full);
    }
    model.dispose();
  });
});

describe('sampling', () => {
  const options = { temperature: 1.2, topP: 0.9, maxTokens: 15, seed: 5 };
  const collect = async (events: AsyncIterable<StreamEvent>) => {
    const tokens: StreamEvent[] = [];
    for await (const event of events) tokens.push(event);
    return tokens;
  };

  it('is a function of the seed', async () => {
    const first = await models.gpt2.generate([1, 2, 3], options);
    expect((await models.gpt2.generate([1, 2, 3], options)).tokenIds).toEqual(first.tokenIds);
    expect((await models.gpt2.generate([1, 2, 3], { ...options, seed: 6 })).tokenIds).not.toEqual(
      first.tokenIds,
    );
  });

  it('streams what it would have returned', async () => {
    const whole = await models.gpt2.generate([1, 2, 3], { ...options, logprobs: 3 });
    const events = await collect(models.gpt2.stream([1, 2, 3], { ...options, logprobs: 3 }));
    expect(events.map(({ tokenId }) => tokenId)).toEqual(whole.tokenIds);
    expect(events.map(({ logProb }) => logProb)).toEqual(whole.logProbs);
    expect(events.map(({ topLogProbs }) => topLogProbs)).toEqual(whole.topLogProbs);
    expect(events.at(-1)!.finishReason).toBe(whole.finishReason);
  });

  it('gives each prompt of a batch what it gets alone', async () => {
    const prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9]];
    const batch = await models.neo.generate(prompts, options);
    for (const [i, prompt] of prompts.entries()) {
      expect(batch[i]!.tokenIds).toEqual((await models.neo.generate(prompt, options)).tokenIds);
    }
  });

  it('n samples differ, the first is the one without n, and bestOf keeps the likeliest', async () => {
    const { choices } = await models.gpt2.generate([1, 2, 3], { ...options, n: 4 });
    expect(new Set(choices.map(({ tokenIds }) => tokenIds.join())).size).toBe(4);
    expect(choices[0]!.tokenIds).toEqual((await models.gpt2.generate([1, 2, 3], options)).tokenIds);
    const best = await models.gpt2.generate([1, 2, 3], { ...options, bestOf: 4 });
    expect(best.choices).toHaveLength(1);
    expect(best.meanLogProb).toBe(Math.max(...choices.map(({ meanLogProb }) => meanLogProb)));
  });

  it('reports the log-probabilities of the prompt', async () => {
    const io = await fixtureTensors('gpt2-tiny/io.safetensors');
    const expected = rows(io, 'logprobs_next');
    const results = await models.gpt2.generate(rows(io, 'input_ids'), { maxTokens: 0, promptLogprobs: true });
    results.forEach(({ promptLogProbs }, row) => {
      expect(promptLogProbs![0]).toBeNull();
      promptLogProbs!.slice(1).forEach((logProb, t) => {
        expect(logProb).toBeCloseTo(expected[row]![t]!, 4);
      });
    });
  });

  it('obeys custom processors and criteria', async () => {
    const odd = await models.gpt2.generate([1], {
      ...options,
      logitsProcessors: [
        (scores) => {
          for (let id = 0; id < scores.length; id += 2) scores[id] = -Infinity;
        },
      ],
      stoppingCriteria: [({ tokenIds, promptLength }) => tokenIds.length - promptLength === 9],
    });
    expect(odd.tokenIds.every((id) => id % 2 === 1)).toBe(true);
    expect(odd).toMatchObject({ finishReason: 'stop' });
    expect(odd.tokenIds).toHaveLength(9);
  });

  it('ends at the end token, not before minTokens', async () => {
    const bias = { 7: 100 };
    const ended = await models.gpt2.generate([1], { ...options, eosTokenIds: [7], logitBias: bias });
    expect(ended).toMatchObject({ tokenIds: [7], finishReason: 'eos' });
    const later = await models.gpt2.generate([1], {
      ...options,
      eosTokenIds: [7],
      logitBias: bias,
      minTokens: 4,
    });
    expect(later.tokenIds).toHaveLength(5);
  });
});

describe('speculative decoding', () => {
  it.each([
    { temperature: 0, eosTokenIds: [] },
    { temperature: 1.1, topK: 20, seed: 4 },
  ])('gives the same text as plain decoding: %j', async (options) => {
    const { gpt2, gpt3 } = models;
    // A draft that is often right: the model itself with small noise on one matrix.
    const near = await GPT.load(fixturePath('gpt2-tiny/model'));
    const table = near.variables.get('transformer.h.2.mlp.c_proj.weight')!;
    const noisy = tf.tidy(() => tf.mul(table, 1.05));
    table.assign(noisy);
    noisy.dispose();
    const prompt = [7, 8, 7, 8, 7];
    // Longer than the context, so that room for guesses runs out.
    const plain = await gpt2.generate(prompt, { ...options, maxTokens: 70 });
    for (const draft of [near, gpt3, 'lookup'] as const) {
      const fast = await gpt2.generate(prompt, { ...options, maxTokens: 70, draft, draftTokens: 3 });
      expect(fast.tokenIds).toEqual(plain.tokenIds);
    }
    near.dispose();
  });

  it('needs one vocabulary and one sample', async () => {
    const other = GPT.create({ vocabSize: 9, contextLength: 8, nLayer: 1, nHead: 1, nEmbd: 4 });
    await expect(models.gpt2.generate([1], { draft: other })).rejects.toThrow(
      /vocabulary of the model \(500\)/,
    );
    await expect(models.gpt2.generate([1], { draft: 'lookup', n: 2 })).rejects.toThrow(/one sample/);
    other.dispose();
  });
});

describe('beyond the context', () => {
  it('slides, or stops', async () => {
    const prompt = [1, 2, 3, 4];
    const long = await models.gpt3.generate(prompt, { maxTokens: 150, seed: 1 });
    expect(long).toMatchObject({ finishReason: 'length' });
    expect(long.tokenIds).toHaveLength(150);
    const stopped = await models.gpt3.generate(prompt, { maxTokens: 150, seed: 1, contextOverflow: 'stop' });
    // The last token need not be read: 64 positions hold the prompt and 60 tokens, and predict one more.
    expect(stopped.tokenIds).toEqual(long.tokenIds.slice(0, 61));
    await expect(models.gpt3.generate(new Array(65).fill(1))).rejects.toThrow(
      /65 tokens do not fit in a context of 64/,
    );
    await models.gpt3.generate(new Array(65).fill(1), { truncatePrompt: true, maxTokens: 2 });
  });
});

describe('text', () => {
  const tokenizer = CharacterTokenizer.train('abcdefgh');
  const make = () =>
    GPT.create(
      { vocabSize: 8, contextLength: 32, nLayer: 1, nHead: 2, nEmbd: 8, initializerRange: 0.5 },
      { tokenizer, seed: 2 },
    );
  /** Forces the text, character by character. */
  const forced = (text: string) => ({
    temperature: 0,
    maxTokens: text.length,
    logitsProcessors: [
      (
        scores: Float32Array,
        { tokenIds, promptLength }: { tokenIds: readonly number[]; promptLength: number },
      ) => {
        const id = tokenizer.encode(text)[tokenIds.length - promptLength]!;
        scores.fill(-Infinity);
        scores[id] = 0;
      },
    ],
  });

  it('stops at a string across tokens and never shows part of it', async () => {
    const model = make();
    const options = { ...forced('abcabdeeee'), stop: ['abd', 'zz'] };
    const pieces: string[] = [];
    for await (const { text } of model.stream('a', options)) pieces.push(text);
    expect(pieces).toEqual(['', '', 'abc', '', '', '']);
    const result = await model.generate('a', options);
    expect(result).toMatchObject({ text: 'abc', finishReason: 'stop', stopString: 'abd' });
    expect(result.tokenIds).toHaveLength(6);
    model.dispose();
  });

  it('shows text that only looked like a stop string', async () => {
    const model = make();
    const result = await model.generate('a', { ...forced('hhab'), stop: 'abc' });
    expect(result).toMatchObject({ text: 'hhab', finishReason: 'length' });
    model.dispose();
  });

  it('holds incomplete UTF-8 back', async () => {
    const bytes = new ByteTokenizer();
    const model = GPT.create(
      { vocabSize: 257, contextLength: 32, nLayer: 1, nHead: 2, nEmbd: 8 },
      { tokenizer: bytes },
    );
    const wanted = bytes.encode('aé😀');
    const options = {
      temperature: 0,
      maxTokens: wanted.length,
      logitsProcessors: [
        (
          scores: Float32Array,
          { tokenIds, promptLength }: { tokenIds: readonly number[]; promptLength: number },
        ) => {
          scores.fill(-Infinity);
          scores[wanted[tokenIds.length - promptLength]!] = 0;
        },
      ],
    };
    const pieces: string[] = [];
    for await (const { text } of model.stream('x', options)) pieces.push(text);
    expect(pieces).toEqual(['a', '', 'é', '', '', '', '😀']);
    const cut = await model.generate('x', { ...options, maxTokens: wanted.length - 1 });
    expect(cut.text).toBe('aé\ufffd');
    model.dispose();
  });
});

describe('refuses', () => {
  it.each([
    [{ temperature: -1 }, /"temperature" is -1/],
    [{ topP: 0 }, /"topP" is 0/],
    [{ topK: 1.5 }, /"topK" is 1.5/],
    [{ maxTokens: -1 }, /"maxTokens" is -1/],
    [{ n: 0 }, /"n" is 0/],
    [{ n: 3, bestOf: 2 }, /"bestOf" is 2/],
    [{ stop: 'x' }, /need a model with a tokenizer/],
    [{ eosTokenIds: [500] }, /"eosTokenIds" is 500/],
    [{ temprature: 1 } as object, /"temprature" is 1: no such option/],
    [{ numBeams: 2, jsonSchema: true }, /beam search takes no/],
  ])('%j', async (options, message) => {
    await expect(models.gpt2.generate([1, 2], options)).rejects.toThrow(message);
  });

  it('empty and foreign prompts', async () => {
    await expect(models.gpt2.generate([500])).rejects.toThrow(/token ids go from 0 to 499/);
    await expect(models.gpt1.generate([])).rejects.toThrow(/empty prompt/);
    await expect(models.gpt2.generate('text')).rejects.toThrow(/no tokenizer/);
  });
});

describe('memory', () => {
  it('is flat over 500 generations that are aborted at any point', async () => {
    const model = GPT.create(
      { vocabSize: 20, contextLength: 16, nLayer: 1, nHead: 1, nEmbd: 4 },
      { seed: 1 },
    );
    const start = tf.memory().numTensors;
    let state = 1;
    for (let run = 0; run < 500; run++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const after = (state >>> 8) % 14;
      const abort = new AbortController();
      let count = 0;
      for await (const _ of model.stream([[1, 2], [3]], { maxTokens: 6, seed: run, signal: abort.signal })) {
        count += 1;
        if (count === after) {
          if (run % 3 === 0) break;
          abort.abort();
        }
      }
    }
    expect(tf.memory().numTensors).toBe(start);
    model.dispose();
  });
});
