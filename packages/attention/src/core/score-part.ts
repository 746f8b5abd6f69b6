import type * as tf from '@tensorflow/tfjs-core';
import type { Range } from './shapes.js';

/** Added to the score of a key that a query may not see. Finite, so that a row without any key stays finite. */
export const HIDDEN = -1e30;

/**
 * How one group of scores is cut out of `[batch, heads, length, features]` tensors: by reshapes, slices, pads and
 * transposes with shapes known beforehand, so that only tiles with visible keys are ever computed.
 *
 * "View" means `[batch, heads, …tiles, rows or columns, features]`.
 */
export interface TileLayout {
  /** `takeKeys` may leave columns that hold no key but zeros, and the mask must hide them by position. */
  readonly hasFilling?: boolean;
  /** Queries of the stage, or anything per query, as a view; rows that no query fills hold `padding`. */
  takeQueries(x: tf.Tensor4D, padding?: number): tf.Tensor;
  /** The inverse of `takeQueries`: drops the filling. */
  putQueries(view: tf.Tensor): tf.Tensor4D;
  /** Keys of the part, values, or anything per key, as a view; a key may appear in several tiles. */
  takeKeys(x: tf.Tensor4D): tf.Tensor;
  /** The adjoint of `takeKeys`: sums what the copies of a key received. */
  addKeys(view: tf.Tensor): tf.Tensor4D;
}

export interface ScorePart extends TileLayout {
  /** The keys that `takeKeys` is given. */
  readonly keys: Range;
  /** Added to the scores: 0 or {@link HIDDEN}; broadcasts to `[batch, heads, …tiles, rows, columns]`. */
  readonly mask: tf.Tensor | null;
  /** A further mask that depends on the scores themselves (top-k). */
  readonly select?: (scores: tf.Tensor) => tf.Tensor;
  /** Index of this part in the plan: makes dropout masks differ between parts. */
  readonly id: number;
}

/** A range of queries, and the parts that together hold every key these queries may see, each key once. */
export interface Stage {
  readonly queries: Range;
  /** Each is built when its turn comes, in the forward and again in the backward pass. */
  readonly parts: readonly (() => ScorePart)[];
}

/** One tile: everything is its own view. */
export const wholeLayout: TileLayout = {
  takeQueries: (x) => x,
  putQueries: (view) => view as tf.Tensor4D,
  takeKeys: (x) => x,
  addKeys: (view) => view as tf.Tensor4D,
};
