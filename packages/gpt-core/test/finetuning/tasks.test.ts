import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectNoLeak, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ByteTokenizer,
  CharacterTokenizer,
  evaluateTask,
  finetune,
  GPT,
  parseJsonl,
  predictTask,
  type TaskExample,
  type TaskKind,
  TaskModel,
} from '../../src/index.js';
import { RunDirectory } from '../../src/node/index.js';
import { fixturePath } from '../support/fixtures.js';
import { collect, curve } from '../support/training.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-tasks-'));
beforeAll(setupBackend);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const examples = (task: TaskKind): TaskExample[] =>
  [...parseJsonl(readFileSync(fixturePath(`tasks/${task}.jsonl`), 'utf8'))].map(
    ([, row]) => row as TaskExample,
  );

const create = () =>
  GPT.create(
    { vocabSize: 257, contextLength: 96, nLayer: 1, nHead: 2, nEmbd: 32 },
    { seed: 1, tokenizer: new ByteTokenizer() },
  );

const labels: Partial<Record<TaskKind, string[]>> = {
  classification: ['English', 'German'],
  sentiment: ['negative', 'positive'],
  entailment: ['does not answer', 'answers'],
  similarity: ['different', 'same'],
};

const taskModel = (task: TaskKind) => {
  using gpt = create();
  return TaskModel.create(gpt, { task, ...(labels[task] && { labels: labels[task] }), seed: 2 });
};

describe('every task learns its examples, and a saved model answers as before', () => {
  it.each(['classification', 'sentiment', 'entailment', 'similarity', 'multiple-choice', 'chat'] as const)(
    '%s',
    async (task) => {
      const data = examples(task).slice(0, task === 'multiple-choice' || task === 'chat' ? 6 : 10);
      await expectNoLeak(async () => {
        using model = taskModel(task);
        const before = await evaluateTask(model, data);
        const events = await collect(
          finetune(model, data, {
            epochs: 32,
            batchSize: 10,
            learningRate: 5e-3,
            warmup: 4,
            weightDecay: 0,
            validation: data.slice(0, 4),
            validateEvery: 20,
          }),
        );
        const after = await evaluateTask(model, data);
        expect(after.loss).toBeLessThan(0.5 * before.loss);
        expect(after.metrics.accuracy).toBeGreaterThan(0.75);
        const validation = events.find((event) => event.type === 'validation')!;
        expect(Object.values(validation.metrics!).every(Number.isFinite)).toBe(true);

        const answers = await predictTask(model, data);
        await model.save(join(folder, task));
        using loaded = await TaskModel.load(join(folder, task));
        expect(await predictTask(loaded, data)).toEqual(answers);
        const right = answers.filter(({ label }, i) => label === data[i]!.label).length;
        expect(right / data.length).toBeCloseTo(after.metrics.accuracy!, 6);
      });
    },
  );

  it('tells languages apart on sentences it has not seen', async () => {
    const data = examples('classification');
    using model = taskModel('classification');
    await collect(
      finetune(model, data.slice(0, 90), { epochs: 8, batchSize: 15, learningRate: 5e-3, warmup: 4 }),
    );
    const { metrics } = await evaluateTask(model, data.slice(90));
    expect(metrics.accuracy).toBeGreaterThan(0.7);
  });

  it('regresses on a scale', async () => {
    const data = examples('similarity')
      .slice(0, 12)
      .map((example) => ({ ...example, label: example.label === 'same' ? 4.5 : 1 }));
    using gpt = create();
    using model = TaskModel.create(gpt, { task: 'similarity', regression: true });
    await collect(finetune(model, data, { epochs: 25, batchSize: 6, learningRate: 5e-3, warmup: 4 }));
    const { metrics } = await evaluateTask(model, data);
    expect(metrics.pearson).toBeGreaterThan(0.9);
    expect((await predictTask(model, data))[0]!.label).toBeTypeOf('number');
  });
});

