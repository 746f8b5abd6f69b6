import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { defineKernel, runKernel } from './kernel.js';

/** Positions of `[row, labels[row]]` in the flattened `[rows, vocabSize]`. */
function flatPositions(labels: tf.Tensor, vocabSize: number): tf.Tensor1D {
  const rows = tf.range(0, labels.size, 1, 'int32');
  return tf.add(tf.mul(rows, tf.scalar(vocabSize, 'int32')), labels) as tf.Tensor1D;
}

defineKernel<{ logits: tf.Tensor; labels: tf.Tensor }, object>({
  name: 'FusedSparseCrossEntropy',
  // logits [rows, vocabSize], labels [rows] → [loss [rows], softmax − one-hot [rows, vocabSize]]
  composite({ logits, labels }) {
    const vocabSize = logits.shape[1]!;
    const probs = tf.softmax(logits as tf.Tensor2D);
    const position = flatPositions(labels, vocabSize);
    const target = (t: tf.Tensor) => tf.gather(tf.reshape(t, [-1]), position);
    // The largest probability is 1/Σ exp(x − max) ≥ 1/vocabSize, so its logarithm cannot overflow.
    const logSum = tf.sub(tf.max(logits, -1), tf.log(tf.max(probs, -1)));
    const residual = tf.tensorScatterUpdate(
      tf.reshape(probs, [-1]),
      tf.reshape(position, [-1, 1]),
      tf.sub(target(probs), 1),
    );
    return [tf.sub(logSum, target(logits)), tf.reshape(residual, logits.shape)];
  },
  tensorflow: (raw, { logits, labels }) =>
    raw.many('SparseSoftmaxCrossEntropyWithLogits', [logits, labels], 2),
});

export interface CrossEntropyOptions {
  /** Rows with this label count for nothing. Default −100, as in PyTorch. */
  readonly ignoreIndex?: number;
  /** `'mean'` (default) over the rows that count, `'sum'`, or `'none'` for one loss per row (0 where ignored). */
  readonly reduction?: 'mean' | 'sum' | 'none';
}

/**
 * Cross entropy of a softmax over the last axis with integer labels, in nats, without a one-hot matrix.
 *
 * @param logits `[.., vocabSize]`, float32
 * @param labels `[..]`, int32: token ids below `vocabSize`, or `ignoreIndex`
 * @returns a scalar, or the shape of `labels` for `'none'`. The mean is 0 when every row is ignored.
 * @throws {InvalidArgumentError} when shapes or dtypes do not fit
 */
export function softmaxCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  options: CrossEntropyOptions & { readonly reduction: 'none' },
): tf.Tensor;
export function softmaxCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  options?: CrossEntropyOptions,
): tf.Scalar;
export function softmaxCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  options: CrossEntropyOptions = {},
): tf.Tensor {
  const { ignoreIndex = -100, reduction = 'mean' } = options;
  const expected = logits.shape.slice(0, -1);
  if (labels.dtype !== 'int32' || String(labels.shape) !== String(expected)) {
    throw new InvalidArgumentError('labels', `an int32 tensor of shape [${expected}]`, labels);
  }
  if (reduction !== 'mean' && reduction !== 'sum' && reduction !== 'none') {
    throw new InvalidArgumentError('reduction', "'mean', 'sum' or 'none'", reduction);
  }
  const vocabSize = logits.shape.at(-1)!;
  return tf.tidy(() => {
    const rows = tf.reshape(labels, [-1]);
    const counts = tf.notEqual(rows, tf.scalar(ignoreIndex, 'int32'));
    const weight = tf.cast(counts, 'float32');
    // The raw kernels refuse labels outside the vocabulary, so an ignored row gets label 0 and weight 0.
    const target = tf.mul(rows, tf.cast(counts, 'int32'));
    const losses = rowLosses(tf.reshape(logits, [-1, vocabSize]), target, weight);
    if (reduction === 'none') return tf.reshape(losses, labels.shape);
    const total = tf.sum(losses);
    return reduction === 'sum' ? total : tf.div(total, tf.maximum(tf.sum(weight), 1));
  });
}

/** One loss per row, times its weight. */
function rowLosses(logits: tf.Tensor, labels: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const run = tf.customGrad((...args) => {
    const [x, save] = args as unknown as [tf.Tensor, tf.GradSaveFunc];
    const [loss, residual] = runKernel<tf.Tensor[]>('FusedSparseCrossEntropy', { logits: x, labels });
    save([residual!, weight]);
    return {
      value: tf.mul(loss!, weight),
      gradFunc: (dy, saved) => {
        const [difference, w] = saved as [tf.Tensor, tf.Tensor];
        return tf.mul(difference, tf.expandDims(tf.mul(dy, w), -1));
      },
    };
  });
  return run(logits);
}
