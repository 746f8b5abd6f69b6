import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { inPlace } from './in-place.js';
import { checkRange, type NoDecay, Optimizer, type VariableMap } from './optimizer.js';

export interface SGDOptions {
  /** Default 1e-3. */
  readonly learningRate?: number;
  /** Default 0: no velocity is kept. */
  readonly momentum?: number;
  /** Look-ahead form of momentum. Default false. */
  readonly nesterov?: boolean;
  /** Added to the gradient as `weightDecay·value` (coupled, as in PyTorch). Default 0. */
  readonly weightDecay?: number;
  /** Default: every variable decays. */
  readonly noDecay?: NoDecay;
}

/** Stochastic gradient descent with PyTorch's conventions for momentum, Nesterov and weight decay. */
export class SGD extends Optimizer {
  protected readonly kind = 'sgd';
  private readonly momentum: number;
  private readonly nesterov: boolean;
  private readonly weightDecay: number;

  /** @throws {InvalidArgumentError} for an option out of range, or Nesterov without momentum */
  constructor(variables: VariableMap, options: SGDOptions = {}) {
    const { learningRate = 1e-3, momentum = 0, nesterov = false, weightDecay = 0, noDecay = [] } = options;
    checkRange('learningRate', learningRate, 0, Infinity);
    checkRange('momentum', momentum, 0, 1);
    checkRange('weightDecay', weightDecay, 0, Infinity);
    if (nesterov && momentum === 0) throw new InvalidArgumentError('momentum', 'positive with nesterov', 0);
    super(variables, learningRate, noDecay);
    this.momentum = momentum;
    this.nesterov = nesterov;
    this.weightDecay = weightDecay;
    if (momentum > 0) this.makeSlots('velocity');
  }

  protected override update(
    gradients: ReadonlyMap<string, tf.Tensor>,
    learningRate: tf.Scalar,
    scale: tf.Scalar | undefined,
  ): void {
    const { momentum, nesterov, weightDecay } = this;
    for (const [name, gradient] of gradients) {
      const value = this.variables.get(name)!;
      tf.tidy(() => {
        let g = scale === undefined ? gradient : tf.mul(gradient, scale);
        if (weightDecay > 0 && this.decays(name)) g = tf.add(g, tf.mul(value, weightDecay));
        if (momentum === 0) {
          const native = inPlace([value]);
          if (native) native.update('ResourceApplyGradientDescent', [value], [learningRate, g]);
          else value.assign(tf.sub(value, tf.mul(g, learningRate)));
          return;
        }
        const velocity = this.slot(name, 'velocity');
        const native = inPlace([value, velocity]);
        if (native) {
          const inputs = [learningRate, g, tf.scalar(momentum)];
          native.update('ResourceApplyMomentum', [value, velocity], inputs, { use_nesterov: nesterov });
          return;
        }
        velocity.assign(tf.add(tf.mul(velocity, momentum), g));
        const direction = nesterov ? tf.add(g, tf.mul(velocity, momentum)) : velocity;
        value.assign(tf.sub(value, tf.mul(direction, learningRate)));
      });
    }
  }
}
