import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { defineKernel, runKernel } from './kernel.js';
import { partsOf } from './parts.js';

defineKernel<{ x: tf.Tensor }, object>({
  name: 'FusedSumOfSquares',
  // In parts: wasm adds up a whole tensor in one float32.
  composite({ x }) {
    const squares: tf.Tensor = tf.square(x);
    const parts = x.size === 0 ? [] : partsOf(x.size);
    return tf.sum(parts.reduce((sums, part) => tf.sum(tf.reshape(sums, [-1, part]), 1), squares));
  },
  // L2Loss is half the sum of squares, in one pass and without a temporary.
  tensorflow: (raw, { x }) => raw.one('Mul', [raw.one('L2Loss', [x]), tf.scalar(2)]),
});

export type TensorMap = Readonly<Record<string, tf.Tensor>>;

/**
 * Euclidean norm of all tensors taken as one vector. No gradient.
 *
 * @throws {InvalidArgumentError} when there is no tensor
 */
export function globalNorm(tensors: readonly tf.Tensor[] | TensorMap): tf.Scalar {
  const list = Object.values(tensors) as tf.Tensor[];
  if (list.length === 0) throw new InvalidArgumentError('tensors', 'at least one tensor', tensors);
  return tf.tidy(() => {
    const squares = list.map((x) => runKernel<tf.Tensor>('FusedSumOfSquares', { x }));
    return tf.sqrt(squares.length === 1 ? squares[0]! : tf.addN(squares)) as tf.Scalar;
  });
}

/**
 * The factor that brings a norm down to `maxNorm`: `min(1, maxNorm / (norm + 1e-6))`, as PyTorch's
 * `clip_grad_norm_` has it. Optimizers take it as `scale`, which saves a pass over every gradient.
 */
export function clipFactor(norm: tf.Scalar, maxNorm: number): tf.Scalar {
  if (!(maxNorm > 0)) throw new InvalidArgumentError('maxNorm', 'a positive number', maxNorm);
  return tf.tidy(() => tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1) as tf.Scalar);
}

export interface Clipped<T> {
  /** The tensors times the clip factor, in the shape of the argument; owned by the caller. */
  readonly clipped: T;
  /** Norm before clipping, a scalar owned by the caller. */
  readonly norm: tf.Scalar;
}

/**
 * Scales tensors together so that their global norm is at most `maxNorm`. Pascanu et al. 2013, "On the difficulty
 * of training Recurrent Neural Networks".
 *
 * @throws {InvalidArgumentError} when there is no tensor or `maxNorm` is not positive
 */
export function clipByGlobalNorm<T extends readonly tf.Tensor[] | TensorMap>(
  tensors: T,
  maxNorm: number,
): Clipped<T> {
  const norm = globalNorm(tensors);
  const clipped = tf.tidy(() => {
    const factor = clipFactor(norm, maxNorm);
    if (Array.isArray(tensors)) return tensors.map((t: tf.Tensor) => tf.mul(t, factor));
    return Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, tf.mul(t, factor)]));
  });
  return { clipped: clipped as unknown as T, norm };
}
