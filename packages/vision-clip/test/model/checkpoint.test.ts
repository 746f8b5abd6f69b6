import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expectNoLeak, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseOpenClipConfig } from '../../src/checkpoint/config-json.js';
import { exportParameter } from '../../src/checkpoint/convert.js';
import { openClipNames } from '../../src/checkpoint-names.js';
import { type ClipConfig, presets, validateConfig } from '../../src/config.js';
import { CheckpointError, ClipConfigError } from '../../src/errors.js';
import { CLIP } from '../../src/model/clip.js';
import { countParameters, parameterSpecs } from '../../src/model/parameter-specs.js';
import { writeSafetensorsFile } from '../../src/node/safetensors.js';
import type { SafetensorsInput } from '../../src/safetensors/index.js';
import { fixturePath, maxDifference, randomBytes } from '../support.js';

let folder: string;
beforeAll(async () => {
  await setupBackend();
  folder = mkdtempSync(join(tmpdir(), 'clip-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const tinyRn: ClipConfig = {
  embedDim: 16,
  vision: {
    kind: 'resnet',
    imageSize: 32,
    layers: [1, 2, 1, 1],
    width: 4,
    nHead: 2,
    batchNormEpsilon: 1e-5,
    batchNormMomentum: 0.1,
  },
  text: {
    ...presets.RN50.text!,
    contextLength: 12,
    vocabSize: 40,
    nEmbd: 64,
    nHead: 1,
    nLayer: 2,
    nInner: 256,
    bosTokenId: 38,
    eosTokenId: 39,
  },
  logitScaleInit: 2,
};
const tinyVit: ClipConfig = {
  embedDim: 16,
  vision: {
    kind: 'vit',
    imageSize: 32,
    patchSize: 8,
    nEmbd: 64,
    nLayer: 2,
    nHead: 1,
    nInner: 256,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
  },
  text: tinyRn.text!,
  logitScaleInit: 2,
};

function pixels(size: number): tf.Tensor4D {
  return tf.tensor4d(
    Float32Array.from(randomBytes(2 * 3 * size * size, 5), (v) => v / 128 - 1),
    [2, 3, size, size],
  );
}

async function embeds(clip: CLIP, end = 39): Promise<Float32Array[]> {
  const image = clip.encodeImage(pixels(clip.config.vision!.imageSize));
  const text = clip.encodeText([
    [1, 5, end],
    [7, end],
  ]);
  return [(await image.data()) as Float32Array, (await text.data()) as Float32Array];
}

describe('saving', () => {
  it('writes the very bytes that transformers wrote', async () => {
    using clip = await CLIP.load(fixturePath('clip-vit-tiny/model/'));
    const target = join(folder, 'vit');
    await clip.save(target);
    const ours = readFileSync(join(target, 'model.safetensors'));
    expect(ours.equals(readFileSync(fixturePath('clip-vit-tiny/model/model.safetensors')))).toBe(true);
    expect(readdirSync(target).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'preprocessor_config.json',
    ]);
    using again = await CLIP.load(target);
    expect(again.config).toEqual(clip.config);
    expect(again.preprocessConfig.size).toEqual([32, 32]);
  });

  it.each([
    ['CLIP', tinyRn.text!],
    ['other', { ...tinyRn.text!, bosTokenId: 3, eosTokenId: 2, padTokenId: 2 }],
  ])('writes a ResNet as open_clip has it, with %s special tokens', async (_, text) => {
    using clip = CLIP.create({ ...tinyRn, text }, { seed: 4 });
    const target = join(folder, 'rn');
    await clip.save(target);
    expect(readdirSync(target).sort()).toEqual(['open_clip_config.json', 'open_clip_model.safetensors']);
    using again = await CLIP.load(target);
    expect(again.config.text).toEqual({ ...text, poolAtHighestId: text.eosTokenId === 39 });
    const before = await embeds(clip, text.eosTokenId);
    (await embeds(again, text.eosTokenId)).forEach((values, i) => {
      expect(maxDifference(values, before[i]!)).toBe(0);
    });
  });

  it.each([
    ['ResNet', { ...tinyRn, text: undefined }],
    ['vision transformer', { ...tinyVit, text: undefined }],
    ['text transformer', { ...tinyVit, vision: undefined }],
  ])('a lone %s comes back', async (kind, { text, vision, ...rest }) => {
    const config = { ...rest, ...(text ? { text } : {}), ...(vision ? { vision } : {}) };
    using clip = CLIP.create(config, { seed: 6 });
    const target = join(folder, `lone-${kind}`);
    await clip.save(target);
    using again = await CLIP.load(target);
    expect(again.config.vision).toEqual(vision);
    expect(again.config.text).toEqual(text);
    expect(again.unusedTensors).toEqual([]);
    const encode = (model: CLIP) => (vision ? model.encodeImage(pixels(32)) : model.encodeText([[1, 5, 39]]));
    expect(maxDifference(await encode(again).data(), await encode(clip).data())).toBe(0);
  });

  it('keeps an inner width that is no round multiple', async () => {
    for (const nInner of [100, 85, 130, 47]) {
      using clip = CLIP.create({ ...tinyRn, text: { ...tinyRn.text!, nEmbd: 48, nInner } });
      await clip.save(join(folder, 'ratio'));
      using again = await CLIP.load(join(folder, 'ratio'));
      expect(again.config.text!.nInner).toBe(nInner);
    }
  });

  it.each([tinyVit, tinyRn])('keeps how images are prepared', async (config) => {
    const preprocess = {
      background: [255, 255, 255],
      mean: [0.5, 0.5, 0.5],
      interpolation: 'bilinear',
    } as const;
    using clip = CLIP.create(config, { preprocess });
    const target = join(folder, `prepared-${config.vision!.kind}`);
    await clip.save(target);
    using again = await CLIP.load(target);
    const image = { width: 9, height: 5, channels: 4, data: randomBytes(9 * 5 * 4, 3) } as const;
    expect(again.preprocess(image)).toEqual(clip.preprocess(image));
  });

  it('replaces an earlier save of either kind', async () => {
    const target = join(folder, 'both-kinds');
    for (const config of [tinyVit, tinyRn, tinyVit]) {
      using clip = CLIP.create(config);
      await clip.save(target);
      using again = await CLIP.load(target);
      expect(again.config.vision).toEqual(config.vision);
    }
  });

  it('finishes a save whose process was killed between two files', async () => {
    const target = join(folder, 'interrupted');
    using old = CLIP.create(tinyVit, { seed: 1 });
    await old.save(target);
    const config = { ...tinyVit, text: { ...tinyVit.text!, contextLength: 14 } };
    using fresh = CLIP.create(config, { seed: 2 });
    await fresh.save(join(folder, 'finished'));
    // The weights have taken their place, the config has not.
    const renames: Record<string, string> = { '.gone.tmp': 'model.safetensors' };
    cpSync(join(folder, 'finished', 'model.safetensors'), join(target, 'model.safetensors'));
    for (const name of ['config.json', 'preprocessor_config.json']) {
      renames[`.${name}.tmp`] = name;
      cpSync(join(folder, 'finished', name), join(target, `.${name}.tmp`));
    }
    writeFileSync(join(target, '.pending-save.json'), JSON.stringify({ renames }));
    using again = await CLIP.load(target);
    expect(again.config).toEqual(fresh.config);
    expect(readdirSync(target).some((name) => name.startsWith('.'))).toBe(false);
  });

  it('leaves the old save where a new one cannot be written', async () => {
    const target = join(folder, 'full');
    using clip = CLIP.create(tinyVit, { seed: 1 });
    await clip.save(target);
    const before = readFileSync(join(target, 'model.safetensors'));
    using other = CLIP.create(tinyVit, { seed: 2 });
    vi.spyOn(other.parameters, 'get').mockImplementationOnce(() => {
      throw Object.assign(new Error('no space left on device'), { syscall: 'write' });
    });
    await expect(other.save(target)).rejects.toThrow(/no space left/);
    expect(readFileSync(join(target, 'model.safetensors')).equals(before)).toBe(true);
    expect(readdirSync(target).some((name) => name.startsWith('.'))).toBe(false);
  });

  it('keeps tokenizer files', async () => {
    const source = join(folder, 'with-tokenizer');
    cpSync(fileURLToPath(fixturePath('clip-vit-tiny/model')), source, { recursive: true });
    writeFileSync(join(source, 'merges.txt'), '#version\na b\n');
    using clip = await CLIP.load(source);
    await clip.save(join(folder, 'copy'));
    expect(readFileSync(join(folder, 'copy', 'merges.txt'), 'utf8')).toBe('#version\na b\n');
  });
});

describe('OpenAI and open_clip weights', () => {
  async function writeOpenAI(name: string, config: ClipConfig, clip: CLIP, prefix = ''): Promise<string> {
    const names = openClipNames(config, { vision: 'visual.', text: prefix });
    const tensors: Record<string, SafetensorsInput> = {};
    for (const spec of parameterSpecs(config)) {
      const read = async () => (await clip.parameters.get(spec.name).data()) as Float32Array;
      const patch = spec.name === 'vision.patchEmbedding' ? [64, 3, 8, 8] : [];
      Object.assign(tensors, exportParameter(spec, names.get(spec.name)!, read, patch));
    }
    const target = join(folder, name);
    cpSync(fileURLToPath(fixturePath('clip-vit-tiny/model_gelu')), target, { recursive: true });
    rmSync(join(target, 'config.json'));
    await writeSafetensorsFile(join(target, 'model.safetensors'), tensors);
    return target;
  }

  it.each([
    ['vit', tinyVit, ''],
    ['vit with a text prefix', tinyVit, 'text.'],
    ['resnet', { ...tinyRn, vision: { ...tinyRn.vision!, nHead: 2 } }, ''],
  ] as [string, ClipConfig, string][])(
    '%s: the config is read off the shapes',
    async (name, config, prefix) => {
      using clip = CLIP.create(config, { seed: 1 });
      using again = await CLIP.load(await writeOpenAI(name, config, clip, prefix));
      expect(again.unusedTensors).toEqual([]);
      expect(again.config.vision).toEqual(config.vision);
      expect(again.config.text).toEqual({ ...config.text, poolAtHighestId: true });
      const before = await embeds(clip);
      (await embeds(again)).forEach((values, i) => {
        expect(maxDifference(values, before[i]!)).toBeLessThan(1e-6);
      });
    },
  );

  it('open_clip configs choose the activation', () => {
    const model = {
      embed_dim: 512,
      vision_cfg: { image_size: 224, layers: 12, width: 768, patch_size: 32 },
      text_cfg: { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 },
    };
    const plain = parseOpenClipConfig({ model_cfg: model });
    expect(plain.vision).toMatchObject({ ...presets['ViT-B/32'].vision, activation: 'erf' });
    expect(parseOpenClipConfig({ model_cfg: { ...model, quick_gelu: true } }).vision).toEqual(
      presets['ViT-B/32'].vision,
    );
    expect(() =>
      parseOpenClipConfig({ model_cfg: { ...model, vision_cfg: { timm_model_name: 'convnext' } } }),
    ).toThrow(CheckpointError);
  });
});

describe('presets', () => {
  // Counted with open_clip; anchors: 102.0, 119.7, 178.3, 291.0, 623.3, 151.3, 149.6, 427.6 and 427.9 million.
  it.each([
    ['RN50', 102.007],
    ['RN101', 119.688],
    ['RN50x4', 178.301],
    ['RN50x16', 290.979],
    ['RN50x64', 623.259],
    ['ViT-B/32', 151.277],
    ['ViT-B/16', 149.621],
    ['ViT-L/14', 427.617],
    ['ViT-L/14@336px', 427.945],
  ] as const)('%s has %f million parameters', (name, millions) => {
    expect(countParameters(presets[name]) / 1e6).toBeCloseTo(millions, 2);
    validateConfig(presets[name]);
  });

  it('the same seed gives the same weights, another seed others', async () => {
    using a = CLIP.create(tinyVit, { seed: 3 });
    using b = CLIP.create(tinyVit, { seed: 3 });
    using c = CLIP.create(tinyVit, { seed: 4 });
    const [first, second, third] = await Promise.all([a, b, c].map((model) => embeds(model)));
    expect(first).toEqual(second);
    expect(maxDifference(first![0]!, third![0]!)).toBeGreaterThan(0.1);
  });
});

describe('errors', () => {
  it('names what is missing or wrong in a folder', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    await expect(CLIP.load(empty)).rejects.toThrow(/has no model.safetensors or open_clip_model.safetensors/);
    await expect(CLIP.load(join(folder, 'nowhere'))).rejects.toThrow(CheckpointError);
    const source = join(folder, 'broken');
    cpSync(fileURLToPath(fixturePath('clip-vit-tiny/model')), source, { recursive: true });
    const config = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8'));
    const load = (change: object) => {
      writeFileSync(join(source, 'config.json'), JSON.stringify({ ...config, ...change }));
      return CLIP.load(source);
    };
    const before = tf.memory().numTensors;
    await expect(load({ projection_dim: 31 })).rejects.toThrow(
      /visual_projection.weight" has shape \[32,48\], the config needs \[31,48\]/,
    );
    await expect(load({ vision_config: { ...config.vision_config, num_hidden_layers: 4 } })).rejects.toThrow(
      /layers.3.* is missing/,
    );
    await expect(load({ vision_config: { ...config.vision_config, hidden_act: 'relu' } })).rejects.toThrow(
      /hidden_act must be one of/,
    );
    await expect(load({ model_type: 'bert' })).rejects.toThrow(/"bert" model, not CLIP/);
    writeFileSync(join(source, 'config.json'), '{');
    await expect(CLIP.load(source)).rejects.toThrow(/config.json is not JSON/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('names the field of a bad config', () => {
    const bad = { ...tinyVit, vision: { ...tinyVit.vision!, nHead: 5 } } as ClipConfig;
    expect(() => CLIP.create(bad)).toThrow('vision.nEmbd must be a multiple of vision.nHead (5), is 64');
    expect(() => CLIP.create('ViT-Z/1' as never)).toThrow(ClipConfigError);
  });

  it('names the bad token, and leaks nothing', async () => {
    using clip = CLIP.create(tinyVit);
    const attempt = (ids: number[][]) => expectNoLeak(() => clip.encodeText(ids));
    await expect(attempt([[1, 40, 39]])).rejects.toThrow(
      'tokenIds[0][1] must be an integer below vocabSize 40, received 40',
    );
    await expect(
      attempt([
        [1, 39],
        [3, 4],
      ]),
    ).rejects.toThrow(/tokenIds\[1\] must contain the end token 39/);
    await expect(attempt([new Array(13).fill(39)])).rejects.toThrow(/13 tokens, more than contextLength 12/);
    await expect(attempt([])).rejects.toThrow(/at least one token/);
    await expectNoLeak(() => clip.encodeText([[1, 39]]));
    await expectNoLeak(() => clip.encodeImage({ data: new Float32Array(3 * 32 * 32), shape: [3, 32, 32] }));
    const wrongSize = tf.zeros([1, 3, 33, 32]);
    expect(() => clip.encodeImage(wrongSize)).toThrow(/sides that are multiples of 8/);
  });
});

const python = process.env.PEERS_PYTHON;
const peers = (() => {
  if (!python) return 'PEERS_PYTHON is not set';
  try {
    execFileSync(python, ['-c', 'import torch, transformers'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${python} cannot import torch and transformers`;
  }
})();

if (peers) console.warn(`comparison with transformers skipped: ${peers}`);

describe.skipIf(peers !== undefined)(
  `transformers loads what we save${peers ? ` (skipped: ${peers})` : ''}`,
  () => {
    it('and gives equal logits', async () => {
      const target = join(folder, 'for-transformers');
      using clip = CLIP.create(
        { ...tinyVit, vision: { ...tinyVit.vision!, nHead: 4 } as never },
        { seed: 9 },
      );
      await clip.save(target);
      const out = clip.forward(pixels(32), [
        [1, 5, 39],
        [7, 8, 39],
      ]);
      const script = `
import sys, json, torch, numpy as np
from transformers import CLIPModel
m, report = CLIPModel.from_pretrained(sys.argv[1], output_loading_info=True)
assert not report['missing_keys'] and not report['unexpected_keys'], report
x = torch.tensor(json.loads(sys.stdin.read())).reshape(2, 3, 32, 32)
with torch.no_grad():
    o = m.eval()(pixel_values=x, input_ids=torch.tensor([[1, 5, 39], [7, 8, 39]]))
print(json.dumps(o.logits_per_image.flatten().tolist()))`;
      const input = JSON.stringify(Array.from(await pixels(32).data()));
      const stdout = execFileSync(python!, ['-W', 'ignore', '-c', script, target], {
        input,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      const theirs = JSON.parse(stdout.trim().split('\n').at(-1)!) as number[];
      expect(maxDifference((await out.logitsPerImage.data()) as Float32Array, theirs)).toBeLessThan(1e-4);
    }, 300_000); // importing PyTorch on a busy machine takes its time
  },
);
