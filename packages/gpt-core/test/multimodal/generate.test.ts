import { setupBackend } from '@gpt-lineage/compute/testing';
import type { RawImage } from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContextLengthError, GPT, type MultimodalGPT, type MultimodalPrompt } from '../../src/index.js';
import { chatModel, picture, tinyModel } from './support.js';

let model: MultimodalGPT;
beforeAll(async () => {
  await setupBackend();
  model = tinyModel();
});
afterAll(() => model.dispose());

const a = picture(1);
const b = picture(2);
const prompts: MultimodalPrompt[] = [
  ['first ', a, ' what?'],
  [a, b, 'compare'],
  'text only',
  { text: 'one <image> two <image> three', images: [b, b] },
];
const greedy = { maxTokens: 6, temperature: 0, eosTokenIds: [] } as const;

describe('generation', () => {
  it('chooses what a full pass over the embeddings chooses', async () => {
    const { promptTokenIds, tokenIds, logProbs } = await model.generate(prompts[1]!, greedy);
    const soft = tf.reshape(model.imageTokens(model.pixels([a, b])), [8, 16]) as tf.Tensor2D;
    const whole = [...promptTokenIds, ...tokenIds];
    const { logits } = model.gpt.forward([whole], { softTokens: soft });
    const all = tf.logSoftmax(logits).arraySync() as number[][][];
    tokenIds.forEach((id, i) => {
      const row = all[0]![promptTokenIds.length - 1 + i]!;
      expect(row.indexOf(Math.max(...row))).toBe(id);
      expect(logProbs[i]).toBeCloseTo(row[id]!, 3);
    });
  });

  it('a batch gives what each prompt gives alone, and streaming as well', async () => {
    const together = await model.generateBatch(prompts, greedy);
    for (const [i, prompt] of prompts.entries()) {
      const alone = await model.generate(prompt, greedy);
      expect(together[i]!.tokenIds).toEqual(alone.tokenIds);
      const streamed: number[] = [];
      for await (const { tokenId } of model.stream(prompt, greedy)) streamed.push(tokenId);
      expect(streamed).toEqual(alone.tokenIds);
    }
  });

  it('depends on the image, on its place, and on nothing else', async () => {
    const at = async (prompt: MultimodalPrompt) => (await model.generate(prompt, greedy)).logProbs;
    const base = await at([a, 'x', b]);
    expect(await at([picture(1), 'x', picture(2)])).toEqual(base);
    expect(await at([b, 'x', a])).not.toEqual(base);
    expect(await at([a, b, 'x'])).not.toEqual(base);
    expect(await at(['x', b])).not.toEqual(base);
  });

  it('text alone is what the language model says', async () => {
    const { tokenIds } = await model.gpt.generate('text only', greedy);
    expect((await model.generate('text only', greedy)).tokenIds).toEqual(tokenIds);
  });

  it('several samples, beams, penalties and log-probabilities of the prompt', async () => {
    const options = { maxTokens: 5, seed: 3, n: 3, topK: 20, eosTokenIds: [] };
    const { choices } = await model.generate(prompts[0]!, options);
    const [again] = await model.generateBatch([prompts[0]!], options);
    expect(again!.choices.map(({ tokenIds }) => tokenIds)).toEqual(choices.map(({ tokenIds }) => tokenIds));
    const beams = await model.generate(prompts[0]!, { maxTokens: 4, numBeams: 3, eosTokenIds: [] });
    expect(beams.tokenIds).toHaveLength(4);
    const { promptLogProbs } = await model.generate(prompts[0]!, {
      ...greedy,
      promptLogprobs: true,
      repetitionPenalty: 1.2,
      noRepeatNgramSize: 2,
    });
    // 'first ' and ' what?' have one each, but for the very first; the four image tokens have none.
    expect(promptLogProbs!.filter((value) => value === null)).toHaveLength(5);
    expect(promptLogProbs!.every((value) => value === null || value < 0)).toBe(true);
  });

  it('a prompt that does not fit is an error, and a full context ends the text', async () => {
    const images = Array.from({ length: 17 }, () => a);
    await expect(model.generate(images)).rejects.toThrow(ContextLengthError);
    const full = await model.generate(images.slice(0, 15), {
      maxTokens: 20,
      temperature: 0,
      eosTokenIds: [],
    });
    expect(full.finishReason).toBe('length');
    expect(full.tokenIds.length).toBeLessThanOrEqual(5);
  });

  it('ids of image tokens are not accepted without images', async () => {
    await expect(model.gpt.generate([[257]])).rejects.toThrow(/token ids go from 0 to 256/);
    expect(() => model.gpt.forward([[257]])).toThrow(/ids from 0 to 256/);
    await expect(
      model.gpt.generate([[97]], {
        softTokens: tf.zeros([1, 16]),
        draft: GPT.create({ vocabSize: 257, nLayer: 1, nHead: 1, nEmbd: 8 }),
      }),
    ).rejects.toThrow(/draft/);
  });
});

describe('scores', () => {
  it('are log-likelihoods of a full pass', async () => {
    const scores = await model.score(
      [
        [a, 'is it?'],
        ['x', b],
      ],
      [['no', 'yes!'], ['maybe']],
    );
    const [no, yes, alone] = scores.flat();
    const check = (
      prompt: MultimodalPrompt,
      text: string,
      score: { logLikelihood: number },
      images: RawImage[],
    ) => {
      const { tokenIds } = model.encode(prompt);
      const completion = model.gpt.encode(text);
      const soft = tf.reshape(model.imageTokens(model.pixels(images)), [-1, 16]) as tf.Tensor2D;
      const { logits } = model.gpt.forward([[...tokenIds, ...completion]], { softTokens: soft });
      const all = tf.logSoftmax(logits).arraySync() as number[][][];
      const sum = completion.reduce((total, id, i) => total + all[0]![tokenIds.length - 1 + i]![id]!, 0);
      expect(score.logLikelihood).toBeCloseTo(sum, 3);
    };
    check([a, 'is it?'], 'no', no!, [a]);
    check([a, 'is it?'], 'yes!', yes!, [a]);
    check(['x', b], 'maybe', alone!, [b]);
  });
});

describe('chat', () => {
  it('answers messages, ends at the template’s stop, and reports the prompt', async () => {
    using chat = await chatModel();
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'image' as const, image: a },
          { type: 'text' as const, text: 'color?' },
        ],
      },
    ];
    const { text, prompt } = await chat.chat(messages, { maxTokens: 4, temperature: 0 });
    expect(prompt.tokens).toEqual(chat.countTokens(messages));
    expect(prompt.dropped).toEqual({ messages: 0, images: 0 });
    let streamed = '';
    for await (const event of chat.streamChat(messages, { maxTokens: 4, temperature: 0 }))
      streamed += event.text;
    expect(streamed).toBe(text);
  });
});

it('leaves no tensor behind, also when it fails or is left early', async () => {
  const before = tf.memory().numTensors;
  await model.generateBatch(prompts, greedy);
  await model.score([[a, 'x']], [['y', 'z']]);
  await expect(model.generate(prompts[0]!, { ...greedy, topP: 7, nonsense: 1 } as never)).rejects.toThrow();
  for await (const _ of model.stream(prompts[0]!, greedy)) break;
  expect(tf.memory().numTensors).toBe(before);
});
