import * as tf from '@tensorflow/tfjs-core';
import type { AttentionOptions, DenseAttentionOptions } from '../options.js';
import type { AttentionPattern } from '../patterns/pattern.js';
import type { AttentionSizes } from '../validate.js';
import type { Context } from './attend.js';
import { scope } from './scope.js';
import { HIDDEN, type TileLayout } from './score-part.js';
import { asColumns, type Range, slicePositions } from './shapes.js';

/**
 * Everything that decides which key a query may see, apart from the tiles themselves. The tensors are handed to the
 * plan as its context, so that the backward pass works on saved copies whatever happened to the caller's tensors.
 */
export interface Visibility {
  readonly context: Context;
  /** First query's position when it is known now, otherwise null. */
  readonly offset: number | null;
  /** Keys are not in order: every slot says its position. */
  readonly hasKeyPositions: boolean;
  /** False when every query is known to see at least one key. */
  readonly mayHideRows: boolean;
  /** Rebuilds the per-position features from a context. */
  features(context: Context): PositionFeatures;
}

export interface PositionFeatures {
  /** int32 `[1, 1, queryLength, 1]` */
  readonly queryPositions: tf.Tensor4D;
  /** int32 `[1, 1, keyLength, 1]`, −1 = empty */
  readonly keyPositions: tf.Tensor4D;
  readonly hasKeyPositions: boolean;
  /** `[batch, 1, keyLength, 1]` */
  readonly padding: tf.Tensor4D | null;
  readonly querySegments: tf.Tensor4D | null;
  readonly keySegments: tf.Tensor4D | null;
  /** rank 4, broadcasts to `[batch, heads, queryLength, keyLength]` */
  readonly mask: tf.Tensor4D | null;
}

export function visibilityOf(
  options: AttentionOptions & Pick<DenseAttentionOptions, 'mask' | 'pattern'>,
  sizes: AttentionSizes,
): Visibility {
  const { queryLength, keyLength, batch } = sizes;
  const {
    queryOffset = Math.max(0, keyLength - queryLength),
    keyPositions,
    paddingMask,
    segmentIds,
    mask,
  } = options;
  const segments = segmentIds instanceof tf.Tensor ? { query: segmentIds, key: segmentIds } : segmentIds;
  const context: tf.Tensor[] = [];
  const register = (tensor: tf.Tensor | undefined): number => (tensor ? context.push(tensor) - 1 : -1);
  const offsetAt = register(queryOffset instanceof tf.Tensor ? queryOffset : undefined);
  const keyPositionsAt = register(keyPositions);
  const paddingAt = register(paddingMask);
  const querySegmentsAt = register(segments?.query);
  const keySegmentsAt = register(segments?.key);
  const maskAt = register(mask);
  return {
    context,
    offset: typeof queryOffset === 'number' ? queryOffset : null,
    hasKeyPositions: keyPositionsAt >= 0,
    mayHideRows:
      context.length > 0 ||
      options.pattern !== undefined ||
      (queryOffset as number) + queryLength > keyLength,
    features(saved) {
      const column = (at: number, length: number) =>
        at < 0 ? null : (tf.reshape(saved[at]!, [batch, 1, length, 1]) as tf.Tensor4D);
      const first =
        offsetAt < 0 ? tf.scalar(queryOffset as number, 'int32') : tf.reshape(saved[offsetAt]!, []);
      const positions =
        keyPositionsAt < 0 ? tf.range(0, keyLength, 1, 'int32') : tf.cast(saved[keyPositionsAt]!, 'int32');
      return {
        queryPositions: tf.reshape(tf.add(tf.range(0, queryLength, 1, 'int32'), first), [
          1,
          1,
          queryLength,
          1,
        ]),
        keyPositions: tf.reshape(positions, [1, 1, keyLength, 1]),
        hasKeyPositions: keyPositionsAt >= 0,
        padding: column(paddingAt, keyLength),
        querySegments: column(querySegmentsAt, queryLength),
        keySegments: column(keySegmentsAt, keyLength),
        mask: maskAt < 0 ? null : asRank4(saved[maskAt]!),
      };
    },
  };
}

/** 0 where `allowed`, otherwise {@link HIDDEN}. */
export function additiveMask(allowed: tf.Tensor): tf.Tensor {
  return tf.mul(tf.cast(tf.logicalNot(allowed), 'float32'), HIDDEN);
}

/**
 * The mask of one part: the pattern's rule on the part's own positions, and whatever the caller hid.
 *
 * @param pattern null when every key in the part is visible by position
 * @param ranges the stage's queries and keys
 */
export function partMask(
  part: Pick<TileLayout, 'takeQueries' | 'takeKeys' | 'hasFilling'>,
  pattern: AttentionPattern | null,
  features: PositionFeatures,
  ranges: { readonly queries: Range; readonly keys: Range },
): tf.Tensor | null {
  return scope(() => {
    const conditions: tf.Tensor[] = [];
    const queriesOf = (x: tf.Tensor4D) => part.takeQueries(slicePositions(x, ranges.queries));
    const keysOf = (x: tf.Tensor4D) => asColumns(part.takeKeys(slicePositions(x, ranges.keys)));
    if (pattern !== null || features.hasKeyPositions) {
      // Counted from 1, so that filling, which is 0, becomes −1: no position at all.
      const one = tf.scalar(1, 'int32');
      const keys = part.hasFilling
        ? tf.sub(keysOf(tf.add(features.keyPositions, one)), one)
        : keysOf(features.keyPositions);
      if (features.hasKeyPositions || part.hasFilling) conditions.push(tf.greaterEqual(keys, 0));
      if (pattern !== null) conditions.push(pattern.mask(queriesOf(features.queryPositions), keys));
    }
    if (features.querySegments !== null && features.keySegments !== null) {
      conditions.push(tf.equal(queriesOf(features.querySegments), keysOf(features.keySegments)));
    }
    if (features.padding !== null) conditions.push(tf.greater(keysOf(features.padding), 0));
    if (features.mask !== null) conditions.push(tf.greater(sliceMask(features.mask, ranges), 0));
    if (conditions.length === 0) return null;
    return additiveMask(conditions.reduce((a, b) => tf.logicalAnd(a, b)));
  });
}

export function asRank4(x: tf.Tensor): tf.Tensor4D {
  return tf.reshape(x, [...Array(4 - x.rank).fill(1), ...x.shape] as [number, number, number, number]);
}

function sliceMask(
  mask: tf.Tensor4D,
  { queries, keys }: { readonly queries: Range; readonly keys: Range },
): tf.Tensor {
  const [batch, heads, rows, columns] = mask.shape;
  const row = rows === 1 ? { begin: 0, end: 1 } : queries;
  const column = columns === 1 ? { begin: 0, end: 1 } : keys;
  return tf.slice(
    tf.cast(mask, 'float32'),
    [0, 0, row.begin, column.begin],
    [batch, heads, row.end - row.begin, column.end - column.begin],
  );
}
