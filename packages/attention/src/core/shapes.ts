import * as tf from '@tensorflow/tfjs-core';

/** The half-open range of positions `[begin, end)`. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/** Cuts positions `range` out of `[batch, heads, length, features]`; gives the tensor itself when nothing is cut. */
export function slicePositions(x: tf.Tensor4D, range: Range): tf.Tensor4D {
  const [batch, heads, length, features] = x.shape;
  if (range.begin === 0 && range.end === length) return x;
  return tf.slice(x, [0, 0, range.begin, 0], [batch, heads, range.end - range.begin, features]);
}

/** Adds `before` and `after` constant rows along axis 1 of a rank-3 tensor; gives the tensor itself when both are 0. */
export function padRows(x: tf.Tensor3D, before: number, after: number, value = 0): tf.Tensor3D {
  if (before === 0 && after === 0) return x;
  return tf.pad(
    x,
    [
      [0, 0],
      [before, after],
      [0, 0],
    ],
    value,
  );
}

/** `[batch, heads, length, features]` as `[batch · heads, length, features]`: the same memory. */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [batch, heads, length, features] = x.shape;
  return tf.reshape(x, [batch * heads, length, features]);
}

/** `[…tiles, columns, 1]` as `[…tiles, 1, columns]`: turns a key feature into a row that broadcasts over queries. */
export function asColumns(x: tf.Tensor): tf.Tensor {
  const leading = x.shape.slice(0, -2);
  return tf.reshape(x, [...leading, 1, x.shape.at(-2)!]);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Matrix product of every tile of `a` with the tile of `b` that has the same leading axes. When `a` has more heads
 * than `b` (grouped queries), the heads that share a key head are folded into rows, so keys are never repeated.
 *
 * @param a `[…, rows, inner]`, or `[…, inner, rows]` when `transposeA`
 * @param b `[…, columns, inner]` when `transposeB`, otherwise `[…, inner, columns]`
 */
export function tileProduct(a: tf.Tensor, b: tf.Tensor, transposeB = false): tf.Tensor {
  // The common case as it is: four reshapes fewer.
  if (a.rank === 4 && b.rank === 4 && a.shape[1] === b.shape[1]) return tf.matMul(a, b, false, transposeB);
  const tiles = sizeOf(b.shape.slice(0, -2));
  const inner = a.shape.at(-1)!;
  const rows = sizeOf(a.shape) / (tiles * inner);
  const product = tf.matMul(
    tf.reshape(a, [tiles, rows, inner]),
    tf.reshape(b, [tiles, b.shape.at(-2)!, b.shape.at(-1)!]),
    false,
    transposeB,
  );
  return tf.reshape(product, [...a.shape.slice(0, -1), product.shape.at(-1)!]);
}

/**
 * aᵀ·b per tile, summed over the query heads that share a key head: the gradient of keys and values.
 *
 * @param a `[…, rows, columns]` with query heads
 * @param b `[…, rows, features]` with query heads
 * @param keyView shape whose leading axes carry the key heads
 * @returns `[…keyView tiles, columns, features]`
 */
export function transposedTileProduct(a: tf.Tensor, b: tf.Tensor, keyView: readonly number[]): tf.Tensor {
  const leading = keyView.slice(0, -2);
  const tiles = sizeOf(leading);
  const columns = a.shape.at(-1)!;
  const features = b.shape.at(-1)!;
  const rows = sizeOf(a.shape) / (tiles * columns);
  const product = tf.matMul(
    tf.reshape(a, [tiles, rows, columns]),
    tf.reshape(b, [tiles, rows, features]),
    true,
    false,
  );
  return tf.reshape(product, [...leading, columns, features]);
}

/** Sums `x` over the axes that `shape` broadcasts: the gradient of a broadcast addition. */
export function reduceTo(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const axes: number[] = [];
  for (let axis = 0; axis < x.shape.length; axis++) {
    if (shape[axis] === 1 && x.shape[axis] !== 1) axes.push(axis);
  }
  return axes.length === 0 ? x : tf.sum(x, axes, true);
}

/**
 * Adds pieces that cover ranges of the positions axis into one `[batch, heads, length, features]` tensor. Ranges may
 * overlap in any way and leave gaps; work is proportional to the pieces, not to pieces × length.
 */
export function sumPieces(
  pieces: readonly { range: Range; value: tf.Tensor4D }[],
  length: number,
): tf.Tensor4D {
  // Disjoint, ascending segments that are already summed.
  let segments: { range: Range; value: tf.Tensor4D }[] = [];
  const cut = (piece: { range: Range; value: tf.Tensor4D }, begin: number, end: number) => ({
    range: { begin, end },
    value: slicePositions(piece.value, { begin: begin - piece.range.begin, end: end - piece.range.begin }),
  });
  // Longest reach first: later, shorter pieces then touch only the part that is still growing.
  const ordered = [...pieces].sort((a, b) => b.range.end - a.range.end);
  for (const piece of ordered) {
    const next: typeof segments = [];
    let cursor = piece.range.begin;
    for (const segment of segments) {
      const begin = Math.max(segment.range.begin, piece.range.begin);
      const end = Math.min(segment.range.end, piece.range.end);
      if (begin >= end) {
        next.push(segment);
        continue;
      }
      if (cursor < begin) next.push(cut(piece, cursor, begin));
      if (segment.range.begin < begin) next.push(cut(segment, segment.range.begin, begin));
      next.push({
        range: { begin, end },
        value: tf.add(cut(segment, begin, end).value, cut(piece, begin, end).value),
      });
      if (end < segment.range.end) next.push(cut(segment, end, segment.range.end));
      cursor = end;
    }
    if (cursor < piece.range.end) next.push(cut(piece, cursor, piece.range.end));
    segments = next.sort((a, b) => a.range.begin - b.range.begin);
  }
  return joinSegments(segments, length);
}

function joinSegments(
  segments: readonly { range: Range; value: tf.Tensor4D }[],
  length: number,
): tf.Tensor4D {
  const [batch, heads, , features] = segments[0]!.value.shape;
  const rows: tf.Tensor4D[] = [];
  let cursor = 0;
  for (const { range, value } of segments) {
    if (cursor < range.begin) rows.push(tf.zeros([batch, heads, range.begin - cursor, features]));
    rows.push(value);
    cursor = range.end;
  }
  if (cursor < length) rows.push(tf.zeros([batch, heads, length - cursor, features]));
  return rows.length === 1 ? rows[0]! : tf.concat(rows, 2);
}
