/**
 * Measures a trained model and its blind twin on held-out scenes, and writes the report.
 *
 *   npx tsx --conditions=@gpt-lineage/source packages/gpt-core/recipes/multimodal/evaluate.ts [--run FOLDER] [--count 300]
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { initCompute } from '@gpt-lineage/compute';
import { type ContentPart, MultimodalGPT, type MultimodalMessage } from '@gpt-lineage/gpt-core';
import { Random } from '@gpt-lineage/vision-clip';
import { loadPictures } from './pictures.js';
import { compareTasks, imageTasks, type Mode, markTasks, type Sample, sample } from './questions.js';
import { difference, type Measured, markdown, mean, wilson } from './report.js';
import { objectSides, type Split } from './scene.js';

const { values: flags } = parseArgs({
  options: {
    run: { type: 'string', default: fileURLToPath(new URL('./run', import.meta.url)) },
    out: { type: 'string', default: fileURLToPath(new URL('../../reports', import.meta.url)) },
    count: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1000' },
  },
});
const count = Number(flags.count);
const compute = await initCompute();
const pictures = await loadPictures(objectSides);
using model = await MultimodalGPT.load(`${flags.run}/model`);
using twin = existsSync(`${flags.run}/twin`) ? await MultimodalGPT.load(`${flags.run}/twin`) : undefined;

interface Group {
  readonly mode: Mode;
  readonly task: string;
  readonly split: Split;
  /** Which turn is asked; those before it are given with their answers. */
  readonly turn?: number;
}

const groups: Group[] = [
  { mode: 'text', task: 'text', split: 'test' },
  ...Object.keys(imageTasks).map((task) => ({ mode: 'image', task, split: 'test' }) as const),
  ...markTasks.map((task) => ({ mode: 'marks', task, split: 'test' }) as const),
  ...compareTasks.map((task) => ({ mode: 'compare', task, split: 'test' }) as const),
  { mode: 'interleaved', task: 'second image', split: 'test', turn: 1 },
  { mode: 'interleaved', task: 'back to one of both', split: 'test', turn: 2 },
  { mode: 'few-shot', task: 'made-up names', split: 'test', turn: 2 },
  { mode: 'image', task: 'name', split: 'unseen' },
  { mode: 'marks', task: 'circle', split: 'unseen' },
];

const results: Measured[] = [];
for (const { mode, task, split, turn = 0 } of groups) {
  const named = mode === 'image' || mode === 'marks' || mode === 'compare';
  const samples: Sample[] = [];
  for (let i = 0; i < count; i++) {
    const random = new Random(Number(flags.seed), i);
    samples.push(await sample(mode, random, pictures, split, named ? { task } : {}));
  }
  const asked = samples.map(({ turns }) => turns[turn]!);
  const seeing = await answers(model, samples, turn, false);
  const blind = twin ? await answers(twin, samples, turn, true) : undefined;
  const right = (given: readonly string[]) => asked.map(({ answer }, i) => given[i] === answer);
  const ours = right(seeing);
  const theirs = blind && right(blind);
  results.push({
    mode,
    task: split === 'unseen' ? `${task}, combinations never seen` : task,
    count,
    accuracy: wilson(ours),
    ...(theirs ? { twin: wilson(theirs), difference: difference(ours, theirs) } : {}),
    chance: mean(asked.map(({ answers: possible }) => 1 / possible.length)),
    ...(mode === 'marks' ? { anyObject: mean(asked.map(({ guess }) => guess!)) } : {}),
    right: { model: ours, ...(theirs ? { twin: theirs } : {}) },
  });
  const last = results.at(-1)!;
  console.log(
    `${mode} ${last.task}: ${(100 * last.accuracy.value).toFixed(1)} %, twin ${last.twin ? (100 * last.twin.value).toFixed(1) : '–'} %, chance ${(100 * last.chance).toFixed(1)} %`,
  );
}

/** Greedy answers, in batches. */
async function answers(
  of: MultimodalGPT,
  samples: readonly Sample[],
  turn: number,
  blind: boolean,
): Promise<string[]> {
  const given: string[] = [];
  for (let start = 0; start < samples.length; start += 50) {
    const prompts = await Promise.all(
      samples.slice(start, start + 50).map(({ turns }) => {
        const messages = turns.slice(0, turn + 1).flatMap(({ question, answer }, at): MultimodalMessage[] => {
          const content = question.flatMap((part): ContentPart[] => {
            if (typeof part === 'string') return [{ type: 'text', text: part }];
            return blind ? [] : [{ type: 'image', image: part }];
          });
          const user = { role: 'user', content };
          return at < turn ? [user, { role: 'assistant', content: answer }] : [user];
        });
        return of.prepareChat(messages, { reserve: 10 });
      }),
    );
    given.push(
      ...(await of.generateBatch(prompts, { maxTokens: 8, temperature: 0 })).map(({ text }) => text),
    );
  }
  return given;
}

const training = ['model', 'twin'].flatMap((name) => {
  const path = `${flags.run}/${name}.json`;
  return existsSync(path) ? [{ name, ...(JSON.parse(readFileSync(path, 'utf8')) as object) }] : [];
}) as { name: string; cpuMinutes: number; curves: Record<string, { step: number; loss: number }[]> }[];
const setting = [
  `${(model.gpt.parameterCount / 1e6).toFixed(2)} M parameters in language model and projector, over the first ${model.clip.config.vision?.kind === 'vit' ? model.clip.config.vision.nLayer - 1 : ''} blocks of a small CLIP ViT (48 × 48 pixels, 36 image tokens); trained from scratch with this package.`,
  ...training.map(
    ({ name, cpuMinutes, curves }) =>
      `${name}: ${Object.entries(curves)
        .map(
          ([phase, points]) =>
            `${phase} ${points.at(-1)?.step ?? 0} steps (last loss ${points.at(-1)?.loss.toFixed(2)})`,
        )
        .join(', ')}; ${cpuMinutes.toFixed(1)} minutes of processor time.`,
  ),
  `${count} held-out questions a task, other seeds than in training, digits from MNIST images that training has not seen; greedy answers, exact match. ${cpus()[0]?.model}, ${compute.backend} ${compute.version}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}.`,
];
mkdirSync(flags.out, { recursive: true });
writeFileSync(`${flags.out}/multimodal.md`, markdown(results, setting));
writeFileSync(
  `${flags.out}/multimodal.json`,
  `${JSON.stringify({ setting, results: results.map(({ right: _, ...rest }) => rest), training }, null, 1)}\n`,
);
console.log(`wrote ${flags.out}/multimodal.md`);
