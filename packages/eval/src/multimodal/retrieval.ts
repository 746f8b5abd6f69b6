import { InvalidMetricInputError } from '../errors.js';
import type { ItemMetric, ScoredItem } from '../kinds/scored-item.js';
import { meanMetric } from '../kinds/scored-item.js';
import { dot, type Image, type ImageTextModel, normalized } from './image-text-model.js';

export interface RetrievalInput {
  readonly images: readonly Image[];
  /** The caption of each image. */
  readonly captions: readonly string[];
}

const CUTS = [1, 5, 10];

/** Finds each image by its caption and each caption by its image: recall at 1, 5 and 10 both ways, and mean rank. */
export async function scoreRetrieval(
  model: ImageTextModel,
  { images, captions }: RetrievalInput,
): Promise<ScoredItem[]> {
  if (captions.length !== images.length)
    throw new InvalidMetricInputError(
      'captions',
      `${captions.length} entries`,
      `give one per image (${images.length})`,
    );
  const [left, right] = [await model.encodeImages(images), await model.encodeTexts(captions)];
  const [imageVectors, textVectors] = [left.map(normalized), right.map(normalized)];
  const similarity = imageVectors.map((image) => textVectors.map((text) => dot(image, text)));
  /** Places before the right one; equal ones count against it, so that a constant model finds nothing. */
  const rank = (scores: readonly number[], at: number) =>
    scores.filter((score, other) => other !== at && score >= scores[at]!).length;
  return captions.map((caption, at): ScoredItem => {
    const ranks = {
      text: rank(similarity[at]!, at),
      image: rank(
        similarity.map((row) => row[at]!),
        at,
      ),
    };
    const metrics: Record<string, ItemMetric> = {};
    for (const [direction, place] of Object.entries(ranks)) {
      for (const cut of CUTS) metrics[`${direction}_recall@${cut}`] = meanMetric(place < cut);
      metrics[`${direction}_mean_rank`] = meanMetric(place + 1, false);
    }
    return { prompt: caption, target: `image ${at}`, metrics, outputs: [ranks], truncated: false };
  });
}
