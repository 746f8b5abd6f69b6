import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setupBackend } from '@gpt-lineage/compute/testing';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { presets } from '../../src/config.js';
import { CLIP } from '../../src/model/clip.js';
import { compileEncoders } from '../../src/model/compiled-encoders.js';
import { loadTokenizer } from '../../src/text/load-tokenizer.js';
import { tokenize } from '../../src/text/tokenize.js';
import { fixturePath, maxDifference } from '../support.js';

let folder: string;
beforeAll(async () => {
  await setupBackend();
  folder = mkdtempSync(join(tmpdir(), 'clip-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const small = {
  nEmbd: 16,
  nLayer: 1,
  nHead: 2,
  nInner: 32,
  activation: 'quick',
  layerNormEpsilon: 1e-5,
} as const;

describe('compiled encoders', () => {
  it('give what the eager encoders give, for any batch', async () => {
    using clip = await CLIP.load(fixturePath('clip-vit-tiny/model/'));
    using encoders = compileEncoders(clip, { executor: 'eager' });
    for (const batch of [1, 3]) {
      const pixels = tf.randomNormal([batch, 3, 32, 32], 0, 1, 'float32', 2) as tf.Tensor4D;
      const ids = tf.fill([batch, 4], 599, 'int32') as tf.Tensor2D;
      const image = await encoders.encodeImage(pixels);
      const text = await encoders.encodeText(ids);
      expect(image.shape).toEqual([batch, 32]);
      expect(maxDifference(await image.data(), await clip.encodeImage(pixels).data())).toBeLessThan(1e-6);
      expect(maxDifference(await text.data(), await clip.encodeText(ids).data())).toBeLessThan(1e-6);
    }
  });
});

describe('tokenizers', () => {
  it("CLIP's own for its vocabulary", async () => {
    const text = { ...presets['ViT-B/32'].text!, ...small, contextLength: 16 };
    using clip = CLIP.create({ embedDim: 8, text, logitScaleInit: 1 });
    const tokenizer = await loadTokenizer(clip);
    expect(tokenize('a photo of a cat', tokenizer, text)).toEqual([
      [49406, 320, 1125, 539, 320, 2368, 49407],
    ]);
  });

  it('one beside the weights for any other, through save and load, in half precision', async () => {
    const trained = await ByteLevelBPETokenizer.train(['a red circle', 'a blue circle', 'a red box'], {
      vocabSize: 280,
      specialTokens: ['<|startoftext|>', '<|endoftext|>'],
    });
    const json = new TextEncoder().encode(JSON.stringify(trained.toTokenizerJSON()));
    const text = {
      ...presets['ViT-B/32'].text!,
      ...small,
      contextLength: 16,
      vocabSize: trained.vocabSize,
      bosTokenId: 0,
      eosTokenId: 1,
      padTokenId: 1,
    };
    using clip = CLIP.create(
      { embedDim: 8, text, logitScaleInit: 1 },
      { extraFiles: new Map([['tokenizer.json', json]]) },
    );
    await clip.save(join(folder, 'full'));
    await clip.save(join(folder, 'half'), { dtype: 'F16' });
    const size = (name: string) => statSync(join(folder, name, 'model.safetensors')).size;
    expect(size('half') / size('full')).toBeLessThan(0.6);
    expect(readFileSync(join(folder, 'half', 'tokenizer.json'))).toEqual(Buffer.from(json));
    using again = await CLIP.load(join(folder, 'half'));
    const tokenizer = await loadTokenizer(again);
    const ids = tokenize('a blue box', tokenizer, text);
    expect(ids).toEqual(tokenize('a blue box', trained, text));
    expect(maxDifference(await again.encodeText(ids).data(), await clip.encodeText(ids).data())).toBeLessThan(
      5e-3,
    );
  });

  it('says what is missing', async () => {
    using clip = await CLIP.load(fixturePath('clip-vit-tiny/model/'));
    await expect(loadTokenizer(clip)).rejects.toThrow(/no tokenizer.json beside its weights/);
  });
});
