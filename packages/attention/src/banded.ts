import type * as tf from '@tensorflow/tfjs-core';
import { bandPart } from './core/band-part.js';
import { runPattern } from './core/run-pattern.js';
import type { AttentionOptions, AttentionWithWeights } from './options.js';
import { bandedPattern } from './patterns/pattern.js';
import { checkCall, checkPositive } from './validate.js';

export interface BandedAttentionOptions extends AttentionOptions {
  /** Keys that a query sees, its own included: window 1 is the token itself only. */
  readonly window: number;
  /** Queries per tile. Default: from the window. */
  readonly block?: number;
}

/**
 * Causal attention to the last `window` keys, the query's own included: i − window < j ≤ i. The "locally banded" layers
 * of GPT-3 (Brown et al. 2020, §2.1), after Child et al. 2019; the `local` layers of GPT-Neo (with `scale: 1`).
 *
 * Work and memory are O(length · window): queries go by blocks, each beside the few key blocks that its window reaches.
 *
 * @param query `[batch, heads, queryLength, headDim]`
 * @param key `[batch, keyHeads, keyLength, headDim]`; longer than the query in cached decoding
 * @param value `[batch, keyHeads, keyLength, valueDim]`
 * @returns `[batch, heads, queryLength, valueDim]`; with `returnWeights` also the weights, at dense cost
 * @throws {ShapeMismatchError} when shapes do not fit together
 * @throws {AttentionOptionError} when `window` is no integer ≥ 1 or an option is unknown
 */
export function bandedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: BandedAttentionOptions & { readonly returnWeights: true },
): AttentionWithWeights;
export function bandedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: BandedAttentionOptions & { readonly returnWeights?: false },
): tf.Tensor4D;
export function bandedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: BandedAttentionOptions & { readonly returnWeights?: boolean },
): tf.Tensor4D | AttentionWithWeights {
  const sizes = checkCall(query, key, value, options, ['window', 'block', 'returnWeights']);
  checkPositive('window', options.window);
  if (options.block !== undefined) checkPositive('block', options.block);
  const { window, block = defaultBlock(window) } = options;
  return runPattern({
    query,
    key,
    value,
    sizes,
    options,
    pattern: bandedPattern(window),
    reach: window,
    scoresPerHead: sizes.queryLength * (window + 2 * block),
    tiles:
      sizes.queryLength > block && window < sizes.keyLength
        ? (visibility, offset) => (context) => {
            const features = visibility.features(context);
            const { queryLength, keyLength } = sizes;
            const part = () => bandPart(features, { queryLength, keyLength, offset, window, block });
            return [{ queries: { begin: 0, end: queryLength }, parts: [part] }];
          }
        : null,
  });
}

/** Half the window: three key blocks per tile, of which two thirds are visible. */
function defaultBlock(window: number): number {
  return Math.min(512, Math.max(32, Math.ceil(window / 2)));
}
