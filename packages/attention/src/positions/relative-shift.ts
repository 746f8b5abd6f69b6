import * as tf from '@tensorflow/tfjs-core';

/**
 * Turns columns that count relative positions into columns that count keys.
 *
 * Input column c of row i belongs to the key at j = i + c − (queryLength − 1), so row i has to move left by
 * queryLength − 1 − i. Read as one long row with a stride one shorter than it was written, every row does exactly that:
 *
 *     rows of length 5        read with length 4 from the third number on
 *     · · a b c               a b c ·
 *     · d e f ·        →      d e f ·
 *     g h i · ·               g h i ·
 *
 * Transformer-XL's "relative shift" (Dai et al. 2019, appendix B) with the memory length included by construction.
 *
 * @param x `[…, queryLength, queryLength + keyLength − 1]`
 * @returns `[…, queryLength, keyLength]`
 */
export function relativeShift(x: tf.Tensor, keyLength: number): tf.Tensor {
  const leading = x.shape.slice(0, -2);
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  if (rows === 1) return x;
  const groups = leading.reduce((a, b) => a * b, 1);
  const flat = tf.reshape(x, [groups, rows * columns]) as tf.Tensor2D;
  const moved = tf.reshape(tf.slice(flat, [0, rows - 1], [groups, rows * (columns - 1)]), [
    groups,
    rows,
    columns - 1,
  ]) as tf.Tensor3D;
  return tf.reshape(tf.slice(moved, [0, 0, 0], [groups, rows, keyLength]), [...leading, rows, keyLength]);
}

/** The adjoint of {@link relativeShift}: columns that count keys become columns that count relative positions. */
export function relativeUnshift(x: tf.Tensor): tf.Tensor {
  const leading = x.shape.slice(0, -2);
  const [rows, keyLength] = x.shape.slice(-2) as [number, number];
  if (rows === 1) return x;
  const columns = rows + keyLength - 1;
  const groups = leading.reduce((a, b) => a * b, 1);
  const wide = tf.pad(tf.reshape(x, [groups, rows, keyLength]) as tf.Tensor3D, [
    [0, 0],
    [0, 0],
    [0, columns - 1 - keyLength],
  ]);
  const flat = tf.pad(tf.reshape(wide, [groups, rows * (columns - 1)]) as tf.Tensor2D, [
    [0, 0],
    [rows - 1, 1],
  ]);
  return tf.reshape(flat, [...leading, rows, columns]);
}

/**
 * Picks a column per (query, key) pair: `result[…, i, j] = x[…, i, index[i, j]]`. For positions that are only known when
 * the step runs, where the shift cannot be a reshape; as a product with one-hot rows, so that it has a gradient on
 * every backend.
 *
 * @param x `[batch, heads, queryLength, columns]`
 * @param index int32 `[queryLength, keyLength]`, in 0 … columns − 1
 */
export function pickColumns(x: tf.Tensor4D, index: tf.Tensor2D): tf.Tensor4D {
  const [batch, heads, rows, columns] = x.shape;
  const keyLength = index.shape[1];
  const perQuery = tf.reshape(tf.transpose(x, [2, 0, 1, 3]), [rows, batch * heads, columns]);
  const picked = tf.matMul(perQuery, oneHotRows(index, columns), false, true); // [queryLength, batch·heads, keyLength]
  return tf.transpose(tf.reshape(picked, [rows, batch, heads, keyLength]), [1, 2, 0, 3]) as tf.Tensor4D;
}

/** The adjoint of {@link pickColumns}: `result[…, i, c] = Σ_j x[…, i, j]·(index[i, j] = c)`. */
export function sumColumns(x: tf.Tensor4D, index: tf.Tensor2D, columns: number): tf.Tensor4D {
  const [batch, heads, rows, keyLength] = x.shape;
  const perQuery = tf.reshape(tf.transpose(x, [2, 0, 1, 3]), [rows, batch * heads, keyLength]);
  const sums = tf.matMul(perQuery, oneHotRows(index, columns)); // [queryLength, batch·heads, columns]
  return tf.transpose(tf.reshape(sums, [rows, batch, heads, columns]), [1, 2, 0, 3]) as tf.Tensor4D;
}

/** `[queryLength, keyLength, columns]` */
function oneHotRows(index: tf.Tensor2D, columns: number): tf.Tensor3D {
  const [rows, keyLength] = index.shape;
  const classes = tf.reshape(tf.range(0, columns, 1, 'int32'), [1, 1, columns]);
  return tf.cast(tf.equal(tf.reshape(index, [rows, keyLength, 1]), classes), 'float32') as tf.Tensor3D;
}
