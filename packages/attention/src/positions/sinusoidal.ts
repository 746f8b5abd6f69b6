import * as tf from '@tensorflow/tfjs-core';
import { scope } from '../core/scope.js';
import { AttentionOptionError } from '../errors.js';
import type { Position } from '../options.js';
import { checkChoice, checkPositive } from '../validate.js';
import { checkedPositions } from './positions.js';

const LAYOUTS = ['interleaved', 'concat'] as const;

export interface SinusoidalOptions {
  /**
   * `interleaved` (default): sin, cos, sin, cos, … as the paper writes it. `concat`: all sines, then all cosines, as
   * Transformer-XL and tensor2tensor.
   */
  readonly layout?: (typeof LAYOUTS)[number];
  /** Default 10000. */
  readonly base?: number;
  /** Position of the first row. Default 0. */
  readonly offset?: Position;
}

/**
 * Sinusoidal positions: sin and cos of position · base^(−2m/nEmbd). Vaswani et al. 2017, §3.5. Add them to the token
 * embeddings; or, as rows of distances, feed Transformer-XL.
 *
 * @returns `[length, nEmbd]`
 */
export function sinusoidalPositions(
  length: number,
  nEmbd: number,
  options: SinusoidalOptions = {},
): tf.Tensor2D {
  const { layout = 'interleaved', base = 10000, offset = 0 } = options;
  checkPositive('length', length);
  checkPositive('nEmbd', nEmbd);
  if (nEmbd % 2 !== 0) throw new AttentionOptionError('nEmbd', nEmbd, 'must be even');
  checkChoice('layout', layout, LAYOUTS);
  return scope(() => {
    const half = nEmbd / 2;
    const positions = tf.reshape(checkedPositions(undefined, offset, 1, length), [length, 1]);
    const frequency = tf.tensor2d(
      Array.from({ length: half }, (_, m) => base ** ((-2 * m) / nEmbd)),
      [1, half],
    );
    const angle = tf.mul(positions, frequency) as tf.Tensor2D;
    const [sin, cos] = [tf.sin(angle), tf.cos(angle)];
    if (layout === 'concat') return tf.concat([sin, cos], 1);
    return tf.reshape(tf.stack([sin, cos], 2), [length, nEmbd]) as tf.Tensor2D;
  });
}
