import { InvalidMetricInputError } from '../errors.js';
import type { ScoredItem } from '../kinds/scored-item.js';
import { meanMetric } from '../kinds/scored-item.js';
import { dot, type Image, type ImageTextModel, normalized } from './image-text-model.js';

export interface ZeroShotInput {
  readonly images: readonly Image[];
  /** Index into `classes` of each image. */
  readonly labels: readonly number[];
  readonly classes: readonly string[];
  /** Prompts with `{}` for the class; their vectors are averaged (Radford et al. 2021, §3.1.4). */
  readonly templates: readonly string[];
}

/** Each image's class by the nearest text: top-1 and top-5 accuracy. */
export async function scoreZeroShot(
  model: ImageTextModel,
  { images, labels, classes, templates }: ZeroShotInput,
): Promise<ScoredItem[]> {
  if (labels.length !== images.length)
    throw new InvalidMetricInputError(
      'labels',
      `${labels.length} entries`,
      `give one per image (${images.length})`,
    );
  if (templates.length === 0 || templates.some((template) => !template.includes('{}')))
    throw new InvalidMetricInputError(
      'templates',
      templates.join(' | '),
      'each needs {} in the place of the class',
    );
  const texts = classes.flatMap((name) => templates.map((template) => template.replace('{}', name)));
  const vectors = (await model.encodeTexts(texts)).map(normalized);
  const classVectors = classes.map((_, at) => {
    const own = vectors.slice(at * templates.length, (at + 1) * templates.length);
    return normalized(own[0]!.map((_, i) => own.reduce((sum, vector) => sum + vector[i]!, 0)));
  });
  const encoded = (await model.encodeImages(images)).map(normalized);
  return encoded.map((vector, at): ScoredItem => {
    const scores = classVectors.map((other) => dot(vector, other));
    const label = labels[at]!;
    const better = scores.filter(
      (score, other) => score > scores[label]! || (score === scores[label] && other < label),
    );
    const best = scores.indexOf(Math.max(...scores));
    return {
      prompt: `image ${at}`,
      target: classes[label] ?? '',
      metrics: { acc: meanMetric(better.length === 0), acc_top5: meanMetric(better.length < 5) },
      outputs: [{ predicted: classes[best], similarity: scores[best] }],
      truncated: false,
    };
  });
}
