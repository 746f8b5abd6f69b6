import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionOptions, AttentionWithWeights } from '../options.js';
import type { AttentionPattern } from '../patterns/pattern.js';
import type { AttentionSizes } from '../validate.js';
import { attend, type Context } from './attend.js';
import { densePlan } from './dense-plan.js';
import { resolveDropout } from './dropout-mask.js';
import { repeatHeads } from './repeat-heads.js';
import { scope } from './scope.js';
import type { ScorePart, Stage } from './score-part.js';
import { type Visibility, visibilityOf } from './visibility.js';
import { attendWithWeights } from './weights.js';

/** Weights that one call keeps for its backward pass: 256 MB. Linear in the length, so generous. */
const KEPT_SCORES = 2 ** 26;

export interface PatternRun {
  readonly query: tf.Tensor4D;
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  readonly sizes: AttentionSizes;
  readonly options: AttentionOptions & { readonly returnWeights?: boolean };
  readonly pattern: AttentionPattern;
  /** No query sees a key this far back or further. Default: no limit. */
  readonly reach?: number;
  /** Chooses further among the visible scores (top-k). */
  readonly select?: ScorePart['select'];
  /** About how many scores the tiles of one head hold. */
  readonly scoresPerHead: number;
  /** Tiles of the pattern, or null when the call is too small for them to pay. */
  readonly tiles: ((visibility: Visibility, offset: number) => (context: Context) => readonly Stage[]) | null;
}

/**
 * Runs a causal pattern by its tiles when every position is known now, and otherwise as dense attention under the
 * pattern's mask: cached decoding of a few tokens, positions fed to a captured step, ring buffers, returned weights.
 */
export function runPattern(run: PatternRun): tf.Tensor4D | AttentionWithWeights {
  const { query, key, value, sizes, options, pattern, reach, select, tiles } = run;
  const visibility = visibilityOf(options, sizes);
  const { offset } = visibility;
  const isInOrder =
    offset !== null && options.keyPositions === undefined && offset + sizes.queryLength <= sizes.keyLength;
  const isTiled = tiles !== null && isInOrder && !options.returnWeights;
  const plan = isTiled
    ? {
        plan: tiles(visibility, offset),
        keepWeights: sizes.batch * sizes.heads * run.scoresPerHead <= KEPT_SCORES,
      }
    : densePlan({
        sizes,
        visibility,
        pattern,
        causal: true,
        ...(reach === undefined ? {} : { reach }),
        ...(select === undefined ? {} : { select }),
        ...(options.returnWeights ? { keyTile: sizes.keyLength } : {}),
      });
  const { scale = 1 / Math.sqrt(sizes.headDim) } = options;
  return scope(() => {
    const attendOptions = {
      scale,
      // Every causal pattern of a single part holds the query itself; tiles of two parts too, taken together.
      mayHideRows:
        visibility.mayHideRows ||
        !pattern.allows(0, 0) ||
        !pattern.allows(sizes.keyLength - 1, sizes.keyLength - 1),
      dropout: resolveDropout(options),
      context: visibility.context,
      ...plan,
    };
    if (options.returnWeights) return attendWithWeights(query, key, value, null, attendOptions);
    if (!isTiled) return attend(query, key, value, null, attendOptions);
    return attend(query, repeatHeads(key, sizes.heads), repeatHeads(value, sizes.heads), null, attendOptions);
  });
}
