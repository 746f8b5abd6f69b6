import { setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { DataError, type MultimodalDataset, type MultimodalGPT, trainMultimodal } from '../../src/index.js';
import { picture, tinyModel } from './support.js';

beforeAll(setupBackend);

const shown = [picture(1), picture(2)];
/** Which of two images it is can be told from the image alone. */
const dataset: MultimodalDataset = {
  name: 'which',
  length: 10,
  images: 1,
  example: (index) => [
    { text: 'is' },
    { image: shown[index % 2]! },
    { text: index % 2 ? 'b' : 'a', train: true },
  ],
};
const textOnly: MultimodalDataset = {
  name: 'text',
  length: 6,
  images: 0,
  weight: 0.5,
  example: () => [{ text: '1+1=' }, { text: '2', train: true }],
};

async function run(model: MultimodalGPT, options: object, datasets = [dataset, textOnly]): Promise<number[]> {
  const losses: number[] = [];
  const defaults = { steps: 4, batchSize: 4, learningRate: 3e-3, seed: 2 };
  for await (const event of trainMultimodal(model, datasets, { ...defaults, ...options })) {
    if (event.type === 'step') losses.push(event.loss);
  }
  return losses;
}

async function values(model: MultimodalGPT): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (const [name, variable] of model.variables) all.set(name, (await variable.data()).join());
  return all;
}

describe('training', () => {
  it('learns to tell images apart, which no text could', async () => {
    using model = tinyModel({ projector: 'mlp' }, { initializerRange: 0.1 });
    const losses = await run(model, { steps: 120, stage: 'full', learningRate: 1e-2 }, [dataset]);
    expect(losses.at(-1)!).toBeLessThan(0.2);
    for (const [i, answer] of ['a', 'b'].entries()) {
      const { text } = await model.generate(['is', shown[i]!], { maxTokens: 1, temperature: 0 });
      expect(text).toBe(answer);
    }
  });

  it.each([
    ['align', ['multi_modal_projector']],
    ['instruct', ['multi_modal_projector', 'transformer']],
    ['full', ['multi_modal_projector', 'transformer', 'vision_tower']],
  ] as const)('%s changes %s, nothing else', async (stage, parts) => {
    using model = tinyModel();
    const before = await values(model);
    await run(model, { stage });
    const changed = new Set<string>();
    for (const [name, now] of await values(model)) {
      if (now !== before.get(name)) changed.add(name.split('.')[0]!);
    }
    expect([...changed].sort()).toEqual([...parts].sort());
  });

  it('the same seed gives the same run, in parts of any size', async () => {
    const losses = await Promise.all(
      [{}, {}, { microBatchSize: 2 }, { seed: 3 }].map(async (options) => {
        using model = tinyModel();
        return await run(model, options);
      }),
    );
    expect(losses[1]).toEqual(losses[0]);
    losses[2]!.forEach((loss, i) => {
      expect(loss).toBeCloseTo(losses[0]![i]!, 3);
    });
    expect(losses[3]).not.toEqual(losses[0]);
  });

  it('examples that do not fit are errors', async () => {
    using model = tinyModel();
    const long = { ...dataset, length: 6 };
    await expect(run(model, {}, [long])).rejects.toThrow(/longer than 6 tokens/);
    const blind = { ...dataset, images: 0 };
    await expect(run(model, {}, [blind])).rejects.toThrow(/has 1 images: the data set says 0/);
    await expect(run(model, {}, [])).rejects.toThrow(DataError);
  });

  it('leaves no tensor behind', async () => {
    using model = tinyModel();
    const before = tf.memory().numTensors;
    await run(model, { steps: 2, stage: 'full' });
    expect(tf.memory().numTensors).toBe(before);
  });
});
