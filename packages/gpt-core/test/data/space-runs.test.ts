import { getEncoding } from '@gpt-lineage/tokenizer-bbpe';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { initCompute } from '@gpt-lineage/compute';
import { testBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { extendVocabulary, GPT, InvalidArgumentError, SubwordTokenizer, withSpaceRuns } from '../../src/index.js';
import { verse } from '../support/training.js';

const code = `def area(width, height):
    """Of a rectangle."""
    if width < 0:
            raise ValueError(
                                    "negative")
	    mixed = 1
    return width * height
`;
const spaced = fc.array(fc.constantFrom(' ', '  ', '        ', '\n', '\t', 'x', ' y', 'def', '世'), { maxLength: 60 });

beforeAll(() => initCompute({ prefer: testBackend() as 'wasm' }));

describe('withSpaceRuns', () => {
  it('makes Codex’s encoding of GPT-2’s', async () => {
    const gpt2 = new SubwordTokenizer(await getEncoding('gpt2'));
    const codex = await getEncoding('p50k_base');
    const ours = withSpaceRuns(gpt2);
    expect(ours.vocabSize).toBe(codex.vocabSize);
    expect(ours.encode(code)).toEqual(codex.encodeOrdinary(code));
    expect(ours.encode(code).length).toBeLessThan(0.8 * gpt2.encode(code).length);
    for (let length = 1; length <= 200; length++) {
      const text = `a${' '.repeat(length)}`;
      expect(ours.encode(text)).toEqual(codex.encodeOrdinary(text));
    }
    fc.assert(
      fc.property(spaced, (parts) => {
        expect(ours.encode(parts.join(''))).toEqual(codex.encodeOrdinary(parts.join('')));
      }),
      { seed: 1, numRuns: 300 },
    );
  }, 60_000);

  it.each([2, 7, 40])('one token for every run of up to %i spaces, whatever the vocabulary has learned', async (longest) => {
    // Indentation of three and of eight is frequent enough here to be learned.
    const texts = [verse, `${' '.repeat(3)}a\n`.repeat(50), `${' '.repeat(8)}b\n`.repeat(50)];
    const base = await SubwordTokenizer.train(texts, { vocabSize: 320 });
    const ours = withSpaceRuns(base, { longest });
    for (let length = 1; length <= longest; length++) {
      const ids = ours.encode(' '.repeat(length));
      expect(ids).toHaveLength(1);
      expect(ours.decode(ids)).toBe(' '.repeat(length));
    }
    for (let id = 0; id < base.vocabSize; id++) expect(ours.decodeBytes([id])).toEqual(base.decodeBytes([id]));
    expect(ours.eosTokenId).toBe(base.eosTokenId);
    // A vocabulary may have learned all of them already.
    expect(ours.fingerprint === base.fingerprint).toBe(ours.vocabSize === base.vocabSize);
    fc.assert(
      fc.property(spaced, (parts) => {
          const text = parts.join('');
          expect(ours.decode(ours.encode(text))).toBe(text);
        }),
      { seed: 2, numRuns: 200 },
    );
    const again = SubwordTokenizer.fromTokenizerJSON(JSON.parse(JSON.stringify(ours.toTokenizerJSON())));
    expect(again.fingerprint).toBe(ours.fingerprint);
    expect(again.encode(code)).toEqual(ours.encode(code));
    expect(withSpaceRuns(ours, { longest }).fingerprint).toBe(ours.fingerprint);
  });

  it('refuses a length that cannot be', async () => {
    const base = await SubwordTokenizer.train([verse], { vocabSize: 300 });
    for (const longest of [1, 2.5, Number.NaN])
      expect(() => withSpaceRuns(base, { longest })).toThrow(InvalidArgumentError);
  });
});

describe('extendVocabulary', () => {
  const config = { contextLength: 16, nLayer: 1, nHead: 2, nEmbd: 8 };

  it.each([{ tieEmbeddings: true }, { tieEmbeddings: false }])('keeps every old row and starts new ones as the mean of their parts: %o', async (choice) => {
    const base = await SubwordTokenizer.train([verse], { vocabSize: 300 });
    const tokenizer = withSpaceRuns(base, { longest: 5 });
    const before = tf.memory().numTensors;
    {
      using model = GPT.create({ ...config, ...choice, vocabSize: 300 }, { seed: 3, tokenizer: base });
      using extended = extendVocabulary(model, tokenizer);
      expect(extended.config.vocabSize).toBe(tokenizer.vocabSize);
      expect(extended.tokenizer).toBe(tokenizer);
      const name = choice.tieEmbeddings ? 'transformer.wte.weight' : 'lm_head.weight';
      const table = (await model.variables.get(name)!.array()) as number[][];
      const rows = (await extended.variables.get(name)!.array()) as number[][];
      expect(rows.slice(0, 300)).toEqual(table);
      for (let id = 300; id < tokenizer.vocabSize; id++) {
        const parts = base.encode(tokenizer.decode([id]));
        rows[id]!.forEach((value, i) => {
          const mean = parts.reduce((sum, part) => sum + table[part]![i]!, 0) / parts.length;
          expect(Math.abs(value - mean)).toBeLessThan(1e-6);
        });
      }
      const text = base.encode('The cat');
      const outputs = [model, extended].map((each) => each.forward([text]));
      const [old, now] = outputs.map(({ logits }) => logits);
      const kept = tf.slice(now!, [0, 0, 0], [1, text.length, 300]);
      const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(old!, kept))));
      expect((await difference.data())[0]).toBeLessThan(1e-5);
      tf.dispose([...outputs.flatMap(({ logits, lastHiddenState }) => [logits, lastHiddenState]), kept, difference]);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it('uses rows that a model has to spare', async () => {
    const base = await SubwordTokenizer.train([verse], { vocabSize: 300 });
    using model = GPT.create({ ...config, vocabSize: 320 }, { seed: 3, tokenizer: base });
    using extended = extendVocabulary(model, withSpaceRuns(base, { longest: 5 }));
    expect(extended.config.vocabSize).toBe(320);
  });

  it('refuses another tokenizer', async () => {
    const base = await SubwordTokenizer.train([verse], { vocabSize: 300 });
    const other = await SubwordTokenizer.train([code.repeat(20)], { vocabSize: 310 });
    using model = GPT.create({ ...config, vocabSize: 300 }, { tokenizer: base });
    expect(() => extendVocabulary(model, other)).toThrow(/token \d+ is not the model/);
    using bare = GPT.create({ ...config, vocabSize: 300 });
    expect(() => extendVocabulary(bare, base)).toThrow(/no tokenizer/);
  });
});
