import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readRecords } from '../src/data/read-records.js';
import {
  bundledData,
  evaluateVision,
  type ImageTextModel,
  type MultimodalModel,
  reportHtml,
} from '../src/index.js';

const docs = await readRecords(join(bundledData(), 'emoji/items.jsonl'));
const names = docs.map(({ name }) => String(name));

/** Tells images apart by their bytes; knows the name of each but calls those in `wrong` by their neighbour's. */
function knowing(wrong: readonly number[] = []): ImageTextModel & { name: string } {
  const seen: string[] = [];
  const oneHot = (at: number) => Float32Array.from(names, (_, i) => (i === at ? 3 : 0.1));
  return {
    name: 'knowing',
    encodeImages: async (images) =>
      images.map((image) => {
        const key = Buffer.from(image.data).toString('base64');
        if (!seen.includes(key)) seen.push(key);
        const at = seen.indexOf(key);
        return oneHot(wrong.includes(at) ? (at + 1) % names.length : at);
      }),
    encodeTexts: async (texts) => texts.map((text) => oneHot(names.findIndex((name) => text.endsWith(name)))),
  };
}

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

it('a model that knows every icon is right, and mistakes count', async () => {
  const { tasks } = await evaluateVision({ name: 'knowing', imageText: knowing(), logSamples: true });
  expect(tasks.map(({ task, items }) => [task, items])).toEqual([
    ['image_zero_shot', 24],
    ['image_retrieval', 24],
  ]);
  expect(tasks[0]!.metrics.acc!.value).toBe(1);
  expect(tasks[1]!.metrics).toMatchObject({
    'text_recall@1': { value: 1 },
    'image_recall@10': { value: 1 },
    text_mean_rank: { value: 1 },
  });
  const [mistaken] = (await evaluateVision({ name: 'mistaken', imageText: knowing([0, 5, 7]) })).tasks;
  expect(mistaken!.metrics.acc!.value).toBeCloseTo(21 / 24, 12);
});

it('a constant model finds nothing', async () => {
  const constant: ImageTextModel = {
    name: 'constant',
    encodeImages: async (images) => images.map(() => Float32Array.of(1, 2)),
    encodeTexts: async (texts) => texts.map(() => Float32Array.of(2, 1)),
  };
  const { tasks } = await evaluateVision({ name: 'constant', imageText: constant });
  expect(tasks[0]!.metrics.acc!.value).toBeCloseTo(1 / 24, 12);
  expect(tasks[1]!.metrics['text_recall@10']!.value).toBe(0);
});

it('questions are asked with the image and without it', async () => {
  const prompts: unknown[] = [];
  const model = {
    prepareChat: async (messages: unknown) => messages,
    score: async ([messages]: [{ content: { type: string }[] }[]], [choices]: [string[]]) => {
      prompts.push(messages);
      const sees = messages[0]!.content.some(({ type }) => type === 'image');
      const right = names[prompts.length - 1];
      return [
        choices.map((choice, at) => ({
          logLikelihood: sees ? (choice === right ? -1 : -5) : -at,
          tokenLogProbs: [],
          isGreedy: false,
        })),
      ];
    },
  } as unknown as MultimodalModel;
  const report = await evaluateVision({ name: 'seeing', multimodal: model });
  const [seeing, blind] = report.tasks;
  expect(seeing!.metrics.acc!.value).toBe(1);
  expect(blind!.metrics.acc!.value).toBeCloseTo(docs.filter(({ answer }) => answer === 0).length / 24, 12);
  expect(blind!.samples.map(({ promptHash }) => promptHash)).toEqual(
    seeing!.samples.map(({ promptHash }) => promptHash),
  );
  expect(reportHtml(report)).toContain('image_questions_blind');
});

it('names a file that is no image', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gpt-eval-vision-'));
  folders.push(folder);
  await writeFile(join(folder, 'bad.png'), 'no image');
  await writeFile(join(folder, 'items.jsonl'), '{"image":"bad.png","name":"x"}\n');
  const run = (image: string) =>
    evaluateVision({ name: 'x', imageText: knowing(), items: join(folder, image), dataFolder: folder });
  await expect(run('items.jsonl')).rejects.toThrow(/bad\.png/u);
  await expect(run('none.jsonl')).rejects.toThrow(/none\.jsonl/u);
});
