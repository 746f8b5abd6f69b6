import * as tf from '@tensorflow/tfjs-core';

/**
 * Means of what an update's loss also computes (clip fraction, ratio, KL), gathered in a variable while the loss runs,
 * so that a captured graph reports them without a second pass. Micro-batches weigh alike.
 */
export class UpdateStatistics<Name extends string> {
  readonly #names: readonly Name[];
  readonly #sums: tf.Variable<tf.Rank.R1>;

  constructor(names: readonly Name[]) {
    this.#names = names;
    // The last place counts the additions.
    this.#sums = tf.tidy(() => tf.variable(tf.zeros<tf.Rank.R1>([names.length + 1]), false));
  }

  /** Inside of the loss: adds one value per name. */
  add(values: Readonly<Record<Name, tf.Scalar>>): void {
    tf.tidy(() => {
      const list = [...this.#names.map((name) => values[name]), tf.scalar(1)];
      this.#sums.assign(tf.add(this.#sums, tf.stack(list)) as tf.Tensor1D);
    });
  }

  /** The means since the last time, and starts anew; nothing when nothing was added. */
  async take(): Promise<Partial<Record<Name, number>>> {
    const sums = await this.#sums.data();
    const count = sums[this.#names.length]!;
    tf.tidy(() => this.#sums.assign(tf.zerosLike(this.#sums)));
    if (count === 0) return {};
    return Object.fromEntries(this.#names.map((name, at) => [name, sums[at]! / count])) as Record<
      Name,
      number
    >;
  }

  dispose(): void {
    this.#sums.dispose();
  }
}
