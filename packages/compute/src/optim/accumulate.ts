import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';

/**
 * Adds up the gradients of micro-batches. With each micro-batch's mean loss weighted by its number of target tokens,
 * the average equals the gradient of one large batch, also when the micro-batches have unequal lengths (which a
 * plain mean over micro-batches gets wrong).
 */
export class GradientAccumulator {
  private sums = new Map<string, tf.Tensor>();
  private total = 0;

  /** Sum of the weights added since the last {@link take}. */
  get weight(): number {
    return this.total;
  }

  /**
   * @param gradients of a mean loss, by name; they stay the caller's
   * @param weight what the mean was taken over: the number of tokens that count
   * @throws {InvalidArgumentError} for a weight that is not positive, or other names than before
   */
  add(gradients: Readonly<Record<string, tf.Tensor>>, weight = 1): void {
    if (!(weight > 0 && Number.isFinite(weight))) {
      throw new InvalidArgumentError('weight', 'a positive number', weight);
    }
    const names = Object.keys(gradients);
    if (
      this.sums.size > 0 &&
      (names.length !== this.sums.size || names.some((name) => !this.sums.has(name)))
    ) {
      throw new InvalidArgumentError(
        'gradients',
        `for the variables ${[...this.sums.keys()].join(', ')}`,
        names,
      );
    }
    for (const [name, gradient] of Object.entries(gradients)) {
      const before = this.sums.get(name);
      const sum = tf.tidy(() => {
        const weighted = tf.mul(gradient, weight);
        // Outlives the caller's tidy.
        return tf.keep(before === undefined ? weighted : tf.add(before, weighted));
      });
      before?.dispose();
      this.sums.set(name, sum);
    }
    this.total += weight;
  }

  /**
   * The weighted average, owned by the caller; the accumulator is empty afterwards.
   *
   * @throws {InvalidArgumentError} when nothing was added
   */
  take(): Record<string, tf.Tensor> {
    if (this.total === 0)
      throw new InvalidArgumentError('accumulator', 'filled by add() before take()', 'empty');
    const { sums, total } = this;
    this.sums = new Map();
    this.total = 0;
    return Object.fromEntries(
      [...sums].map(([name, sum]) => {
        const mean = tf.mul(sum, 1 / total);
        sum.dispose();
        return [name, mean];
      }),
    );
  }

  dispose(): void {
    tf.dispose([...this.sums.values()]);
    this.sums.clear();
    this.total = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
