import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { readMessages } from '@gpt-lineage/gpt-core';
import { bundledData } from '../data/bundled-data.js';
import { readRecords } from '../data/read-records.js';
import { TaskDataError } from '../errors.js';
import type { ScoredItem } from '../kinds/scored-item.js';
import { packageVersion } from '../package-folder.js';
import type { Report, TaskResult } from '../report.js';
import { taskResult } from '../task-result.js';
import type { Doc, RollingTask } from '../tasks/task.js';
import type { Image, ImageTextModel } from './image-text-model.js';
import { type MultimodalModel, scoreVisualQuestions } from './question-answering.js';
import { scoreRetrieval } from './retrieval.js';
import { scoreZeroShot } from './zero-shot.js';

export interface EvaluateVisionOptions {
  /** For the report. */
  readonly name: string;
  /** Runs zero-shot classification and retrieval. */
  readonly imageText?: ImageTextModel;
  /** Runs question answering, with the images and without them. */
  readonly multimodal?: MultimodalModel;
  /**
   * JSONL of `{ image, name, caption?, question?, choices?, answer? }`, images relative to `dataFolder`. Default: the
   * bundled sample of icons.
   */
  readonly items?: string;
  readonly dataFolder?: string;
  readonly limit?: number;
  /** Prompts for zero-shot classification, default `['{}', 'an icon of {}', 'a picture of {}']`. */
  readonly templates?: readonly string[];
  readonly seed?: number;
  readonly bootstrapResamples?: number;
  readonly logSamples?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Vision tasks in the same report as all others: zero-shot classification and retrieval for a model like CLIP, questions
 * about images for a multimodal GPT, beside the same questions without the images.
 *
 * @throws {TaskDataError} a data file is missing or damaged
 */
export async function evaluateVision(options: EvaluateVisionOptions): Promise<Report> {
  const { seed = 1234, bootstrapResamples = 200, dataFolder = bundledData(), signal, limit } = options;
  const path = options.items ?? join(dataFolder, 'emoji/items.jsonl');
  const docs = (await readRecords(path)).slice(0, limit);
  const images: Image[] = [];
  for (const doc of docs) {
    signal?.throwIfAborted();
    const file = String(doc.image);
    images.push(await readImage(isAbsolute(file) ? file : join(dataFolder, file)));
  }
  const tasks: TaskResult[] = [];
  const add = (name: string, title: string, scored: readonly ScoredItem[], own: readonly Doc[] = docs) => {
    const task: RollingTask = {
      kind: 'rolling',
      name,
      version: 1,
      title,
      data: { files: { test: path } },
      text: '',
    };
    const contexts = own.map((doc) => ({ doc, preamble: '' }));
    const settings = { shots: 0, seed, bootstrapResamples, logSamples: options.logSamples ?? false };
    tasks.push(taskResult(task, contexts, scored, settings));
  };
  if (options.imageText) {
    const classes = [...new Set(docs.map((doc) => String(doc.name)))];
    const labels = docs.map((doc) => classes.indexOf(String(doc.name)));
    const templates = options.templates ?? ['{}', 'an icon of {}', 'a picture of {}'];
    add(
      'image_zero_shot',
      'Zero-shot classification: the class whose text is nearest',
      await scoreZeroShot(options.imageText, { images, labels, classes, templates }),
    );
    const captions = docs.map((doc) => String(doc.caption ?? doc.name));
    add(
      'image_retrieval',
      'Retrieval of images by caption and of captions by image',
      await scoreRetrieval(options.imageText, { images, captions }),
    );
  }
  if (options.multimodal) {
    const asked = docs.flatMap((doc, at) =>
      doc.question === undefined ? [] : [{ doc, image: images[at]! }],
    );
    const questions = asked.map(({ doc, image }) => ({
      images: [image],
      question: String(doc.question),
      ...(Array.isArray(doc.choices) ? { choices: doc.choices as string[] } : {}),
      answer: (Array.isArray(doc.choices) ? Number(doc.answer) : [doc.answer].flat().map(String)) as
        | number
        | string[],
    }));
    for (const withoutImages of [false, true]) {
      const settings = { withoutImages, ...(signal ? { signal } : {}) };
      add(
        withoutImages ? 'image_questions_blind' : 'image_questions',
        withoutImages ? 'The same questions, images withheld' : 'Questions about images',
        await scoreVisualQuestions(options.multimodal, questions, settings),
        asked.map(({ doc }) => doc),
      );
    }
  }
  return {
    format: 'gpt-lineage.eval/1',
    model: options.name,
    tokenizer: undefined,
    versions: { '@gpt-lineage/eval': packageVersion(), node: process.versions.node },
    options: {
      tasks: tasks.map(({ task }) => task),
      ...(limit === undefined ? {} : { limit }),
      seed,
      bootstrapResamples,
    },
    tasks,
    groups: {},
  };
}

const MEDIA_TYPES: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
};

async function readImage(path: string): Promise<Image> {
  const extension = path.split('.').at(-1)!.toLowerCase();
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new TaskDataError(path, `cannot be read (${cause.message})`, { cause });
  });
  const url = `data:${MEDIA_TYPES[extension] ?? 'application/octet-stream'};base64,${bytes.toString('base64')}`;
  const [message] = await readMessages([
    { role: 'user', content: [{ type: 'image_url', image_url: { url } }] },
  ]).catch((cause: Error) => {
    throw new TaskDataError(path, `is no image (${cause.message})`, { cause });
  });
  return message!.parts[0] as Image;
}
