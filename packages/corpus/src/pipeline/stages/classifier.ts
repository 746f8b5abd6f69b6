import { resolve } from 'node:path';
import { qualityClassifier } from '../../quality/quality-classifier.js';
import { expandInputs } from '../../read/input-files.js';
import { readRecords } from '../../read/record-stream.js';
import { documentConverter } from '../../records/record-text.js';
import { stageFile, type TaskContext } from '../task.js';

/** Where the classifier of a run lies. */
export function classifierPath(context: TaskContext): string {
  const model = context.config.classifier?.model;
  return model === undefined
    ? stageFile(context, 'classifier', 'model.classifier')
    : resolve(context.baseDirectory, model);
}

/** Trains the quality classifier of the run from its positive and negative files. */
export async function trainClassifier(context: TaskContext): Promise<{ positive: number; negative: number }> {
  const { positive, negative, maxExamples } = context.config.classifier!;
  const counts = { positive: 0, negative: 0 };
  async function* texts(files: readonly string[], side: keyof typeof counts): AsyncGenerator<string> {
    const convert = documentConverter({});
    for (const file of await expandInputs(files, { cwd: context.baseDirectory })) {
      for await (const { fields, line } of readRecords(file, { signal: context.signal })) {
        for (const { text } of convert(fields, { file: file.path, line })) {
          if (counts[side] === maxExamples) return;
          counts[side]++;
          yield text;
        }
      }
    }
  }
  const classifier = await qualityClassifier({
    positive: texts(positive!, 'positive'),
    negative: texts(negative!, 'negative'),
    seed: context.config.seed,
  });
  classifier.save(classifierPath(context));
  return counts;
}
