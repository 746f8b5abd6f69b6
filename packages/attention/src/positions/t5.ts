import { embedding } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { scope } from '../core/scope.js';
import { AttentionOptionError, ShapeMismatchError } from '../errors.js';
import { checkPositive } from '../validate.js';
import { clampPositions, type DistanceOptions, relativePositions } from './positions.js';
import { relativeShift } from './relative-shift.js';

export interface T5BucketOptions {
  /** Half the buckets for keys after the query (encoders). Default false: later keys share bucket 0. */
  readonly bidirectional?: boolean;
  /** Default 32. */
  readonly buckets?: number;
  /** All distances from here on share the last bucket. Default 128. */
  readonly maxDistance?: number;
}

/**
 * T5's bucket of a relative position `key − query`: exact for small distances, then logarithmically wider ones.
 * Raffel et al. 2020, "Exploring the Limits of Transfer Learning", §2.1, and the authors' code; rounded step by step as
 * float32, so that distances on a boundary land where theirs do.
 */
export function t5Bucket(relativePosition: number, options: T5BucketOptions = {}): number {
  const { bidirectional = false, buckets = 32, maxDistance = 128 } = options;
  checkBuckets(buckets, maxDistance, bidirectional);
  const count = bidirectional ? buckets / 2 : buckets;
  const side = bidirectional && relativePosition > 0 ? count : 0;
  const distance = bidirectional ? Math.abs(relativePosition) : Math.max(-relativePosition, 0);
  const exact = Math.floor(count / 2);
  if (distance < exact) return side + distance;
  const f = Math.fround;
  const ratio = f(f(Math.log(f(distance / exact))) / f(Math.log(maxDistance / exact)));
  return side + Math.min(exact + Math.trunc(f(ratio * f(count - exact))), count - 1);
}

/**
 * T5's relative position bias: one learned number per head and bucket, added to the scores. Pass the result as `bias` to
 * `denseAttention`, with `scale: 1` for T5 itself, which does not divide by √headDim.
 *
 * @param table `[buckets, heads]`, differentiable
 * @returns `[1, heads, queryLength, keyLength]`
 * @throws {ShapeMismatchError} when the table is no matrix
 * @throws {AttentionOptionError} when `buckets` contradicts the table or the distances make no sense
 */
export function t5RelativeBias(
  table: tf.Tensor2D,
  queryLength: number,
  keyLength: number,
  options: Omit<T5BucketOptions, 'buckets'> & DistanceOptions = {},
): tf.Tensor4D {
  if (table.rank !== 2) throw new ShapeMismatchError('table', '[buckets, heads]', table.shape);
  checkPositive('queryLength', queryLength);
  checkPositive('keyLength', keyLength);
  const [buckets, heads] = table.shape;
  const {
    bidirectional = false,
    maxDistance = 128,
    queryOffset = Math.max(0, keyLength - queryLength),
  } = options;
  checkBuckets(buckets, maxDistance, bidirectional);
  const bucketOptions = { bidirectional, buckets, maxDistance };
  return scope(() => {
    if (typeof queryOffset === 'number' && options.keyPositions === undefined) {
      // Every diagonal has one value: look up each once, then lay them out by reshapes.
      const span = queryLength + keyLength - 1;
      const ids = Array.from({ length: span }, (_, c) =>
        t5Bucket(c - (queryLength - 1) - queryOffset, bucketOptions),
      );
      const values = tf.transpose(embedding(table, tf.tensor1d(ids, 'int32')) as tf.Tensor2D); // [heads, span]
      const rows = tf.mul(tf.reshape(values, [heads, 1, span]), tf.ones([1, queryLength, 1]));
      return tf.reshape(relativeShift(rows, keyLength), [1, heads, queryLength, keyLength]) as tf.Tensor4D;
    }
    const ids = bucketTensor(relativePositions(queryLength, keyLength, options), bucketOptions);
    const values = embedding(table, ids); // [queryLength, keyLength, heads]
    return tf.reshape(tf.transpose(values, [2, 0, 1]), [1, heads, queryLength, keyLength]) as tf.Tensor4D;
  });
}

/** {@link t5Bucket} on a tensor: a table of the buckets of all distances that differ, looked up. */
function bucketTensor(relative: tf.Tensor, options: Required<T5BucketOptions>): tf.Tensor2D {
  const { maxDistance } = options;
  const table = Array.from({ length: 2 * maxDistance + 1 }, (_, i) => t5Bucket(i - maxDistance, options));
  const index = tf.add(clampPositions(relative, -maxDistance, maxDistance), tf.scalar(maxDistance, 'int32'));
  return tf.gather(tf.tensor1d(table, 'int32'), index) as tf.Tensor as tf.Tensor2D;
}

function checkBuckets(buckets: number, maxDistance: number, bidirectional: boolean): void {
  checkPositive('buckets', buckets);
  checkPositive('maxDistance', maxDistance);
  const fewest = bidirectional ? 4 : 2;
  if (buckets < fewest || (bidirectional && buckets % 2 !== 0)) {
    throw new AttentionOptionError(
      'buckets',
      buckets,
      bidirectional ? 'must be even and at least 4' : 'must be at least 2',
    );
  }
  const exact = Math.floor((bidirectional ? buckets / 2 : buckets) / 2);
  if (maxDistance <= exact) {
    throw new AttentionOptionError(
      'maxDistance',
      maxDistance,
      `must be above ${exact}, the distances with a bucket of their own`,
    );
  }
}
