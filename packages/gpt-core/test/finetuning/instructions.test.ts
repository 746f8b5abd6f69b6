import { setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ByteTokenizer,
  chatExample,
  chatMLTurns,
  completionExample,
  exampleSource,
  GPT,
  humanAssistantTurns,
  maskedExample,
  packedBatch,
  pretrain,
} from '../../src/index.js';
import { languageModelLoss, tokenFeeds } from '../../src/training/pretrain.js';
import { collect } from '../support/training.js';

const tokenizer = new ByteTokenizer();
beforeAll(setupBackend);

const trainedText = ({ tokenIds, lossMask }: { tokenIds: ArrayLike<number>; lossMask: ArrayLike<number> }) =>
  tokenizer.decode(Array.from(tokenIds).filter((_, i) => lossMask[i]));

describe('loss masks', () => {
  it('train the completion and its end, not the prompt', () => {
    const example = completionExample(tokenizer, 'Q: why? A:', ' because');
    expect(trainedText(example)).toBe(' because');
    expect(Array.from(example.tokenIds).at(-1)).toBe(256);
    expect(Array.from(example.lossMask).at(-1)).toBe(1);
  });

  it('train the assistant alone', () => {
    const turns = [
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Hi 🦉' },
      { role: 'assistant', content: 'Hello!' },
      { role: 'user', content: 'Bye' },
      { role: 'assistant', content: 'See you.' },
    ];
    expect(trainedText(chatExample(tokenizer, turns, chatMLTurns))).toBe(
      'Hello!<|im_end|>\nSee you.<|im_end|>\n',
    );
    const human = chatExample(tokenizer, turns.slice(1), humanAssistantTurns);
    expect(trainedText(human)).toBe('Hello!See you.');
    expect(tokenizer.decode(Array.from(human.tokenIds).slice(0, 9))).toBe('\n\nHuman: ');
  });

  it('are refused when they would train nothing', () => {
    expect(() => completionExample(tokenizer, 'Q', '')).toThrow(/completion is empty/);
    expect(() => chatExample(tokenizer, [{ role: 'user', content: 'Hi' }])).toThrow(/no assistant turn/);
    expect(() => maskedExample(tokenizer, [{ text: 'a', trained: false }])).toThrow(/no token to train on/);
    const cut = completionExample(tokenizer, 'a prompt that is long', 'x');
    expect(() => exampleSource([cut], { contextLength: 8, tooLong: 'truncate' })).toThrow(
      /no token to train on/,
    );
    expect(() => exampleSource([cut], { contextLength: 8 })).toThrow(
      /Example 0 has 23 tokens, a row holds 8/,
    );
  });

  it('fall on the segment in which a token begins, for tokens of any length', () => {
    const segment = fc.record({ text: fc.string({ unit: 'binary', maxLength: 6 }), trained: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(segment, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 4 }),
        (segments, size) => {
          // A tokenizer whose tokens are runs of `size` bytes, so that they straddle the borders.
          const chunks: Uint8Array[] = [];
          const coarse = {
            encode(text: string) {
              const bytes = new TextEncoder().encode(text);
              chunks.length = 0;
              for (let i = 0; i < bytes.length; i += size) chunks.push(bytes.slice(i, i + size));
              return chunks.map((_, i) => i);
            },
            decode: () => '',
            decodeBytes: (ids: readonly number[]) => chunks[ids[0]!]!,
          };
          const owners = segments.flatMap(({ text, trained }) =>
            Array.from(new TextEncoder().encode(text), () => (trained ? 1 : 0)),
          );
          const expected = owners.filter((_, i) => i % size === 0);
          if (!expected.slice(1).includes(1)) return;
          expect(Array.from(maskedExample(coarse, segments).lossMask)).toEqual(expected);
        },
      ),
    );
  });
});

describe('packed examples', () => {
  const texts = ['ab', 'cde', 'f', 'ghijk', 'lm', 'nop', 'q'];
  const examples = texts.map((text, i) => completionExample(tokenizer, `${i}>`, text));
  const create = () =>
    GPT.create({ vocabSize: 257, contextLength: 24, nLayer: 2, nHead: 2, nEmbd: 16 }, { seed: 3 });

  it('give the loss of the same examples one by one', async () => {
    using model = create();
    const loss = async (batch: ReturnType<typeof packedBatch>) => {
      const value = tf.tidy(() => {
        const inputs = Object.entries(tokenFeeds(batch)).map(([name, { data, shape }]) => [
          name,
          tf.tensor(data, [...shape], 'int32'),
        ]);
        return languageModelLoss(model, Object.fromEntries(inputs), { training: false });
      });
      const [result] = await value.data();
      value.dispose();
      return result!;
    };
    const single = await loss(
      packedBatch(
        examples,
        examples.map((_, i) => [i]),
        24,
      ),
    );
    const packed = await loss(
      packedBatch(
        examples,
        [
          [0, 1, 2],
          [4, 3],
          [6, 5],
        ],
        24,
      ),
    );
    expect(packed).toBeCloseTo(single, 5);
  });

  it('pass every example once an epoch and can be learned', async () => {
    const source = exampleSource(examples, { contextLength: 24, seed: 5 });
    const rows = [...(source.batches(1) as Iterable<unknown>)].length;
    const epoch = source.next(rows) as { tokenIds: Int32Array };
    for (const text of texts) expect(tokenizer.decode([...epoch.tokenIds])).toContain(`>${text}`);
    using model = create();
    const events = await collect(
      pretrain(model, source, {
        steps: 30,
        batchSize: rows,
        learningRate: 1e-2,
        validation: source,
        validateEvery: 30,
      }),
    );
    const steps = events.filter((event) => event.type === 'step');
    expect(steps.at(-1)!.loss).toBeLessThan(0.6 * steps[0]!.loss);
    expect(events.at(-1)).toMatchObject({ epochs: [{ name: 'examples', epochs: 31 }] });
  });
});
