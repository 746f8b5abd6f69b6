import * as tf from '@tensorflow/tfjs-core';
import type { StateTensors } from './checkpoint-store.js';
import { readStateTensors, restoreStateTensor } from './state-tensors.js';

const PREFIX = 'ema/';

/** Exponential moving average of weights: `average = decay × average + (1 − decay) × weights`. */
export class WeightAverage {
  readonly #pairs: { name: string; weight: tf.Variable; average: tf.Variable }[];
  readonly #decay: number;

  constructor(variables: ReadonlyMap<string, tf.Variable>, decay: number) {
    this.#decay = decay;
    this.#pairs = [...variables].map(([name, weight]) => ({
      name,
      weight,
      average: tf.tidy(() => tf.variable(tf.clone(weight), false)),
    }));
  }

  update(): void {
    for (const { weight, average } of this.#pairs)
      tf.tidy(() => average.assign(tf.add(tf.mul(average, this.#decay), tf.mul(weight, 1 - this.#decay))));
  }

  /** Puts the average in the model's place; the returned function puts the weights back. */
  swapIn(): () => void {
    const kept = this.#pairs.map(({ weight }) => tf.keep(tf.clone(weight)));
    for (const { weight, average } of this.#pairs) tf.tidy(() => weight.assign(tf.clone(average)));
    return () => {
      this.#pairs.forEach(({ weight }, i) => {
        tf.tidy(() => weight.assign(tf.clone(kept[i]!)));
        kept[i]!.dispose();
      });
    };
  }

  /** Makes the average the model's weights for good. */
  adopt(): void {
    for (const { weight, average } of this.#pairs) tf.tidy(() => weight.assign(tf.clone(average)));
  }

  tensors(): Promise<StateTensors> {
    return readStateTensors(this.#pairs.map(({ name, average }) => [PREFIX + name, average] as const));
  }

  restore(tensors: StateTensors, path: string): void {
    for (const { name, average } of this.#pairs) restoreStateTensor(tensors, PREFIX + name, average, path);
  }

  dispose(): void {
    for (const { average } of this.#pairs) average.dispose();
  }
}