describe('task models', () => {
  it('reads a pair in both orders: similarity does not depend on the order', async () => {
    using model = taskModel('similarity');
    const [one, other] = await predictTask<'similarity'>(model, [
      { first: 'a cat', second: 'the dog' },
      { first: 'the dog', second: 'a cat' },
    ]);
    one!.probabilities!.forEach((p, i) => {
      expect(p).toBeCloseTo(other!.probabilities![i]!, 6);
    });
  });

  it('does not let padding or other choices change a score', async () => {
    using model = taskModel('multiple-choice');
    const base = { context: 'who?', choices: ['me', 'you'] };
    const alone = await predictTask<'multiple-choice'>(model, [base]);
    const crowded = await predictTask<'multiple-choice'>(model, [
      base,
      { context: 'a much longer question than that', choices: ['1', '2', '3', 'a long answer'] },
    ]);
    alone[0]!.probabilities!.forEach((p, i) => {
      expect(p).toBeCloseTo(crowded[0]!.probabilities![i]!, 5);
    });
    expect(crowded[0]!.probabilities).toHaveLength(2);
  });

  it('keeps the pretrained weights and adds three tokens', async () => {
    using gpt = create();
    using model = TaskModel.create(gpt, { task: 'sentiment', labels: labels.sentiment! });
    expect(model.config.vocabSize).toBe(260);
    const old = await gpt.variables.get('transformer.wte.weight')!.data();
    const wider = await model.gpt.variables.get('transformer.wte.weight')!.data();
    expect(wider.slice(0, old.length)).toEqual(old);
    expect(model.tokens).toEqual({ start: 257, delimiter: 258, extract: 259 });
  });

  it('weighs the auxiliary loss by λ', async () => {
    using model = taskModel('sentiment');
    const run = async (lmWeight: number) => {
      const events = await collect(
        finetune(model, examples('sentiment').slice(0, 4), {
          steps: 1,
          lmWeight,
          learningRate: 1e-9,
          trainable: (name) => name === 'head.bias',
        }),
      );
      return events.find((event) => event.type === 'step')!.loss;
    };
    const [none, half, whole] = [await run(0), await run(0.5), await run(1)];
    expect(half - none).toBeCloseTo((whole - none) / 2, 4);
    expect(whole - none).toBeGreaterThan(4); // about ln 260 for an untrained model
  });

  it('resumes exactly', async () => {
    const data = examples('sentiment').slice(0, 10);
    const options = { steps: 8, batchSize: 4, microBatchSize: 2, learningRate: 1e-3, checkpointEvery: 3 };
    using whole = taskModel('sentiment');
    const expected = curve(await collect(finetune(whole, data, options)));
    const run = new RunDirectory(join(folder, 'resume'));
    const stop = new AbortController();
    using first = taskModel('sentiment');
    const head = [];
    for await (const event of finetune(first, data, { ...options, checkpoints: run, signal: stop.signal })) {
      head.push(event);
      if (event.type === 'step' && event.step === 5) stop.abort();
    }
    using second = taskModel('sentiment');
    const tail = await collect(finetune(second, data, { ...options, checkpoints: run, resume: true }));
    expect([...curve(head), ...curve(tail)]).toEqual(expected);
  });

  it('refuses what does not fit, naming it', async () => {
    using gpt = create();
    const make = (definition: object) => () => TaskModel.create(gpt, definition as never).dispose();
    const before = tf.memory().numTensors;
    expect(make({ task: 'translation' })).toThrow(/"task" is "translation": choose one of/);
    expect(make({ task: 'sentiment' })).toThrow(/name two or more different classes/);
    expect(make({ task: 'sentiment', labels: ['a', 'a'] })).toThrow(/different classes/);
    expect(make({ task: 'chat', labels: ['a', 'b'] })).toThrow(/index of the right choice/);
    expect(make({ task: 'sentiment', labels: ['a', 'b'], maxLength: 97 })).toThrow(/from 4 to 96/);
    expect(
      make({ task: 'sentiment', labels: ['a', 'b'], tokenizer: CharacterTokenizer.train('ab') }),
    ).toThrow(/was trained with the tokenizer byte:/);
    using bare = GPT.create({ ...gpt.config }, {});
    expect(() => TaskModel.create(bare, { task: 'sentiment', labels: ['a', 'b'] })).toThrow(
      /has no tokenizer/,
    );
    expect(tf.memory().numTensors).toBe(before + bare.variables.size);
    using model = taskModel('sentiment');
    const tune = (data: unknown[]) => collect(finetune(model, data as TaskExample[], { steps: 1 }));
    await expect(tune([])).rejects.toThrow(/no examples to fine-tune on/);
    await expect(tune([{ text: 'x', label: 'neutral' }])).rejects.toThrow(
      /Example 0 has the label "neutral"/,
    );
    await expect(tune([{ body: 'x', label: 'positive' }])).rejects.toThrow(
      /sentiment example needs this text/,
    );
    await model.save(join(folder, 'broken'));
    writeFileSync(join(folder, 'broken', 'task.json'), '{"task": 1}');
    await expect(TaskModel.load(join(folder, 'broken'))).rejects.toThrow(/does not describe a task/);
  });
});
