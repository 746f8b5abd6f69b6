import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { defineKernel, runKernel } from './kernel.js';

/** Large enough that its exponential is 0 beside any score, small enough that adding a score keeps it finite. */
const hidden = -1e30;

/** `dx = y·(dy − Σ dy·y)`, the sum over the last axis. */
function softmaxGradient(dy: tf.Tensor, y: tf.Tensor): tf.Tensor {
  return tf.mul(y, tf.sub(dy, tf.sum(tf.mul(dy, y), -1, true)));
}

interface CausalAttrs {
  readonly scale: number;
  readonly offset: number;
}

/** `[queryLength, keyLength]`: 0 where query i may see key j ≤ i + offset, else very negative. */
function causalBias(queryLength: number, keyLength: number, offset: number): tf.Tensor {
  const lastVisible = tf.reshape(tf.range(offset, offset + queryLength, 1, 'float32'), [queryLength, 1]);
  const key = tf.reshape(tf.range(0, keyLength, 1, 'float32'), [1, keyLength]);
  // sign(max(j − (i + offset), 0)) is 1 exactly where the key lies in the future.
  return tf.mul(tf.minimum(tf.relu(tf.sub(key, lastVisible)), 1), hidden);
}

defineKernel<{ scores: tf.Tensor }, CausalAttrs>({
  name: 'FusedCausalSoftmax',
  composite({ scores }, { scale, offset }) {
    const [queryLength, keyLength] = scores.shape.slice(-2) as [number, number];
    const scaled = scale === 1 ? scores : tf.mul(scores, scale);
    if (offset >= keyLength - 1) return tf.softmax(scaled);
    return tf.softmax(tf.add(scaled, causalBias(queryLength, keyLength, offset)));
  },
  gradient: {
    outputsToSave: [true],
    gradFunc: (dy, saved, attrs) => {
      const { scale } = attrs as unknown as CausalAttrs;
      return {
        scores: () => {
          const ds = softmaxGradient(dy as tf.Tensor, saved[0]!);
          return scale === 1 ? ds : tf.mul(ds, scale);
        },
      };
    },
  },
});

export interface CausalSoftmaxOptions {
  /** Multiplies the scores before the softmax, e.g. 1/√headDim. Default 1. */
  readonly scale?: number;
  /** Query i sees the keys 0 … i + offset. Default keyLength − queryLength: the last query sees every key. */
  readonly offset?: number;
}

/**
 * Softmax over the last axis in which a query gives weight exactly 0 to later keys. Vaswani et al. 2017, "Attention
 * Is All You Need", section 3.2.3.
 *
 * @param scores `[.., queryLength, keyLength]`, float32
 * @returns shape of `scores`; every row sums to 1
 * @throws {InvalidArgumentError} when `scores` has fewer than two axes or the first query would see no key
 */
export function causalSoftmax<T extends tf.Tensor>(scores: T, options: CausalSoftmaxOptions = {}): T {
  if (scores.rank < 2) {
    throw new InvalidArgumentError('scores', 'of shape [.., queryLength, keyLength]', scores);
  }
  const [queryLength, keyLength] = scores.shape.slice(-2) as [number, number];
  const { scale = 1, offset = keyLength - queryLength } = options;
  if (!Number.isInteger(offset) || offset < 0) {
    throw new InvalidArgumentError('offset', 'an integer ≥ 0, so that every query sees a key', offset);
  }
  return tf.tidy(() => runKernel<tf.Tensor>('FusedCausalSoftmax', { scores }, { scale, offset }) as T);
}

/** Softmax over the last axis. */
export function softmax<T extends tf.Tensor>(logits: T): T {
  return tf.softmax(logits);
}

defineKernel<{ logits: tf.Tensor }, object>({
  name: 'FusedLogSoftmax',
  composite: ({ logits }) => tf.logSoftmax(logits),
  tensorflow: (raw, { logits }) => raw.one('LogSoftmax', [logits]),
  gradient: {
    outputsToSave: [true],
    gradFunc: (dy, saved) => ({
      logits: () => tf.sub(dy as tf.Tensor, tf.mul(tf.exp(saved[0]!), tf.sum(dy as tf.Tensor, -1, true))),
    }),
  },
});

/** Natural logarithm of the softmax over the last axis, without overflow. */
export function logSoftmax<T extends tf.Tensor>(logits: T): T {
  return tf.tidy(() => runKernel<tf.Tensor>('FusedLogSoftmax', { logits }) as T);
}
