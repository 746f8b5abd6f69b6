import { expectNoLeak, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ClipConfig, presets } from '../../src/config.js';
import { clipLoss, siglipLoss } from '../../src/loss/contrastive.js';
import { CLIP } from '../../src/model/clip.js';
import { Random } from '../../src/random.js';
import { contrastiveGradients } from '../../src/training/contrastive-gradients.js';
import {
  type ContrastiveDataset,
  ContrastiveTrainer,
  type TrainerOptions,
} from '../../src/training/trainer.js';
import { fixtureJson, fixturePath, fixtureTensors, maxDifference } from '../support.js';

beforeAll(async () => {
  await setupBackend();
});

const config: ClipConfig = {
  embedDim: 12,
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
    contextLength: 5,
    vocabSize: 20,
    nEmbd: 16,
    nHead: 2,
    nLayer: 1,
    nInner: 32,
    bosTokenId: 18,
    eosTokenId: 19,
  },
  logitScaleInit: Math.log(1 / 0.07),
};
const resnet: ClipConfig = {
  ...config,
  vision: {
    kind: 'resnet',
    imageSize: 32,
    layers: [1, 1, 1, 1],
    width: 4,
    nHead: 2,
    batchNormEpsilon: 1e-5,
    batchNormMomentum: 0.1,
  },
};

/** Pair i: noise with seed i, and the token i. */
function dataset(size: number, side = 16): ContrastiveDataset {
  return {
    size,
    example(index, random) {
      const noise = new Random(99, index);
      const shift = random.uniform(0, 0.01);
      const data = Float32Array.from({ length: 3 * side * side }, () => noise.normal() + shift);
      return { pixels: { data, shape: [3, side, side] }, tokenIds: [18, index, 19] };
    },
  };
}

async function losses(trainer: ContrastiveTrainer, stop = Number.POSITIVE_INFINITY): Promise<number[]> {
  const out: number[] = [];
  for await (const { loss } of trainer.run()) {
    out.push(loss);
    if (out.length >= stop) break;
  }
  return out;
}

async function weights(clip: CLIP): Promise<Float32Array[]> {
  return Promise.all([...clip.parameters.entries()].map(async ([, v]) => (await v.data()) as Float32Array));
}

describe('losses', () => {
  const random = new Random(1);
  const embeds = (rows: number) => {
    const values = Array.from({ length: rows }, () => {
      const row = Array.from({ length: 4 }, () => random.normal());
      const length = Math.hypot(...row);
      return row.map((v) => v / length);
    });
    return values;
  };
  const images = embeds(3);
  const texts = embeds(3);
  const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

  it('InfoNCE by hand, and ln(batch) when all is equal', async () => {
    const logits = images.map((image) => texts.map((text) => Math.exp(1.5) * dot(image, text)));
    const crossEntropy = (row: number[], i: number) =>
      Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) - row[i]!;
    const byHand =
      [0, 1, 2].reduce(
        (sum, i) =>
          sum +
          crossEntropy(logits[i]!, i) +
          crossEntropy(
            logits.map((row) => row[i]!),
            i,
          ),
        0,
      ) / 6;
    const loss = clipLoss(tf.tensor2d(images), tf.tensor2d(texts), 1.5);
    expect((await loss.data())[0]).toBeCloseTo(byHand, 5);
    const equal = clipLoss(tf.ones([7, 4]), tf.ones([7, 4]), 1);
    expect((await equal.data())[0]).toBeCloseTo(Math.log(7), 5);
    expect(() => clipLoss(tf.ones([7, 4]), tf.ones([6, 4]), 1)).toThrow("must have imageEmbeds' shape [7,4]");
  });

  it('SigLIP by hand, also for large logits', async () => {
    for (const [scale, bias] of [
      [Math.log(10), -10],
      [6, 30],
    ] as const) {
      let sum = 0;
      images.forEach((image, i) => {
        texts.forEach((text, j) => {
          const x = (i === j ? 1 : -1) * (Math.exp(scale) * dot(image, text) + bias);
          sum += x > 0 ? Math.log1p(Math.exp(-x)) : -x + Math.log1p(Math.exp(x));
        });
      });
      const loss = siglipLoss(tf.tensor2d(images), tf.tensor2d(texts), scale, bias);
      expect((await loss.data())[0]! / (sum / 3)).toBeCloseTo(1, 4);
    }
  });
});

