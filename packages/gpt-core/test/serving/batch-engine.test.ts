import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchEngine, ByteTokenizer, type GenerateOptions, GPT, QueueFullError } from '../../src/index.js';

const tokenizer = new ByteTokenizer();
const shape = { vocabSize: tokenizer.vocabSize, contextLength: 96, nLayer: 2, nHead: 2, nEmbd: 32 };
const plain = { ...shape, initializerRange: 0.3 };
/** One that has no compiled steps: relative positions of the scores depend on what is cached. */
const topK = { ...plain, layerPattern: ['dense', 'topk(4)'] };

let model: GPT;
beforeAll(async () => {
  await tf.setBackend('cpu');
  model = GPT.create(plain, { seed: 3, tokenizer });
});
afterAll(() => model.dispose());

/** Requests of different lengths, samplings and ends. */
const requests: readonly [string, GenerateOptions][] = [
  ['Once upon a time', { maxTokens: 30, temperature: 0 }],
  ['The', { maxTokens: 12, temperature: 0.8, seed: 5 }],
  ['A longer prompt that is read in more than one part, with café', { maxTokens: 20, topK: 8, seed: 2 }],
  ['The same beginning, then one', { maxTokens: 18, topP: 0.9, seed: 9 }],
  ['The same beginning, then two', { maxTokens: 18, topP: 0.9, seed: 9, presencePenalty: 0.5 }],
  ['x', { maxTokens: 40, temperature: 1.3, seed: 1, stop: ['e', 'zz'] }],
  ['List: ', { maxTokens: 24, temperature: 0.7, seed: 4, n: 3, logprobs: 2 }],
  ['Best: ', { maxTokens: 10, seed: 4, n: 1, bestOf: 4 }],
  ['Bias', { maxTokens: 10, seed: 4, logitBias: { 65: 100 } }],
  ['{', { maxTokens: 60, seed: 6, jsonSchema: { type: 'array', items: { type: 'boolean' }, maxItems: 3 } }],
];

describe.each([
  ['compiled steps', plain],
  ['one session a slot', topK],
])('%s', (_, config) => {
  const open = (options = {}) => {
    const own = GPT.create(config, { seed: 3, tokenizer });
    return { own, engine: new BatchEngine(own, options) };
  };

  it('gives each request what generate gives it, whatever runs beside it', async () => {
    const { own, engine } = open({ slots: 8 });
    const together = await Promise.all(requests.map(([prompt, options]) => engine.generate(prompt, options)));
    for (const [at, [prompt, options]] of requests.entries()) {
      const alone = await own.generate(prompt, options);
      const shared = together[at]!;
      expect(shared.choices.map(({ text }) => text)).toEqual(alone.choices.map(({ text }) => text));
      expect(shared.choices.map(({ tokenIds }) => tokenIds)).toEqual(alone.choices.map((c) => c.tokenIds));
      expect(shared.finishReason).toBe(alone.finishReason);
      shared.logProbs.forEach((logProb, i) => {
        expect(logProb).toBeCloseTo(alone.logProbs[i]!, 4);
      });
    }
    await engine.dispose();
    own.dispose();
  });

  it('reads a known beginning once', async () => {
    const { own, engine } = open({ slots: 3 });
    const first = await engine.generate('A conversation that goes on', { maxTokens: 5, temperature: 0 });
    expect(first.cachedTokens).toBe(0);
    const prompt = [...first.promptTokenIds, ...first.tokenIds, 33];
    const second = await engine.generate(prompt, { maxTokens: 5, temperature: 0 });
    expect(second.cachedTokens).toBe(first.promptTokenIds.length + 4);
    expect(second.tokenIds).toEqual((await own.generate(prompt, { maxTokens: 5, temperature: 0 })).tokenIds);
    // A beginning shared with others, several times at once
    const options = { maxTokens: 6, seed: 8 };
    const texts = ['A conversation that ends', 'A conversation that', 'A conversation that goes'];
    const results = await Promise.all(texts.map((text) => engine.generate(text, options)));
    for (const [at, text] of texts.entries()) {
      expect(results[at]!.cachedTokens).toBeGreaterThan(15);
      expect(results[at]!.text).toBe((await own.generate(text, options)).text);
    }
    await engine.dispose();
    own.dispose();
  });

  it('slides over a full context as generate does, or stops', async () => {
    const { own, engine } = open({ slots: 2 });
    const options = { maxTokens: 130, seed: 3 };
    const other = engine.generate('Beside it', { maxTokens: 60, seed: 1 });
    expect((await engine.generate('Long', options)).text).toBe((await own.generate('Long', options)).text);
    const stopped = await engine.generate('Long', { ...options, contextOverflow: 'stop' });
    expect(stopped.finishReason).toBe('length');
    expect(stopped.tokenIds).toHaveLength(96 + 1 - 4);
    await other;
    await engine.dispose();
    own.dispose();
  });

  it('reports log-probabilities of the prompt', async () => {
    const { own, engine } = open({ slots: 2 });
    const prompt = 'A prompt of more than sixty-four bytes, so that it is read in two parts or more.';
    const alone = await own.generate(prompt, { maxTokens: 0, promptLogprobs: true });
    const shared = await engine.generate(prompt, { maxTokens: 0, promptLogprobs: true, logprobs: 3 });
    expect(shared.promptLogProbs).toHaveLength(prompt.length);
    expect(shared.promptLogProbs![0]).toBeNull();
    shared.promptLogProbs!.forEach((value, t) => {
      if (t > 0) expect(value).toBeCloseTo(alone.promptLogProbs![t]!, 4);
    });
    expect(shared.promptTopLogProbs![5]).toHaveLength(3);
    expect(shared.tokenIds).toEqual([]);
    await engine.dispose();
    own.dispose();
  });
});

