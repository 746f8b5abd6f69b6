import { setupBackend } from '@gpt-lineage/compute/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { GPT, pretrain } from '../../src/index.js';
import { fixtureJson, fixturePath, fixtureTensors } from '../support/fixtures.js';
import { collect, fixedSource, weightsOf } from '../support/training.js';

interface Trace {
  runs: Record<
    string,
    {
      loss: number[];
      lr: number[];
      grad_norm: number[];
      loss_after: number;
      clip: number | null;
      decay: string;
    }
  >;
}

const trace = fixtureJson<Trace>('gpt2-tiny/train.json');

/** The schedules of the reference runs in our options. */
const schedules = {
  constant: { schedule: 'constant' },
  hf_cosine: { schedule: 'cosine', warmup: 3, warmupStart: 'hf', minLearningRate: 0 },
  nanogpt_cosine: { schedule: 'cosine', warmup: 3, warmupStart: 'nanogpt', minLearningRate: 1e-4 },
} as const;

beforeAll(setupBackend);

describe('ten AdamW steps equal PyTorch’s', () => {
  it.each(Object.entries(trace.runs))('%s', async (name, run) => {
    const ids = (await fixtureTensors('gpt2-tiny/train_batch.safetensors')).get('input_ids')!;
    const [batchSize, length] = ids.shape as [number, number];
    const tokenIds = Int32Array.from(ids.values);
    // Position t is labelled with token t + 1; the last one of a row has no label.
    const labels = tokenIds.map((_, i) => ((i + 1) % length === 0 ? -100 : tokenIds[i + 1]!));
    const schedule = name.startsWith('nanogpt')
      ? 'nanogpt_cosine'
      : name.includes('cosine')
        ? 'hf_cosine'
        : 'constant';
    using model = await GPT.load(fixturePath('gpt2-tiny/model'));
    const events = await collect(
      pretrain(model, fixedSource({ batchSize, length, tokenIds, labels }), {
        steps: 11,
        decay: 10,
        batchSize,
        learningRate: 1e-3,
        betas: [0.9, 0.95],
        epsilon: 1e-8,
        weightDecay: 0.1,
        decayed: run.decay === 'all' ? 'all' : 'matrices',
        clipNorm: run.clip,
        ...schedules[schedule],
      }),
    );
    const steps = events.filter((event) => event.type === 'step');
    steps.slice(0, 10).forEach((step, i) => {
      expect(step.learningRate, `learning rate ${i}`).toBeCloseTo(run.lr[i]!, 9);
      expect(Math.abs(step.loss - run.loss[i]!), `loss ${i}`).toBeLessThan(1e-4);
      expect(Math.abs(step.gradientNorm - run.grad_norm[i]!), `norm ${i}`).toBeLessThan(1e-3);
    });
    // Step 11 sees the weights after ten updates.
    expect(Math.abs(steps[10]!.loss - run.loss_after)).toBeLessThan(1e-4);
  });

  it('final weights after clipping and cosine', async () => {
    const expected = await fixtureTensors('gpt2-tiny/train_final_cosine_clip1.safetensors');
    const ids = (await fixtureTensors('gpt2-tiny/train_batch.safetensors')).get('input_ids')!;
    const [batchSize, length] = ids.shape as [number, number];
    const tokenIds = Int32Array.from(ids.values);
    const labels = tokenIds.map((_, i) => ((i + 1) % length === 0 ? -100 : tokenIds[i + 1]!));
    using model = await GPT.load(fixturePath('gpt2-tiny/model'));
    await collect(
      pretrain(model, fixedSource({ batchSize, length, tokenIds, labels }), {
        steps: 10,
        batchSize,
        learningRate: 1e-3,
        weightDecay: 0.1,
        decayed: 'all',
        ...schedules.hf_cosine,
      }),
    );
    const nEmbd = model.config.nEmbd;
    for (const [name, values] of await weightsOf(model)) {
      const wanted = expected.get(name)!.values;
      // The key third of c_attn.bias has a true gradient of zero, whose rounding noise Adam blows up.
      const skipped = (i: number) => name.endsWith('c_attn.bias') && i >= nEmbd && i < 2 * nEmbd;
      let worst = 0;
      values.forEach((value, i) => {
        if (!skipped(i)) worst = Math.max(worst, Math.abs(value - wanted[i]!));
      });
      expect(worst, name).toBeLessThan(1e-3);
    }
  });
});
