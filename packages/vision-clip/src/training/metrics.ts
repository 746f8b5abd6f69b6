import * as tf from '@tensorflow/tfjs-core';
import { ClipInputError } from '../errors.js';

/** Share of queries whose right answer is among the first 1, 5, 10 results, and the mean and median rank. */
export interface RetrievalMetrics {
  readonly recallAt1: number;
  readonly recallAt5: number;
  readonly recallAt10: number;
  /** 1 is best. */
  readonly medianRank: number;
  readonly meanRank: number;
  readonly count: number;
}

export interface RetrievalReport {
  /** An image asks for its text. */
  readonly imageToText: RetrievalMetrics;
  /** A text asks for its image. */
  readonly textToImage: RetrievalMetrics;
}

export interface RetrievalOptions {
  /** Queries compared at a time: memory is `chunk × count`. Default 1024. */
  readonly chunk?: number;
}

/**
 * R@k both ways over paired embeddings: row i of one belongs to row i of the other. A tie counts against us, so a
 * collapsed model scores chance or worse, never better.
 *
 * @param imageEmbeds `[count, embedDim]`, normalised; stays the caller's
 * @param textEmbeds `[count, embedDim]`, normalised; stays the caller's
 */
export async function retrievalMetrics(
  imageEmbeds: tf.Tensor2D,
  textEmbeds: tf.Tensor2D,
  options: RetrievalOptions = {},
): Promise<RetrievalReport> {
  const imageRanks = await pairRanks(imageEmbeds, textEmbeds, options);
  const textRanks = await pairRanks(textEmbeds, imageEmbeds, options);
  return { imageToText: summarizeRanks(imageRanks), textToImage: summarizeRanks(textRanks) };
}

/** For each query i, the rank of candidate i among all, 1 = first. */
export async function pairRanks(
  queries: tf.Tensor2D,
  candidates: tf.Tensor2D,
  { chunk = 1024 }: RetrievalOptions = {},
): Promise<Int32Array> {
  const [count, embedDim] = queries.shape;
  if (candidates.shape[0] !== count || candidates.shape[1] !== embedDim) {
    throw new ClipInputError(
      'candidates',
      `must have the queries' shape [${queries.shape}], received [${candidates.shape}]`,
    );
  }
  const ranks = new Int32Array(count);
  for (let start = 0; start < count; start += chunk) {
    const size = Math.min(chunk, count - start);
    const scores = tf.tidy(() =>
      tf.matMul(tf.slice(queries, [start, 0], [size, embedDim]), candidates, false, true),
    );
    const values = await scores.data();
    scores.dispose();
    for (let row = 0; row < size; row++) {
      const own = values[row * count + start + row]!;
      let better = 0;
      for (let column = 0; column < count; column++) {
        if (column !== start + row && !(values[row * count + column]! < own)) better++;
      }
      ranks[start + row] = better + 1;
    }
  }
  return ranks;
}

export function summarizeRanks(ranks: Int32Array): RetrievalMetrics {
  const count = ranks.length;
  const within = (k: number) => ranks.reduce((sum, rank) => sum + (rank <= k ? 1 : 0), 0) / count;
  const sorted = Float64Array.from(ranks).sort();
  return {
    recallAt1: within(1),
    recallAt5: within(5),
    recallAt10: within(10),
    medianRank: (sorted[(count - 1) >> 1]! + sorted[count >> 1]!) / 2,
    meanRank: sorted.reduce((sum, rank) => sum + rank, 0) / count,
    count,
  };
}
