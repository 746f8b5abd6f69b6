import * as tf from '@tensorflow/tfjs-core';
import type { AttentionWithWeights } from '../options.js';
import { repeatHeads } from './repeat-heads.js';
import { scope } from './scope.js';

type Attention = (
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
) => tf.Tensor4D | AttentionWithWeights;

/** Even heads through `even`, odd heads through `odd`: one factor of a factorized pattern per head. */
export function alternateHeads(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  even: Attention,
  odd: Attention,
): tf.Tensor4D | AttentionWithWeights {
  const heads = query.shape[1];
  if (heads === 1) return even(query, key, value);
  return scope(() => {
    const [k, v] = [repeatHeads(key, heads), repeatHeads(value, heads)];
    const [first, second] = [even, odd].map((attention, parity) =>
      attention(everySecond(query, parity), everySecond(k, parity), everySecond(v, parity)),
    );
    if (first instanceof tf.Tensor) return interleave(first, second as tf.Tensor4D);
    const [a, b] = [first!, second as AttentionWithWeights];
    return { output: interleave(a.output, b.output), weights: interleave(a.weights, b.weights) };
  });
}

function head(x: tf.Tensor4D, index: number): tf.Tensor4D {
  const [batch, , length, features] = x.shape;
  return tf.slice(x, [0, index, 0, 0], [batch, 1, length, features]);
}

function everySecond(x: tf.Tensor4D, parity: number): tf.Tensor4D {
  const picked: tf.Tensor4D[] = [];
  for (let index = parity; index < x.shape[1]; index += 2) picked.push(head(x, index));
  return tf.concat(picked, 1);
}

function interleave(even: tf.Tensor4D, odd: tf.Tensor4D): tf.Tensor4D {
  const heads = Array.from({ length: even.shape[1] + odd.shape[1] }, (_, i) =>
    head(i % 2 === 0 ? even : odd, Math.floor(i / 2)),
  );
  return tf.concat(heads, 1);
}
