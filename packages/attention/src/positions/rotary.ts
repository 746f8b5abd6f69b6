import * as tf from '@tensorflow/tfjs-core';
import { scope } from '../core/scope.js';
import { AttentionOptionError, ShapeMismatchError } from '../errors.js';
import type { Position } from '../options.js';
import { checkChoice } from '../validate.js';
import { checkedPositions } from './positions.js';

const LAYOUTS = ['neox', 'gptj'] as const;

export interface RotaryOptions {
  /**
   * Which features form a pair. `neox` (default): m and m + rotaryDim/2, as GPT-NeoX, Llama and `transformers`.
   * `gptj`: 2m and 2m + 1, as the paper and GPT-J.
   */
  readonly layout?: (typeof LAYOUTS)[number];
  /** θ_m = position · base^(−2m/rotaryDim). Default 10000. */
  readonly base?: number;
  /** Rotate the first `rotaryDim` features only. Default: all. Even. */
  readonly rotaryDim?: number;
  /** Position of the first row, a number or an int32 scalar. Default 0. */
  readonly offset?: Position;
  /** Position of every row instead: `[length]`, or `[batch, length]` where rows of a batch are padded differently. */
  readonly positions?: tf.Tensor;
}

/**
 * Rotary position embedding: turns each pair of features by an angle proportional to the position, so that
 * query · key depends on their distance only. Su et al. 2021, "RoFormer", §3.2.2. Apply to query and key (not value)
 * before any attention of this package; with a cache, before `append`.
 *
 * @param x `[batch, heads, length, headDim]`
 * @returns the same shape; the gradient is the rotation back
 * @throws {AttentionOptionError} when `rotaryDim` is odd or above headDim
 */
export function rotaryEmbedding(x: tf.Tensor4D, options: RotaryOptions = {}): tf.Tensor4D {
  if (x.rank !== 4) throw new ShapeMismatchError('x', '[batch, heads, length, headDim]', x.shape);
  const [batch, , length, headDim] = x.shape;
  const { layout = 'neox', base = 10000, rotaryDim = headDim, offset = 0 } = options;
  checkChoice('layout', layout, LAYOUTS);
  if (!Number.isInteger(rotaryDim) || rotaryDim < 2 || rotaryDim % 2 !== 0 || rotaryDim > headDim) {
    throw new AttentionOptionError('rotaryDim', rotaryDim, `must be even and in 2 … ${headDim}`);
  }
  if (!(base > 0)) throw new AttentionOptionError('base', base, 'must be above 0');
  return scope(() => {
    const positions = checkedPositions(options.positions, offset, batch, length); // [batch or 1, 1, length, 1]
    const frequency = tf.tensor4d(
      Array.from({ length: rotaryDim / 2 }, (_, m) => base ** ((-2 * m) / rotaryDim)),
      [1, 1, 1, rotaryDim / 2],
    );
    const angle = tf.mul(positions, frequency); // [batch or 1, 1, length, rotaryDim / 2]
    const rotate = tf.customGrad((input, save) => {
      const [cos, sin] = [tf.cos(angle), tf.sin(angle)] as [tf.Tensor4D, tf.Tensor4D];
      (save as tf.GradSaveFunc)([cos, sin]);
      return {
        value: turn(input as tf.Tensor4D, cos, sin, layout),
        gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
          scope(() =>
            turn(dy as tf.Tensor4D, saved[0] as tf.Tensor4D, tf.neg(saved[1]!) as tf.Tensor4D, layout),
          ),
      };
    });
    return rotate(x) as tf.Tensor4D;
  });
}

/** (a, b) → (a·cos − b·sin, b·cos + a·sin) for every pair; features after the rotated ones pass unchanged. */
function turn(
  x: tf.Tensor4D,
  cos: tf.Tensor4D,
  sin: tf.Tensor4D,
  layout: (typeof LAYOUTS)[number],
): tf.Tensor4D {
  const [batch, heads, length, headDim] = x.shape;
  const half = cos.shape[3];
  const features = (begin: number, size: number) =>
    tf.slice(x, [0, 0, 0, begin], [batch, heads, length, size]);
  const rest = 2 * half < headDim ? [features(2 * half, headDim - 2 * half)] : [];
  const [a, b] =
    layout === 'neox' ? [features(0, half), features(half, half)] : evenOdd(features(0, 2 * half));
  const first = tf.sub(tf.mul(a!, cos), tf.mul(b!, sin)) as tf.Tensor4D;
  const second = tf.add(tf.mul(b!, cos), tf.mul(a!, sin)) as tf.Tensor4D;
  if (layout === 'neox') return tf.concat([first, second, ...rest], 3);
  const pairs = tf.stack([flat(first, half), flat(second, half)], 2); // [rows, half, 2]
  const rotated = tf.reshape(pairs, [batch, heads, length, 2 * half]) as tf.Tensor4D;
  return rest.length === 0 ? rotated : tf.concat([rotated, ...rest], 3);
}

function flat(x: tf.Tensor4D, half: number): tf.Tensor2D {
  return tf.reshape(x, [-1, half]);
}

function evenOdd(x: tf.Tensor4D): [tf.Tensor4D, tf.Tensor4D] {
  const [batch, heads, length, features] = x.shape;
  const half = features / 2;
  const pairs = tf.reshape(x, [batch * heads * length, half, 2]) as tf.Tensor3D;
  const side = (at: number) =>
    tf.reshape(tf.slice(pairs, [0, 0, at], [batch * heads * length, half, 1]), [batch, heads, length, half]);
  return [side(0) as tf.Tensor4D, side(1) as tf.Tensor4D];
}
