import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectNoLeak, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  GPT,
  LoRA,
  type PretrainOptions,
  pretrain,
  type TokenBatch,
  type TokenSource,
  TrainingError,
  textSource,
  validationLoss,
} from '../../src/index.js';
import { RunDirectory } from '../../src/node/index.js';
import type { TrainingState } from '../../src/training/training-state.js';
import { collect, curve, tinyConfig, verse, verseTokenizer, weightsOf } from '../support/training.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-training-'));
beforeAll(setupBackend);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sources = () => textSource(verse, verseTokenizer, { contextLength: 16, seed: 2, sampling: 'random' });
const create = (config = {}) =>
  GPT.create({ ...tinyConfig, ...config }, { seed: 4, tokenizer: verseTokenizer });
const options = (extra: Partial<PretrainOptions> = {}): PretrainOptions => ({
  steps: 12,
  batchSize: 4,
  learningRate: 3e-3,
  warmup: 2,
  validateEvery: 5,
  validationBatches: 2,
  ...extra,
});

describe('the loop', () => {
  it('lowers the loss below the unigram entropy of the text', async () => {
    using model = create();
    const { train, validation } = sources();
    const events = await collect(
      pretrain(
        model,
        train,
        options({ steps: 100, validateEvery: 100, validation: validation!, validationBatches: 8 }),
      ),
    );
    const counts = new Map<string, number>();
    for (const character of verse) counts.set(character, (counts.get(character) ?? 0) + 1);
    let entropy = 0;
    for (const count of counts.values()) entropy -= (count / verse.length) * Math.log(count / verse.length);
    const last = events.filter((event) => event.type === 'validation').at(-1);
    expect(last!.loss).toBeLessThan(0.8 * entropy);
    expect(last!.bitsPerByte).toBeCloseTo(last!.loss / Math.LN2, 6);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'completed', step: 100 });
  });

  it('leaks no tensors: not per step, not at the end, not when the reader leaves', async () => {
    using model = create({ residualDropout: 0.1, attentionDropout: 0.1 });
    await expectNoLeak(async () => {
      const { train, validation } = sources();
      const alive: number[] = [];
      for await (const event of pretrain(
        model,
        train,
        options({ steps: 200, microBatchSize: 2, emaDecay: 0.9, validation: validation! }),
      ))
        if (event.type === 'step') alive.push(tf.memory().numTensors);
      expect(alive).toHaveLength(200);
      expect(new Set(alive.slice(1)).size).toBe(1);
    });
    const afterGeneration: number[] = [];
    for (let run = 0; run < 20; run++) {
      await model.generate([1, 2, 3], { maxTokens: 8, temperature: 0.8, topK: 5, seed: run });
      afterGeneration.push(tf.memory().numTensors);
    }
    expect(new Set(afterGeneration.slice(1)).size).toBe(1);
    await expectNoLeak(async () => {
      for await (const event of pretrain(model, sources().train, options()))
        if (event.type === 'step' && event.step === 3) break;
    });
  });

  it('weighs every target alike, however the batch is cut', async () => {
    // Ragged targets: rows have between 1 and 16 labels.
    const ragged: TokenSource = {
      ...sources().train,
      next: async (rows) => {
        const batch = await sources().train.next(rows);
        batch.labels.forEach((_, i) => {
          if (i % 16 > (5 * Math.floor(i / 16)) % 16) (batch.labels as Int32Array)[i] = -100;
        });
        return batch;
      },
    };
    const runs: (readonly number[])[][] = [];
    const weights: Map<string, Float32Array>[] = [];
    for (const microBatchSize of [6, 2, 4]) {
      using model = create();
      runs.push(
        curve(await collect(pretrain(model, ragged, options({ steps: 4, batchSize: 6, microBatchSize })))),
      );
      weights.push(await weightsOf(model));
    }
    for (const run of runs.slice(1))
      run.forEach((row, i) => {
        row.forEach((value, j) => {
          expect(Math.abs(value - runs[0]![i]![j]!)).toBeLessThan(2e-5);
        });
      });
    for (const [name, values] of weights[0]!)
      if (!name.endsWith('c_attn.bias'))
        values.forEach((value, i) => {
          expect(Math.abs(value - weights[1]!.get(name)![i]!)).toBeLessThan(1e-4);
        });
  });

  it('has the same curve for the same seed and another for another, with dropout', async () => {
    const run = async (seed: number) => {
      using model = create({ embeddingDropout: 0.2, attentionDropout: 0.2, residualDropout: 0.2 });
      return curve(await collect(pretrain(model, sources().train, options({ steps: 4, seed }))));
    };
    const [one, same, other] = [await run(1), await run(1), await run(2)];
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it('has the same curve with gradient checkpointing, with dropout and adapters', async () => {
    const dropout = { residualDropout: 0.1, attentionDropout: 0.1, embeddingDropout: 0.1 };
    const run = async (gradientCheckpointing: boolean, adapted: boolean, config = {}) => {
      using model = create({ ...dropout, ...config });
      using lora = LoRA.attach(model, { rank: 2, dropout: 0.1 });
      if (!adapted) lora.dispose();
      const extra = { gradientCheckpointing, steps: 4, ...(adapted && { adapter: lora }) };
      return curve(await collect(pretrain(model, sources().train, options(extra))));
    };
    await expectNoLeak(async () => {
      for (const adapted of [false, true])
        for (const config of [{}, { positions: 't5', normPlacement: 'sandwich' }]) {
          const [kept, recomputed] = [await run(false, adapted, config), await run(true, adapted, config)];
          recomputed.forEach((row, i) => {
            row.forEach((value, j) => {
              expect(Math.abs(value - kept[i]![j]!)).toBeLessThan(2e-5);
            });
          });
        }
    });
  });

  it('freezes by pattern and scales learning rates by layer', async () => {
    using model = create();
    const before = await weightsOf(model);
    await collect(
      pretrain(
        model,
        sources().train,
        options({
          steps: 1,
          warmup: 0,
          weightDecay: 0,
          trainable: (name) => name.includes('.mlp.'),
          learningRateScale: (name) => (name.includes('.h.0.') ? 0.5 : 1),
        }),
      ),
    );
    const moved = (name: string, after: Map<string, Float32Array>) =>
      Math.max(...after.get(name)!.map((value, i) => Math.abs(value - before.get(name)![i]!)));
    const after = await weightsOf(model);
    for (const name of before.keys()) if (!name.includes('.mlp.')) expect(moved(name, after), name).toBe(0);
    // Adam's first step has the size of the learning rate.
    expect(moved('transformer.h.1.mlp.c_fc.weight', after)).toBeCloseTo(3e-3, 4);
    expect(moved('transformer.h.0.mlp.c_fc.weight', after)).toBeCloseTo(1.5e-3, 4);
  });

  it('grows the batch as GPT-3 does and counts the schedule in tokens', async () => {
    using model = create();
    const events = await collect(
      pretrain(
        model,
        sources().train,
        options({
          steps: 8,
          batchSize: 8,
          microBatchSize: 2,
          batchRamp: { fromTokens: 32, overTokens: 400 },
          scheduleUnit: 'tokens',
          warmup: 100,
          decay: 1000,
          warmupStart: 'hf',
        }),
      ),
    );
    const steps = events.filter((event) => event.type === 'step');
    expect(steps.map(({ batchSize }) => batchSize)).toEqual([2, 2, 2, 4, 4, 6, 6, 8]);
    expect(steps[1]!.learningRate).toBeCloseTo((3e-3 * 32) / 100, 9);
    expect(steps.at(-1)!.tokens).toBe(16 * steps.reduce((sum, { batchSize }) => sum + batchSize, 0));
  });

  it('stops early and keeps the best checkpoint', async () => {
    using model = create();
    const { train, validation } = sources();
    const run = new RunDirectory(join(folder, 'early'), { keepLast: 1 });
    const events = await collect(
      pretrain(
        model,
        train,
        // A rate that soon makes things worse.
        options({
          steps: 60,
          learningRate: 0.5,
          warmup: 0,
          schedule: 'constant',
          validateEvery: 2,
          patience: 3,
          validation: validation!,
          checkpoints: run,
          checkpointEvery: 2,
        }),
      ),
    );
    const end = events.at(-1);
    expect(end).toMatchObject({ type: 'end', reason: 'early-stop' });
    const best = events
      .filter((event) => event.type === 'validation')
      .filter(({ isBest }) => isBest)
      .at(-1)!;
    expect(end).toMatchObject({ bestLoss: best.loss });
    const names = await run.steps();
    expect(names).toContain(`step-${String(best.step).padStart(8, '0')}`);
    expect(names.length).toBeLessThanOrEqual(2);
    expect(await run.best()).toBe(`step-${String(best.step).padStart(8, '0')}`);
  });

  it('names the option that is wrong', async () => {
    using model = create();
    const bad = (extra: Partial<PretrainOptions>) =>
      collect(pretrain(model, sources().train, options(extra)));
    await expect(bad({ steps: 0 })).rejects.toThrow('steps is 0: give a positive whole number.');
    await expect(bad({ batchSize: 1.5 })).rejects.toThrow(/batchSize is 1.5/);
    await expect(bad({ learningRate: -1 })).rejects.toThrow(/learningRate is -1/);
    await expect(bad({ minLearningRate: 1 })).rejects.toThrow(/minLearningRate is 1/);
    await expect(bad({ trainable: () => false })).rejects.toThrow(TrainingError);
    const long = textSource(verse, verseTokenizer, { contextLength: 17 }).train;
    await expect(collect(pretrain(model, long, options()))).rejects.toThrow(/the model's context is 16/);
  });
});

describe('resume', () => {
  const dropout = { residualDropout: 0.1, attentionDropout: 0.1, embeddingDropout: 0.1 };
  const settings = () => ({
    ...options({ steps: 8, emaDecay: 0.8, microBatchSize: 2, checkpointEvery: 3, seed: 9 }),
    validation: sources().validation!,
  });

  it('equals never having stopped, from whatever checkpoint', async () => {
    using whole = create(dropout);
    const expected = curve(await collect(pretrain(whole, sources().train, settings())));
    const weights = await weightsOf(whole);
    for (const stopAt of [3, 5]) {
      const run = new RunDirectory(join(folder, `resume-${stopAt}`));
      using first = create(dropout);
      const stop = new AbortController();
      const head = [];
      for await (const event of pretrain(first, sources().train, {
        ...settings(),
        checkpoints: run,
        signal: stop.signal,
      })) {
        head.push(event);
        if (event.type === 'step' && event.step === stopAt) stop.abort();
      }
      expect(head.at(-1)).toMatchObject({ type: 'end', reason: 'aborted', step: stopAt });
      using second = GPT.create({ ...tinyConfig, ...dropout }, { seed: 77, tokenizer: verseTokenizer });
      const tail = await collect(
        pretrain(second, sources().train, { ...settings(), checkpoints: run, resume: true }),
      );
      expect([...curve(head), ...curve(tail)]).toEqual(expected);
      expect(await weightsOf(second)).toEqual(weights);
    }
  });

  it('ends with the averaged weights, in the model and in the folder', async () => {
    const run = new RunDirectory(join(folder, 'average'));
    using model = create();
    const { train, validation } = sources();
    const events = await collect(
      pretrain(model, train, options({ emaDecay: 0.9, validation: validation!, checkpoints: run })),
    );
    const last = events.filter((event) => event.type === 'validation').at(-1)!;
    const measured = await validationLoss(model, validation!, { batchSize: 4, maxBatches: 2 });
    expect(measured.loss).toBeCloseTo(last.loss, 6);
    using saved = await GPT.load(join(folder, 'average'));
    expect(await weightsOf(saved)).toEqual(await weightsOf(model));
    // The checkpoint keeps the raw weights, to go on from.
    using raw = await GPT.load(join(folder, 'average', 'checkpoints', 'step-00000012'));
    expect(await weightsOf(raw)).not.toEqual(await weightsOf(model));
  });

  it('can be made longer; the schedule stays the first run’s', async () => {
    const run = new RunDirectory(join(folder, 'longer'));
    using first = create();
    await collect(pretrain(first, sources().train, options({ steps: 4, checkpoints: run })));
    const tail = await collect(
      pretrain(first, sources().train, options({ steps: 6, checkpoints: run, resume: true })),
    );
    const steps = tail.filter((event) => event.type === 'step');
    expect(steps.map(({ step }) => step)).toEqual([5, 6]);
    for (const step of steps) expect(step.learningRate).toBeCloseTo(3e-4, 9);
  });

  it('refuses other settings, another model, and damaged checkpoints', async () => {
    const path = join(folder, 'refuse');
    const run = new RunDirectory(path);
    using model = create();
    await collect(pretrain(model, sources().train, options({ steps: 4, checkpoints: run })));
    const resume = (target: GPT, extra: Partial<PretrainOptions> = {}) =>
      collect(
        pretrain(target, sources().train, options({ steps: 6, checkpoints: run, resume: true, ...extra })),
      );
    await expect(resume(model, { learningRate: 1e-3 })).rejects.toThrow(/learningRate 0.003, not 0.001/);
    using wide = create({ nEmbd: 32 });
    await expect(resume(wide)).rejects.toThrow(/a model with nEmbd 16, not 32/);

    const checkpoint = join(path, 'checkpoints', 'step-00000004');
    for (const name of ['model.safetensors', 'training.safetensors', 'training.json', 'config.json']) {
      const file = join(checkpoint, name);
      const content = readFileSync(file);
      writeFileSync(file, content.subarray(0, content.length - 7));
      await expectNoLeak(async () => {
        await expect(resume(model)).rejects.toThrow(
          new RegExp(`${name} is truncated or was changed; delete this folder`),
        );
      });
      rmSync(file);
      await expect(resume(model)).rejects.toThrow(new RegExp(`${name} is missing`));
      writeFileSync(file, content);
    }
    const checksums = join(checkpoint, 'checksums.json');
    const good = readFileSync(checksums);
    for (const bad of ['', '[', '7', '{}', '{"../x": "0"}']) {
      writeFileSync(checksums, bad);
      await expect(resume(model)).rejects.toMatchObject({ code: 'gpt-core/checkpoint' });
    }
    writeFileSync(checksums, good);
    await resume(model);
  });

  it('survives what a killed save leaves behind', async () => {
    const path = join(folder, 'leftovers');
    const run = new RunDirectory(path);
    using model = create();
    await collect(pretrain(model, sources().train, options({ steps: 2, checkpoints: run })));
    writeFileSync(join(path, '.tmp-model.safetensors-1'), 'half');
    const { mkdirSync } = await import('node:fs');
    mkdirSync(join(path, 'checkpoints', '.tmp-step-00000003-1'));
    writeFileSync(join(path, 'checkpoints', '.tmp-step-00000003-1', 'config.json'), '{');
    await run.open();
    expect(readdirSync(join(path, 'checkpoints'))).toEqual(['step-00000002']);
    expect(readdirSync(path).some((name) => name.startsWith('.tmp-'))).toBe(false);
    expect((await run.latest())!.state.step).toBe(2);
  });
});

describe('guard', () => {
  /** A source whose batch number `at` makes the loss huge, or NaN through an impossible label. */
  function poisoned(at: readonly number[]): TokenSource {
    const { train } = sources();
    let drawn = 0;
    return {
      ...train,
      next: async (rows) => {
        const batch = await train.next(rows);
        if (!at.includes(drawn++)) return batch;
        return { ...batch, labels: batch.labels.map(() => -100) } satisfies TokenBatch;
      },
    };
  }

  it('skips a step with NaN, keeps the batch, and goes on', async () => {
    using model = create();
    const run = new RunDirectory(join(folder, 'nan'));
    await run.open();
    const variable = model.variables.get('transformer.ln_f.bias')!;
    const events = [];
    const before: Float32Array[] = [];
    for await (const event of pretrain(model, sources().train, options({ steps: 6, checkpoints: run }))) {
      events.push(event);
      if (event.type !== 'step') continue;
      // Weights turn NaN after step 2 and are mended after step 3, as a flaky machine might do.
      if (event.step === 2) {
        before.push(Float32Array.from((await variable.data()) as Float32Array));
        tf.tidy(() => variable.assign(tf.fill(variable.shape, Number.NaN)));
      }
      if (event.step === 3) tf.tidy(() => variable.assign(tf.tensor(before[0]!, variable.shape)));
    }
    const guard = events.filter((event) => event.type === 'guard');
    expect(guard).toHaveLength(1);
    expect(guard[0]).toMatchObject({ step: 3, reason: 'non-finite-loss', action: 'skip' });
    expect(JSON.parse(readFileSync(guard[0]!.batchPath!, 'utf8'))).toMatchObject({
      batchSize: 4,
      length: 16,
    });
    const steps = events.filter((event) => event.type === 'step');
    expect(steps.map(({ applied }) => applied)).toEqual([true, true, false, true, true, true]);
    expect(steps.slice(3).every(({ loss }) => Number.isFinite(loss))).toBe(true);
    const state = (await run.latest())!.state as TrainingState;
    expect(state).toMatchObject({ step: 6, updates: 5 });
  });

  it('stops after too many bad steps, with the batch saved', async () => {
    using model = create();
    const run = new RunDirectory(join(folder, 'diverged'));
    await run.open();
    tf.tidy(() => model.variables.get('transformer.ln_f.bias')!.assign(tf.fill([16], Number.NaN)));
    const events: unknown[] = [];
    await expect(async () => {
      for await (const event of pretrain(
        model,
        sources().train,
        options({ steps: 9, checkpoints: run, guard: { maxConsecutive: 3 } }),
      ))
        events.push(event);
    }).rejects.toThrow(/diverged at step 3 after 3 bad steps/);
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'diverged' });
    expect(await run.steps()).toEqual([]);
  });

  it('skips a loss spike and backs the learning rate off, then recovers', async () => {
    using model = create();
    let drawn = 0;
    const { train } = sources();
    const spiky: TokenSource = {
      ...train,
      next: async (rows) => {
        const batch = await train.next(rows);
        // A batch of labels that nobody could predict after training.
        return drawn++ === 40 ? { ...batch, labels: batch.labels.map(() => 0) } : batch;
      },
    };
    const events = await collect(
      pretrain(
        model,
        spiky,
        options({
          steps: 50,
          schedule: 'constant',
          warmup: 0,
          guard: { spikeDeviations: 4, warmupSteps: 30, backOff: 0.5, recoverAfter: 5 },
        }),
      ),
    );
    const guard = events.filter((event) => event.type === 'guard');
    expect(guard.map(({ step, reason }) => [step, reason])).toEqual([[41, 'loss-spike']]);
    const rates = events.filter((event) => event.type === 'step').map(({ learningRate }) => learningRate);
    expect(rates[39]).toBeCloseTo(3e-3);
    expect(rates[41]).toBeCloseTo(1.5e-3);
    expect(rates[48]).toBeCloseTo(3e-3);
  });

  it('refuses a batch without a single target', async () => {
    using model = create();
    await expect(collect(pretrain(model, poisoned([1]), options({ steps: 3 })))).rejects.toThrow(
      /batch of step 2 has no token to train on/,
    );
  });
});
