import { inOneCall, isCapturing } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { DenseAttentionOptions } from '../options.js';
import type { AttentionSizes } from '../validate.js';
import { isTaping } from './attend.js';

/** With fewer scores there is little to gain. With more, tiles that run side by side would take too much memory at once. */
const [FEWEST_SCORES, MOST_SCORES] = [2 ** 16, 2 ** 24];
/** A graph keeps the causal masks of its tiles, half as many numbers as this. */
const LARGEST_MASK = 2 ** 22;

type Options = DenseAttentionOptions & { readonly returnWeights?: boolean };
export type Attend = (
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: Options,
) => tf.Tensor4D;

/** Whether a call may run as one native graph: no gradient is recorded, and numbers and tensors say all about it. */
export function fitsOneCall({ pattern, dropout, returnWeights }: Options, sizes: AttentionSizes): boolean {
  if (isTaping() || isCapturing() || pattern || dropout || returnWeights) return false;
  const scores = scoresOf(sizes);
  const isSmall = scores <= MOST_SCORES && sizes.queryLength * sizes.keyLength <= LARGEST_MASK;
  return isSmall && scores >= FEWEST_SCORES;
}

/** `attend`, with every tensor among the options as one more input of the graph. */
export function attendInOneCall(
  attend: Attend,
  [query, key, value]: readonly [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D],
  options: Options,
  sizes: AttentionSizes,
): tf.Tensor4D {
  const inputs: tf.Tensor[] = [query, key, value];
  const plain = replaceTensors(options, (tensor) => {
    inputs.push(tensor);
    return 'tensor';
  });
  return inOneCall(
    (...[q, k, v, ...rest]) => {
      const own = replaceTensors(options, () => rest.shift()!) as Options;
      return attend(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, own);
    },
    inputs,
    { key: `denseAttention ${JSON.stringify(plain)}`, work: scoresOf(sizes) },
  );
}

/** A copy of `options` with other values where it has tensors, also inside of `segmentIds`. */
function replaceTensors(options: object, replace: (tensor: tf.Tensor) => unknown): object {
  const entries = Object.entries(options).map(([name, option]) => {
    if (option instanceof tf.Tensor) return [name, replace(option)];
    return [name, typeof option === 'object' && option !== null ? replaceTensors(option, replace) : option];
  });
  return Object.fromEntries(entries);
}

function scoresOf({ batch, heads, queryLength, keyLength }: AttentionSizes): number {
  return batch * heads * queryLength * keyLength;
}
