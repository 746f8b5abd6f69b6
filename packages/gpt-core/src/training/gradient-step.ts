import * as tf from '@tensorflow/tfjs-core';
import type { StateTensors } from './checkpoint-store.js';
import { createOptimizer, type TrainingOptimizer } from './optimizer.js';
import type { PretrainOptions } from './pretrain-options.js';
import type { TrainingTask } from './training-task.js';

/** Gradient sums of one optimizer step, and the step itself. */
export class GradientStep<Batch> {
  readonly #task: TrainingTask<Batch>;
  readonly #variables: ReadonlyMap<string, tf.Variable>;
  readonly #optimizer: TrainingOptimizer;
  #gradients = new Map<string, tf.Tensor>();
  #loss: tf.Scalar | undefined;

  constructor(
    task: TrainingTask<Batch>,
    variables: ReadonlyMap<string, tf.Variable>,
    options: PretrainOptions,
  ) {
    this.#task = task;
    this.#variables = variables;
    this.#optimizer = createOptimizer(variables, options);
  }

  /** Adds `weight ×` the gradients (and the loss) of one micro-batch. */
  accumulate(batch: Batch, weight: number, seed: number): void {
    const list = [...this.#variables.values()];
    const names = [...this.#variables.keys()];
    const { loss, gradients } = tf.tidy(() => {
      const inputs = Object.fromEntries(
        Object.entries(this.#task.feeds(batch)).map(([name, { data, shape }]) => [
          name,
          tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
        ]),
      );
      const weighted = () => tf.mul(this.#task.loss(inputs, seed), weight) as tf.Scalar;
      const { value, grads } = tf.variableGrads(weighted, list);
      const sums = list.map((variable, i) => {
        const before = this.#gradients.get(names[i]!);
        // A variable the loss does not reach (an unused position) has a gradient of zero.
        const gradient = grads[variable.name] ?? tf.zerosLike(variable);
        return before ? tf.add(before, gradient) : gradient;
      });
      return { loss: this.#loss ? tf.add(this.#loss, value) : value, gradients: sums };
    });
    this.discard();
    this.#loss = tf.keep(loss) as tf.Scalar;
    gradients.forEach((gradient, i) => {
      this.#gradients.set(names[i]!, tf.keep(gradient));
    });
  }

  /** The loss and the global L2 norm of the gradients. */
  async measure(): Promise<{ loss: number; gradientNorm: number }> {
    const both = tf.tidy(() => {
      const squares = [...this.#gradients.values()].map((gradient) => tf.sum(tf.square(gradient)));
      return tf.stack([this.#loss!, tf.sqrt(tf.addN(squares))]);
    });
    const [loss, gradientNorm] = await both.data();
    both.dispose();
    return { loss: loss!, gradientNorm: gradientNorm! };
  }

  /** Updates the variables; gradients longer than `clipNorm` are scaled down to it. */
  apply(learningRate: number, clip?: { clipNorm: number; gradientNorm: number }): void {
    // PyTorch's clip_grad_norm_: the small constant keeps the factor finite.
    const scale = clip ? Math.min(1, clip.clipNorm / (clip.gradientNorm + 1e-6)) : 1;
    tf.tidy(() => {
      const gradients = new Map<string, tf.Tensor>();
      for (const [name, gradient] of this.#gradients)
        gradients.set(name, scale === 1 ? gradient : tf.mul(gradient, scale));
      this.#optimizer.apply(gradients, learningRate);
    });
    this.discard();
  }

  /** Drops the sums without an update. */
  discard(): void {
    this.#loss?.dispose();
    this.#loss = undefined;
    for (const gradient of this.#gradients.values()) gradient.dispose();
    this.#gradients.clear();
  }

  tensors(): Promise<StateTensors> {
    return this.#optimizer.tensors();
  }

  restore(tensors: StateTensors, updates: number, path: string): void {
    this.#optimizer.restore(tensors, updates, path);
  }

  dispose(): void {
    this.discard();
    this.#optimizer.dispose();
  }
}
