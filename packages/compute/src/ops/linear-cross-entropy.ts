import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { runKernel } from './kernel.js';

export interface LinearCrossEntropyOptions {
  /** Rows with this label count for nothing. Default −100, as in PyTorch. */
  readonly ignoreIndex?: number;
  /** Rows whose logits exist at the same time. Default: as many as give about 2²⁵ logits (128 MB). */
  readonly chunkRows?: number;
  /**
   * A scalar 0 that a graph compiler cannot see through (an argument of the captured function). It ties each chunk to
   * the one before; otherwise a captured graph may run them side by side, and their logits exist together after all.
   */
  readonly zero?: tf.Scalar;
}

const logitsPerChunk = 2 ** 25;

/**
 * Mean cross entropy, in nats, of `softmax(hidden·weightᵀ)` with integer labels: an output layer and its loss, without
 * the matrix of all logits. Rows go through in chunks, and a chunk's gradients are made beside its loss, so that its
 * logits can be forgotten and need not be computed again.
 *
 * @param hidden `[rows, width]`, float32
 * @param weight `[vocabSize, width]`: an embedding table used as output layer
 * @param labels `[rows]`, int32: token ids below `vocabSize`, or `ignoreIndex`
 * @returns a scalar; 0 when every row is ignored
 * @throws {InvalidArgumentError} when shapes or dtypes do not fit
 */
export function linearCrossEntropy(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D | tf.Variable,
  labels: tf.Tensor1D,
  options: LinearCrossEntropyOptions = {},
): tf.Scalar {
  const { ignoreIndex = -100, zero } = options;
  const [rows, width] = hidden.shape;
  if (weight.rank !== 2 || weight.shape[1] !== width) {
    throw new InvalidArgumentError('weight', `of shape [vocabSize, ${width}]`, weight);
  }
  if (labels.dtype !== 'int32' || labels.rank !== 1 || labels.shape[0] !== rows) {
    throw new InvalidArgumentError('labels', `an int32 tensor of shape [${rows}]`, labels);
  }
  const vocabSize = weight.shape[0]!;
  const { chunkRows = Math.max(1, Math.floor(logitsPerChunk / vocabSize)) } = options;
  if (!Number.isInteger(chunkRows) || chunkRows < 1) {
    throw new InvalidArgumentError('chunkRows', 'a positive whole number', chunkRows);
  }
  return tf.tidy(() => {
    const counts = tf.notEqual(labels, tf.scalar(ignoreIndex, 'int32'));
    const kept = tf.cast(counts, 'float32'); // [rows]
    // The raw kernels refuse labels outside the vocabulary, so an ignored row gets label 0 and weight 0.
    const targets = tf.mul(labels, tf.cast(counts, 'int32'));
    const total = summed(hidden, weight as tf.Tensor2D, targets, kept, chunkRows, zero);
    return tf.div(total, tf.maximum(tf.sum(kept), 1)) as tf.Scalar;
  });
}

/** The sum over rows of loss times `kept`. */
function summed(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  targets: tf.Tensor,
  kept: tf.Tensor,
  chunkRows: number,
  zero: tf.Scalar | undefined,
): tf.Tensor {
  const run = tf.customGrad((...args) => {
    const [x, table, save] = args as unknown as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const [rows, width] = x.shape;
    const losses: tf.Tensor[] = [];
    const toHidden: tf.Tensor2D[] = [];
    let toTable: tf.Tensor | undefined;
    for (let from = 0; from < rows; from += chunkRows) {
      const size = Math.min(chunkRows, rows - from);
      const [loss, hiddenGradient, tableGradient] = tf.tidy(() => {
        let part: tf.Tensor2D = tf.slice(x, [from, 0], [size, width]);
        if (zero !== undefined && toTable !== undefined) {
          // Both gradients of the chunk before are there: its logits are gone.
          const done = tf.add(corner(toTable), corner(toHidden.at(-1)!));
          part = tf.add(part, tf.mul(done, zero));
        }
        const logits = tf.matMul(part, table, false, true); // [size, vocabSize]
        const inputs = { logits, labels: tf.slice(targets, from, size) };
        const [each, residual] = runKernel<[tf.Tensor, tf.Tensor2D]>('FusedSparseCrossEntropy', inputs);
        const share = tf.slice(kept, from, size);
        const scaled = tf.mul(residual, tf.reshape(share, [size, 1])) as tf.Tensor2D;
        const own = tf.matMul(scaled, part, true, false); // [vocabSize, width]
        return [
          tf.sum(tf.mul(each, share)),
          tf.matMul(scaled, table),
          toTable === undefined ? own : tf.add(toTable, own),
        ] as [tf.Tensor, tf.Tensor2D, tf.Tensor];
      });
      toTable?.dispose();
      toTable = tableGradient;
      losses.push(loss);
      toHidden.push(hiddenGradient);
    }
    save([tf.concat(toHidden, 0), toTable!]);
    return {
      value: losses.length === 1 ? losses[0]! : tf.addN(losses),
      gradFunc: (dy, saved) => saved.map((gradient) => tf.mul(gradient, dy)),
    };
  });
  return run(hidden, weight);
}

/** Its first element, `[1, 1]`. */
function corner(matrix: tf.Tensor): tf.Tensor {
  return tf.slice(matrix, [0, 0], [1, 1]);
}