describe('training', () => {
  it('five AdamW steps equal PyTorch', async () => {
    interface Scalars {
      adamw: { lr: number; losses: number[]; logit_scale_after: number };
    }
    const { adamw } = fixtureJson<Scalars>('clip-vit-tiny/scalars.json');
    const io = await fixtureTensors('clip-vit-tiny/io.safetensors');
    using clip = await CLIP.load(fixturePath('clip-vit-tiny/model/'));
    const data: ContrastiveDataset = {
      size: 3,
      example: (i) => ({
        pixels: {
          data: (io.pixel_values!.data as Float32Array).slice(i * 3072, (i + 1) * 3072),
          shape: [3, 32, 32],
        },
        tokenIds: Array.from((io.input_ids!.data as Int32Array).subarray(i * 16, (i + 1) * 16)),
      }),
    };
    using trainer = new ContrastiveTrainer(clip, data, {
      steps: 5,
      batchSize: 3,
      learningRate: () => adamw.lr,
      noDecay: [],
    });
    expect(maxDifference(await losses(trainer), adamw.losses)).toBeLessThan(2e-4);
    expect((await clip.parameters.get('logitScale').data())[0]).toBeCloseTo(adamw.logit_scale_after, 4);
  });

  it.each(['infonce', 'siglip'] as const)(
    'micro-batches give the gradients of the whole batch: %s',
    async (loss) => {
      using clip = CLIP.create({ ...config, logitBiasInit: -10 }, { seed: 2 });
      const data = dataset(8);
      const all = await Promise.all(Array.from({ length: 8 }, (_, i) => data.example(i, new Random(1, i))));
      const micro = (from: number, to: number) => ({
        pixels: tf.tensor4d(
          all.slice(from, to).flatMap(({ pixels }) => Array.from(pixels.data)),
          [to - from, 3, 16, 16],
        ),
        tokenIds: all.slice(from, to).map(({ tokenIds }) => tokenIds),
      });
      const locked = loss === 'siglip' ? (['text'] as const) : [];
      const whole = contrastiveGradients(clip, [micro(0, 8)], { loss, locked });
      const parts = contrastiveGradients(clip, [micro(0, 2), micro(2, 4), micro(4, 8)], { loss, locked });
      expect((await parts.loss.data())[0]).toBeCloseTo((await whole.loss.data())[0]!, 5);
      expect(Array.from(await parts.accuracy.data())).toEqual(Array.from(await whole.accuracy.data()));
      expect(Object.keys(parts.gradients).sort()).toEqual(Object.keys(whole.gradients).sort());
      for (const [name, gradient] of Object.entries(whole.gradients)) {
        // Sums over examples are taken in another order: 1e-5 of the tensor's largest gradient, or of one.
        const values = await gradient.data();
        const largest = Math.max(1, ...Array.from(values, Math.abs));
        const difference = maxDifference(await parts.gradients[name]!.data(), values);
        expect(difference / largest, name).toBeLessThan(1e-5);
      }
    },
  );

  it.each([
    ['a vision transformer', config, 16],
    ['a ResNet', resnet, 32],
  ] as const)('%s learns pairs, and resumes as if it had never stopped', async (_, model, side) => {
    const options: TrainerOptions = { steps: 12, batchSize: 6, learningRate: 5e-3, maxGradNorm: 5, seed: 3 };
    using straight = CLIP.create(model, { seed: 1 });
    using first = new ContrastiveTrainer(straight, dataset(6, side), options);
    const expected = await losses(first);
    expect(expected[0]!).toBeGreaterThan(1);
    expect(expected.at(-1)!).toBeLessThan(expected[0]! / 2);

    using stopped = CLIP.create(model, { seed: 1 });
    using before = new ContrastiveTrainer(stopped, dataset(6, side), options);
    const head = await losses(before, 5);
    using after = new ContrastiveTrainer(stopped, dataset(6, side), options);
    after.loadState(JSON.parse(JSON.stringify(await before.state(), typed), untyped));
    expect([...head, ...(await losses(after))]).toEqual(expected);
    const [a, b] = [await weights(straight), await weights(stopped)];
    expect(a).toEqual(b);
  });

  it('locked towers keep every bit', async () => {
    using clip = CLIP.create(config, { seed: 1 });
    const before = await weights(clip);
    using trainer = new ContrastiveTrainer(clip, dataset(6), {
      steps: 2,
      batchSize: 6,
      locked: ['image'],
      learningRate: 1e-2,
    });
    await losses(trainer);
    const after = await weights(clip);
    [...clip.parameters.entries()].forEach(([name], i) => {
      const change = maxDifference(after[i]!, before[i]!);
      if (name.startsWith('vision.')) expect(change, name).toBe(0);
      else if (name.endsWith('.weight')) expect(change, name).toBeGreaterThan(0);
    });
  });

  it('keeps the scale at or below 100', async () => {
    using clip = CLIP.create({ ...config, logitScaleInit: Math.log(99.9) }, { seed: 1 });
    using trainer = new ContrastiveTrainer(clip, dataset(6), { steps: 6, batchSize: 6, learningRate: 5e-2 });
    let last = 0;
    for await (const { logitScale } of trainer.run()) {
      expect(logitScale).toBeLessThanOrEqual(100.001);
      last = logitScale;
    }
    expect(last).toBeGreaterThan(10);
  });

  it('leaks no tensor over steps, and stops when told to', async () => {
    using clip = CLIP.create(resnet, { seed: 1 });
    using trainer = new ContrastiveTrainer(clip, dataset(8, 32), {
      steps: 6,
      batchSize: 4,
      microBatchSize: 2,
    });
    const run = trainer.run();
    await run.next();
    await expectNoLeak(async () => {
      await run.next();
      await run.next();
    });
    await run.return(undefined);
    const stop = new AbortController();
    stop.abort();
    await expect(trainer.run({ signal: stop.signal }).next()).rejects.toThrow(/abort/i);
    expect(trainer.step).toBe(3);
  });

  it('names the option that cannot be', () => {
    using clip = CLIP.create(config, { seed: 1 });
    const make = (options: TrainerOptions) => () => new ContrastiveTrainer(clip, dataset(8), options);
    expect(make({ steps: 0 })).toThrow('steps must be a positive integer, received 0');
    expect(make({ steps: 1, batchSize: 8, microBatchSize: 3 })).toThrow(
      'batchSize must be a multiple of microBatchSize (3), is 8',
    );
    expect(make({ steps: 1, batchSize: 9 })).toThrow("at most the data set's 8 pairs");
    expect(make({ steps: 1, batchSize: 4, loss: 'siglip' })).toThrow(/logitBiasInit/);
  });
});

/** A state survives JSON with its typed arrays spelled out. */
function typed(_key: string, value: unknown): unknown {
  return value instanceof Float32Array ? { floats: Array.from(value) } : value;
}
function untyped(_key: string, value: unknown): unknown {
  const { floats } = (value ?? {}) as { floats?: number[] };
  return floats ? Float32Array.from(floats) : value;
}