it('gives every token as it is chosen, and the text in pieces', async () => {
  const engine = new BatchEngine(model);
  const pieces: string[][] = [[], []];
  const job = engine.submit('Stream', { maxTokens: 25, seed: 2, n: 2 }, ({ choice, text }) => {
    pieces[choice]!.push(text);
  });
  const { choices } = await job.result;
  expect(pieces.map((texts) => texts.join(''))).toEqual(choices.map(({ text }) => text));
  expect(pieces[0]).toHaveLength(25);
  await engine.dispose();
});

it('frees slots when a request is aborted, and leaves the others alone', async () => {
  const engine = new BatchEngine(model, { slots: 2 });
  const controller = new AbortController();
  const endless = { maxTokens: 100_000, seed: 1 };
  const job = engine.submit('one', endless, () => job.abort());
  const bySignal = engine.submit('two', { ...endless, signal: controller.signal });
  const waiting = engine.submit('three', endless);
  const kept = engine.submit('four', { maxTokens: 9, temperature: 0 });
  waiting.abort();
  controller.abort();
  expect((await job.result).finishReason).toBe('abort');
  expect((await job.result).tokenIds).toHaveLength(1);
  expect((await bySignal.result).tokenIds).toEqual([]);
  expect((await waiting.result).finishReason).toBe('abort');
  expect((await kept.result).text).toBe(
    (await model.generate('four', { maxTokens: 9, temperature: 0 })).text,
  );
  expect(engine.stats).toMatchObject({ active: 0, waiting: 0 });
  await engine.dispose();
});

it('refuses what does not fit in the queue, and what it cannot do', async () => {
  const engine = new BatchEngine(model, { slots: 1, maxWaiting: 2 });
  const running = [1, 2, 3].map((seed) => engine.submit('go', { maxTokens: 20, seed }));
  expect(() => engine.submit('too many', {})).toThrow(QueueFullError);
  expect(() => engine.submit('beams', { numBeams: 2 })).toThrow(/numBeams/);
  expect(() => engine.submit('a'.repeat(97), {})).toThrow(/97 tokens do not fit/);
  expect(() => new BatchEngine(model, { slots: 0 })).toThrow(/slots/);
  const closed = engine.close();
  expect(() => engine.submit('late', {})).toThrow(/closed/);
  await closed;
  expect((await running[2]!.result).tokenIds.length).toBeGreaterThan(0);
  await engine.dispose();
});

it('fails alone when its own processor does', async () => {
  const engine = new BatchEngine(model, { slots: 4 });
  const good = engine.submit('good', { maxTokens: 10, temperature: 0 });
  const bad = engine.submit('bad', { logitsProcessors: [(scores) => scores.fill(Number.NEGATIVE_INFINITY)] });
  await expect(bad.result).rejects.toThrow(/at least one token must remain/);
  expect((await good.result).tokenIds).toHaveLength(10);
  await engine.dispose();
});

it('leaves no tensor behind', async () => {
  const engine = new BatchEngine(model, { slots: 4 });
  const run = (seed: number) =>
    Promise.all(
      requests.slice(0, 7).map(([prompt, options]) => engine.generate(prompt, { ...options, seed })),
    );
  await run(1);
  const before = tf.memory().numTensors;
  for (let seed = 2; seed < 6; seed++) await run(seed);
  expect(tf.memory().numTensors).toBe(before);
  await engine.dispose();
});
