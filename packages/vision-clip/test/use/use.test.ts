import { expectNoLeak, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ClipConfig, presets } from '../../src/config.js';
import { CLIP } from '../../src/model/clip.js';
import { Random } from '../../src/random.js';
import { type TextEncoderLike, tokenize } from '../../src/text/tokenize.js';
import { pairRanks, retrievalMetrics } from '../../src/training/metrics.js';
import { imagenetTemplates } from '../../src/use/imagenet-templates.js';
import { RetrievalIndex, similarityMatrix } from '../../src/use/retrieval-index.js';
import { ZeroShotClassifier } from '../../src/use/zero-shot.js';

beforeAll(async () => {
  await setupBackend();
});

const config: ClipConfig = {
  embedDim: 8,
  vision: {
    kind: 'vit',
    imageSize: 16,
    patchSize: 8,
    nEmbd: 16,
    nLayer: 1,
    nHead: 2,
    nInner: 32,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
  },
  text: {
    ...presets.RN50.text!,
    contextLength: 20,
    vocabSize: 130,
    nEmbd: 16,
    nHead: 2,
    nLayer: 1,
    nInner: 32,
    bosTokenId: 128,
    eosTokenId: 129,
  },
  logitScaleInit: 2,
};
/** One token per ASCII character. */
const characters: TextEncoderLike = {
  encodeOrdinary: (text) => Array.from(text, (c) => c.charCodeAt(0) % 128),
};

describe('tokenize', () => {
  it('frames, truncates keeping the end, or refuses', () => {
    expect(tokenize('ab', characters, config.text!)).toEqual([[128, 97, 98, 129]]);
    const [long] = tokenize('x'.repeat(30), characters, config.text!);
    expect(long!.length).toBe(20);
    expect(long!.at(-1)).toBe(129);
    expect(() => tokenize(['a', 'x'.repeat(19)], characters, config.text!, { truncate: false })).toThrow(
      /texts\[1\] has 19 tokens, 18 fit/,
    );
  });
});

describe('zero-shot', () => {
  it('averages the templates of a class and ranks by probability', async () => {
    using clip = CLIP.create(config, { seed: 5 });
    const labels = ['cat', 'dog', 'bird'];
    const templates = ['a {}.', 'the {}', '{}'];
    using classifier = await ZeroShotClassifier.create(clip, characters, labels, { templates, batchSize: 2 });
    const pixels = tf.randomNormal([2, 3, 16, 16], 0, 1, 'float32', 3) as tf.Tensor4D;
    // By hand: mean of the normalised embeddings, normalised; softmax of exp(scale)·cosine.
    const weights = labels.map((label) => {
      const rows = templates.map(
        (t) => clip.encodeText(tokenize(t.replace('{}', label), characters, config.text!)).arraySync()[0]!,
      );
      const mean = rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
      const length = Math.hypot(...mean);
      return mean.map((v) => v / length);
    });
    const images = clip.encodeImage(pixels).arraySync();
    const results = await expectNoLeak(() => classifier.classify(pixels));
    results.forEach((result, i) => {
      const logits = weights.map((w) => Math.exp(2) * w.reduce((sum, v, j) => sum + v * images[i]![j]!, 0));
      const total = logits.reduce((sum, v) => sum + Math.exp(v), 0);
      expect(result.map(({ index }) => index)).toEqual([0, 1, 2].sort((a, b) => logits[b]! - logits[a]!));
      for (const { index, label, probability } of result) {
        expect(label).toBe(labels[index]);
        expect(probability).toBeCloseTo(Math.exp(logits[index]!) / total, 5);
      }
    });
    expect((await classifier.classify(pixels, { top: 1 }))[0]).toEqual([results[0]![0]]);
    expect(imagenetTemplates.length).toBe(80);
    expect(imagenetTemplates.every((t) => t.includes('{}'))).toBe(true);
    await expect(
      ZeroShotClassifier.create(clip, characters, labels, { templates: ['no place'] }),
    ).rejects.toThrow(/templates\[0\] has no \{\}/);
  });
});

describe('retrieval', () => {
  const random = new Random(8);
  const rows = (count: number) =>
    tf.tensor2d(
      Float32Array.from({ length: count * 6 }, () => random.normal()),
      [count, 6],
    );

  it('finds what a full sort finds, over chunk borders', async () => {
    const stored = rows(50);
    const queries = rows(4);
    const index = new RetrievalIndex<string>(6, { chunkRows: 7 });
    const part = (from: number, to: number) => tf.slice(stored, [from, 0], [to - from, 6]);
    await index.add(
      part(0, 20),
      Array.from({ length: 20 }, (_, i) => `item ${i}`),
    );
    await index.add(
      part(20, 50),
      Array.from({ length: 30 }, (_, i) => `item ${i + 20}`),
    );
    expect(index.size).toBe(50);
    const scores = similarityMatrix(queries, stored).arraySync();
    const found = await expectNoLeak(() => index.search(queries, 5));
    found.forEach((results, q) => {
      const order = scores[q]!.map((score, i) => ({ score, i })).sort((a, b) => b.score - a.score);
      expect(results.map(({ item }) => item)).toEqual(order.slice(0, 5).map(({ i }) => `item ${i}`));
      expect(results[0]!.score).toBeCloseTo(order[0]!.score, 5);
    });
    expect((await index.search(queries, 99))[0]!.length).toBe(50);
    await expect(index.add(rows(2), ['one'])).rejects.toThrow(/embeds must be \[1, 6\], received \[2,6\]/);
  });

  it('R@k and ranks, chunked, with ties against us', async () => {
    const images = tf.tensor2d([
      [1, 0],
      [0, 1],
      [1, 0],
      [0.6, 0.8],
    ]);
    const texts = tf.tensor2d([
      [1, 0],
      [1, 0],
      [0, 1],
      [0.6, 0.8],
    ]);
    // image 0: own 1, text 1 ties → rank 2; image 1: own 0, below 1 and 0.8, ties with text 0 → 4;
    // image 2: own 0, below 1, 1 and 0.6 → 4; image 3: own 1 → 1.
    expect(Array.from(await pairRanks(images, texts, { chunk: 3 }))).toEqual([2, 4, 4, 1]);
    const { imageToText } = await retrievalMetrics(images, texts);
    expect(imageToText).toEqual({
      recallAt1: 0.25,
      recallAt5: 1,
      recallAt10: 1,
      medianRank: 3,
      meanRank: 2.75,
      count: 4,
    });
  });
});
