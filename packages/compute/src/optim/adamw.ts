import * as tf from '@tensorflow/tfjs-core';
import { defineKernel, runKernel } from '../ops/kernel.js';
import { inPlace } from './in-place.js';
import { checkRange, type NoDecay, Optimizer, type VariableMap } from './optimizer.js';

export interface AdamWOptions {
  /** Default 1e-3. */
  readonly learningRate?: number;
  /** Decay of the mean of gradients. Default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients. Default 0.999; GPT-3 used 0.95. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Default 0.01, as in PyTorch. */
  readonly weightDecay?: number;
  /** Default: every variable decays, as in PyTorch; `vectorsOnly` spares biases and gains. */
  readonly noDecay?: NoDecay;
}

interface Betas {
  readonly beta1: number;
  readonly beta2: number;
}

type AdamInputs = Record<'value' | 'gradient' | 'mean' | 'square' | 'stepSize' | 'epsilon', tf.Tensor> & {
  keep?: tf.Tensor;
  scale?: tf.Tensor;
};

/**
 * → [value, mean, square] after one step. `stepSize` already holds both bias corrections, `epsilon` the second:
 * value·keep − stepSize·mean′/(√square′ + epsilon).
 */
defineKernel<AdamInputs & Record<string, tf.Tensor>, Betas>({
  name: 'FusedAdamW',
  composite({ value, gradient, mean, square, stepSize, epsilon, keep, scale }, { beta1, beta2 }) {
    const g = scale === undefined ? gradient : tf.mul(gradient, scale);
    const m = tf.add(tf.mul(mean, beta1), tf.mul(g, 1 - beta1));
    const v = tf.add(tf.mul(square, beta2), tf.mul(tf.square(g), 1 - beta2));
    const change = tf.div(tf.mul(m, stepSize), tf.add(tf.sqrt(v), epsilon));
    return [tf.sub(keep === undefined ? value : tf.mul(value, keep), change), m, v];
  },
});

/**
 * Adam with decoupled weight decay. Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2;
 * numerically PyTorch's `AdamW`. One fused kernel per variable on native TensorFlow, which updates in place.
 */
export class AdamW extends Optimizer {
  protected readonly kind = 'adamw';
  private readonly betas: Betas;
  private readonly epsilon: number;
  private readonly weightDecay: number;

  /**
   * @param variables updated by name; they stay the caller's
   * @throws {InvalidArgumentError} for an option out of range
   */
  constructor(variables: VariableMap, options: AdamWOptions = {}) {
    const { learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999 } = options;
    const { epsilon = 1e-8, weightDecay = 0.01, noDecay = [] } = options;
    checkRange('learningRate', learningRate, 0, Infinity);
    checkRange('beta1', beta1, 0, 1);
    checkRange('beta2', beta2, 0, 1);
    checkRange('epsilon', epsilon, 0, Infinity);
    checkRange('weightDecay', weightDecay, 0, Infinity);
    super(variables, learningRate, noDecay);
    this.betas = { beta1, beta2 };
    this.epsilon = epsilon;
    this.weightDecay = weightDecay;
    this.makeSlots('mean', 'square');
  }

  protected override update(
    gradients: ReadonlyMap<string, tf.Tensor>,
    learningRate: tf.Scalar,
    scale: tf.Scalar | undefined,
  ): void {
    const { beta1, beta2 } = this.betas;
    // 1 − βᵗ through expm1: the plain difference loses five digits at the first step in float32.
    const correction = (beta: number) => tf.neg(tf.expm1(tf.mul(this.stepCount, Math.log(beta))));
    const root = tf.sqrt(correction(beta2));
    const stepSize = tf.div(tf.mul(learningRate, root), correction(beta1));
    const epsilon = tf.mul(root, this.epsilon);
    const keep = this.weightDecay === 0 ? undefined : tf.sub(1, tf.mul(learningRate, this.weightDecay));
    // The kernel computes 1 − β in float32, which makes its moments too small by these factors.
    const [r1, r2] = [(1 - beta1) / (1 - Math.fround(beta1)), (1 - beta2) / (1 - Math.fround(beta2))];
    const nativeStep = tf.mul(stepSize, r1 / Math.sqrt(r2));
    const nativeEpsilon = tf.div(epsilon, Math.sqrt(r2));
    for (const [name, gradient] of gradients) {
      const value = this.variables.get(name)!;
      const mean = this.slot(name, 'mean');
      const square = this.slot(name, 'square');
      const decay = this.decays(name) ? keep : undefined;
      tf.tidy(() => {
        const native = inPlace([value, mean, square]);
        if (native !== undefined) {
          if (decay !== undefined) native.scale(value, decay);
          const g = scale === undefined ? gradient : tf.mul(gradient, scale);
          // Powers of zero switch off the kernel's own bias correction.
          const powers = [tf.scalar(0), tf.scalar(0)];
          const rates = [nativeStep, tf.scalar(beta1), tf.scalar(beta2), nativeEpsilon];
          native.update('ResourceApplyAdam', [value, mean, square], [...powers, ...rates, g]);
          return;
        }
        const [newValue, newMean, newSquare] = runKernel<tf.Tensor[]>(
          'FusedAdamW',
          { value, gradient, mean, square, stepSize, epsilon, keep: decay, scale },
          this.betas,
        );
        value.assign(newValue!);
        mean.assign(newMean!);
        square.assign(newSquare!);
      });
    }
  }
}
