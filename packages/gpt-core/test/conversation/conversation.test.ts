import { SegmentMemory } from '@gpt-lineage/attention';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Conversation, GPT, type GPTConfigInput } from '../../src/index.js';
import { expectClose } from '../support/fixtures.js';

let before = 0;
beforeAll(async () => {
  await tf.setBackend('cpu');
});
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors).toBe(before);
});

const base: GPTConfigInput = {
  vocabSize: 30,
  contextLength: 16,
  nLayer: 2,
  nHead: 2,
  nEmbd: 8,
  memoryLength: 64,
  initializerRange: 0.4,
};
const tokens = Array.from({ length: 16 }, (_, i) => (i * 7) % 30);

describe.each(['transformer-xl', 'rotary', 'alibi', 't5', 'shaw'] as const)(
  'segment memory with %s',
  (positions) => {
    it('a text in segments gives the logits of the whole, as long as memory reaches back', () => {
      const model = GPT.create({ ...base, positions }, { seed: 5 });
      const memory = new SegmentMemory({ nLayer: 2, memoryLength: 64 });
      const whole = model.forward([tokens]);
      const parts = [tokens.slice(0, 5), tokens.slice(5, 6), tokens.slice(6, 16)].map((part) =>
        model.forward([part], { memory }),
      );
      const joined = tf.concat(
        parts.map(({ logits }) => logits),
        1,
      );
      expectClose(joined, { shape: whole.logits.shape, values: whole.logits.dataSync() as Float32Array });
      tf.dispose([joined, whole.logits, whole.lastHiddenState]);
      tf.dispose(parts.flatMap(({ logits, lastHiddenState }) => [logits, lastHiddenState]));
      memory.dispose();
      model.dispose();
    });

    it('a conversation answers as greedy search over the whole text would', async () => {
      const model = GPT.create({ ...base, positions }, { seed: 5 });
      const conversation = new Conversation(model);
      const history: number[] = [];
      for (const turn of [[1, 2, 3], [9, 4], [7]]) {
        const said: number[] = [];
        for await (const { tokenId } of conversation.reply(turn, { temperature: 0, maxTokens: 3 }))
          said.push(tokenId);
        history.push(...turn);
        for (const tokenId of said) {
          const next = tf.tidy(
            () => tf.argMax(model.forward([history], { logits: 'last' }).logits, 2).dataSync()[0],
          );
          expect(tokenId).toBe(next);
          history.push(tokenId);
        }
      }
      expect(conversation.length).toBe(history.length);
      conversation.dispose();
      model.dispose();
    });
  },
);

describe('Conversation', () => {
  it('takes turns longer than the context, and forgets on reset', async () => {
    const model = GPT.create({ ...base, positions: 'transformer-xl', memoryLength: 8 }, { seed: 5 });
    using conversation = new Conversation(model);
    const long = Array.from({ length: 100 }, (_, i) => i % 30);
    const answers = async () => {
      const said: number[] = [];
      for await (const { tokenId } of conversation.reply(long, { temperature: 0, maxTokens: 4 }))
        said.push(tokenId);
      return said;
    };
    const first = await answers();
    expect(first).toHaveLength(4);
    conversation.reset();
    expect(await answers()).toEqual(first);
    conversation.dispose();
    model.dispose();
  });

  it('needs a model with memory', () => {
    const model = GPT.create({ vocabSize: 8, contextLength: 8, nLayer: 1, nHead: 1, nEmbd: 4 });
    expect(() => new Conversation(model)).toThrow(/segment memory/);
    model.dispose();
  });
});
