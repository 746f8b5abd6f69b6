import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GPT, initCompute, type LanguageModel, localLanguageModel } from '@gpt-lineage/gpt-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundledData, evaluate } from '../src/index.js';

interface Reference {
  reference: string;
  items: number;
  runs: {
    task: string;
    shots: number;
    metrics: Record<string, number>;
    items: { prompt: string; responses: unknown[] }[];
  }[];
}

const folder = join(dirname(fileURLToPath(import.meta.url)), 'fixtures/lm-eval');
const reference: Reference = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8'));

let gpt: GPT;
let model: LanguageModel;
beforeAll(async () => {
  await initCompute({ prefer: 'wasm' });
  gpt = await GPT.load(join(folder, 'model'));
  model = localLanguageModel(gpt, { name: 'tiny' });
});
afterAll(() => gpt.dispose());

const close = (actual: number, expected: number, what: string) =>
  expect(Math.abs(actual - expected), `${what}: ${actual}, reference ${expected}`).toBeLessThanOrEqual(
    1e-3 * Math.max(1, Math.abs(expected) / 10),
  );

/** ARC's file is not among the bundled samples; the reference run left the one it used. */
const dataFolder = (task: string) => (task === 'arc_easy' ? folder : bundledData());

it.each(reference.runs.map((run) => [run.task, run.shots, run] as const))(
  '%s with %i shots equals lm-evaluation-harness, item by item',
  async (name, shots, expected) => {
    const { listTasks } = await import('../src/index.js');
    const known = listTasks().find((task) => task.name === name)!;
    const task =
      name === 'arc_easy'
        ? { ...known, data: { ...known.data, files: { test: 'arc_easy.jsonl' } } }
        : name === 'gsm8k'
          ? { ...known, maxTokens: 24 }
          : known;
    const report = await evaluate(shots === 0 ? gpt : model, {
      tasks: [task],
      shots,
      limit: reference.items,
      dataFolder: dataFolder(name),
      logSamples: true,
    });
    const [result] = report.tasks;
    result!.samples.forEach((sample, index) => {
      const item = expected.items[index]!;
      if (known.kind !== 'rolling') expect(sample.prompt).toBe(item.prompt);
      item.responses.forEach((response, at) => {
        const what = `${name}, item ${index}, response ${at}`;
        const output = sample.outputs![at];
        if (Array.isArray(response)) {
          close((output as { logLikelihood: number }).logLikelihood, Number(response[0]), what);
          if (known.kind === 'log-likelihood') {
            expect((output as { isGreedy: boolean }).isGreedy).toBe(response[1]);
          }
        } else if (typeof response === 'number') {
          close((output as { logLikelihood: number }).logLikelihood, response, what);
        } else {
          expect(output, what).toBe(response);
        }
      });
    });
    for (const [metric, value] of Object.entries(expected.metrics)) {
      if (metric === 'sample_len') continue;
      const own = Object.entries(result!.metrics).find(
        ([key]) => key === metric || key.startsWith(`${metric},`),
      );
      expect(
        Math.abs(own![1].value / value - 1) < 1e-3 || Math.abs(own![1].value - value) < 1e-3,
        metric,
      ).toBe(true);
    }
  },
  120_000,
);
