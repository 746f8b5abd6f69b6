import * as tf from '@tensorflow/tfjs-core';
import { attend } from './core/attend.js';
import { denseStages } from './core/dense-plan.js';
import { resolveDropout } from './core/dropout-mask.js';
import { repeatHeads } from './core/repeat-heads.js';
import { scope } from './core/scope.js';
import type { Stage } from './core/score-part.js';
import { additiveMask, partMask, type Visibility, visibilityOf } from './core/visibility.js';
import { attendWithWeights } from './core/weights.js';
import { windowDistances, windowPart } from './core/window-part.js';
import type { AttentionOptions, AttentionWithWeights } from './options.js';
import { bandedPattern } from './patterns/pattern.js';
import {
  type AttentionSizes,
  checkInputs,
  checkOptionNames,
  checkOptions,
  checkPositive,
} from './validate.js';

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
  const sizes = checkInputs(query, key, value);
  checkOptionNames(options, ['window', 'block', 'returnWeights']);
  checkOptions(options, sizes);
  checkPositive('window', options.window);
  if (options.block !== undefined) checkPositive('block', options.block);
  const { window, scale = 1 / Math.sqrt(sizes.headDim) } = options;
  const visibility = visibilityOf(options, sizes);
  const pattern = bandedPattern(window);
  const block = options.block ?? defaultBlock(window);
  const isTiled =
    fitsTiles(visibility, options, sizes) && sizes.queryLength > block && window < sizes.keyLength;
  const plan = isTiled
    ? bandedStages(sizes, visibility, window, block)
    : denseStages({ sizes, visibility, pattern, causal: true, reach: window });
  return scope(() => {
    const attendOptions = {
      scale,
      mayHideRows: visibility.mayHideRows,
      dropout: resolveDropout(options),
      context: visibility.context,
      plan,
    };
    if (options.returnWeights) {
      const stages = denseStages({ sizes, visibility, pattern, causal: true, reach: window });
      return attendWithWeights(query, key, value, null, { ...attendOptions, plan: stages });
    }
    if (!isTiled) return attend(query, key, value, null, attendOptions);
    const { heads } = sizes;
    return attend(query, repeatHeads(key, heads), repeatHeads(value, heads), null, attendOptions);
  });
}

/** Tiles need to know now where every key and query lies. */
function fitsTiles(visibility: Visibility, options: AttentionOptions, sizes: AttentionSizes): boolean {
  return (
    visibility.offset !== null &&
    options.keyPositions === undefined &&
    visibility.offset + sizes.queryLength <= sizes.keyLength
  );
}

/** Half the window: three key blocks per tile, of which two thirds are visible. */
function defaultBlock(window: number): number {
  return Math.min(512, Math.max(32, Math.ceil(window / 2)));
}

function bandedStages(sizes: AttentionSizes, visibility: Visibility, window: number, block: number) {
  const { queryLength } = sizes;
  const offset = visibility.offset!;
  const keyBlocks = Math.ceil((window - 1) / block) + 1;
  // Keys before the first window, and after the last query, are never seen.
  const first = Math.max(0, offset - (keyBlocks - 1) * block);
  const ranges = {
    queries: { begin: 0, end: queryLength },
    keys: { begin: first, end: offset + queryLength },
  };
  return (context: readonly tf.Tensor[]): readonly Stage[] => {
    const features = visibility.features(context);
    const part = windowPart({
      queryLength,
      keyLength: ranges.keys.end - ranges.keys.begin,
      offset: offset - first,
      block,
      keyBlocks,
    });
    return [
      {
        ...ranges,
        parts: () => {
          const hidden = partMask(part, null, features, ranges);
          const band = bandMask(window, block, keyBlocks);
          const filling = fillingMask(ranges.keys.end - ranges.keys.begin, part.takeKeys);
          const mask = [filling, hidden].reduce<tf.Tensor>(
            (sum, x) => (x === null ? sum : tf.add(sum, x)),
            band,
          );
          return [{ ...part, mask, id: 0 }];
        },
      },
    ];
  };
}

/** 0 inside the band and hidden outside, for every tile alike: `[1, 1, 1, block, keyBlocks · block]`. */
function bandMask(window: number, block: number, keyBlocks: number): tf.Tensor {
  const distance = windowDistances(block, keyBlocks);
  return additiveMask(tf.logicalAnd(tf.greaterEqual(distance, 0), tf.less(distance, window)));
}

/** Hides the columns that hold no key: `[1, 1, tiles, 1, keyBlocks · block]`. */
function fillingMask(keyLength: number, takeKeys: (x: tf.Tensor4D) => tf.Tensor): tf.Tensor {
  const isKey = takeKeys(tf.ones([1, 1, keyLength, 1]));
  const [, , tiles, columns] = isKey.shape as [number, number, number, number];
  return additiveMask(tf.greater(tf.reshape(isKey, [1, 1, tiles, 1, columns]), 0));
}
