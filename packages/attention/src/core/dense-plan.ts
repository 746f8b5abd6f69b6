import { isCapturing } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { type AttentionPattern, causalPattern } from '../patterns/pattern.js';
import type { AttentionSizes } from '../validate.js';
import type { Context } from './attend.js';
import { HIDDEN, type ScorePart, type Stage, wholeLayout } from './score-part.js';
import type { Range } from './shapes.js';
import { type PositionFeatures, partMask, type Visibility } from './visibility.js';

/** Scores in one tile: about what stays in the last cache. */
const TILE_SCORES = 2 ** 21;
/** Beyond this many scores, a row of tiles is cut along the keys as well. */
const ROW_SCORES = 2 ** 24;
const SMALLEST_TILE = 64;
const MOST_TILES = 32;
/** Weights that one call keeps for its backward pass: 64 MB. */
const KEPT_SCORES = 2 ** 24;

export interface DensePlanOptions {
  readonly sizes: AttentionSizes;
  readonly visibility: Visibility;
  readonly pattern: AttentionPattern | null;
  /** No query sees a later key, so a tile of queries needs keys up to its last query only. */
  readonly causal: boolean;
  /** No query sees a key this far back or further. */
  readonly reach?: number;
  /** Queries per tile. */
  readonly queryTile?: number;
  /** Keys per tile. */
  readonly keyTile?: number;
  /**
   * Give the keys before a tile of queries a part of their own: then the causal mask is added to the square on the
   * diagonal only. Costs a few small operations, spares a pass over all scores.
   */
  readonly apartFromDiagonal?: boolean;
  /** Needs every score of a row at once, so keys are never cut. */
  readonly select?: (scores: tf.Tensor) => tf.Tensor;
}

export interface DensePlan {
  readonly plan: (context: Context) => readonly Stage[];
  readonly keepWeights: boolean;
}

/** Tiles of consecutive queries, each with every key that any of them may see, in one part or a part per tile of keys. */
export function densePlan(options: DensePlanOptions): DensePlan {
  const { sizes, visibility, select } = options;
  const { batch, heads, queryLength } = sizes;
  const tile = options.queryTile ?? defaultTile(options);
  const rowScores = batch * heads * tile;
  const keyTile =
    options.keyTile ??
    (select === undefined && rowScores * sizes.keyLength > ROW_SCORES
      ? Math.max(SMALLEST_TILE, Math.floor(TILE_SCORES / rowScores))
      : sizes.keyLength);
  const tiles: { queries: Range; keys: Range[] }[] = [];
  let scores = 0;
  for (let begin = 0; begin < queryLength; begin += tile) {
    const queries = { begin, end: Math.min(begin + tile, queryLength) };
    const keys = partsOf(queries, tile, keyTile, options);
    scores += batch * heads * tile * (keys.at(-1)!.end - keys[0]!.begin);
    tiles.push({ queries, keys });
  }
  return {
    keepWeights: scores <= KEPT_SCORES,
    plan(context) {
      const features = hasOwnMask(options) ? null : visibility.features(context);
      let id = 0;
      return tiles.map(({ queries, keys }) => ({
        queries,
        parts: keys.map((range) => {
          const own = id++;
          return () => densePart(options, features, queries, range, own);
        }),
      }));
    },
  };
}

/** The keys of a tile of queries, cut to parts. */
function partsOf(queries: Range, tile: number, keyTile: number, options: DensePlanOptions): Range[] {
  const keys = visibleKeys(queries, options);
  if (options.apartFromDiagonal && isPlainCausal(options)) {
    const diagonal = options.visibility.offset! + queries.begin;
    if (diagonal - keys.begin >= tile && diagonal < keys.end - 1) {
      return [...cut({ begin: keys.begin, end: diagonal }, keyTile), { begin: diagonal, end: keys.end }];
    }
  }
  return cut(keys, keyTile);
}

/** Nothing but the order of positions decides what is visible. */
function isPlainCausal({ pattern, causal, reach, visibility }: DensePlanOptions): boolean {
  return causal && pattern === causalPattern && reach === undefined && isOrdered(visibility);
}

function densePart(
  options: DensePlanOptions,
  features: PositionFeatures | null,
  queries: Range,
  keys: Range,
  id: number,
): ScorePart {
  const { pattern, visibility, select } = options;
  // A tile whose last key is no later than its first query needs no causal mask; so most tiles of a long text need none.
  const isPast = isPlainCausal(options) && keys.end - 1 <= visibility.offset! + queries.begin;
  const mask =
    features === null
      ? isPast
        ? null
        : causalMask(queries, keys, visibility.offset!)
      : partMask(wholeLayout, isPast ? null : pattern, features, { queries, keys });
  return { ...wholeLayout, keys, mask, id, ...(select ? { select } : {}) };
}

/**
 * Whether masks are written down here rather than computed from positions: eight small operations fewer per tile. Not in
 * a captured graph, which would hold them all as constants.
 */
function hasOwnMask(options: DensePlanOptions): boolean {
  return isPlainCausal(options) && options.visibility.context.length === 0 && !isCapturing();
}

/** `[1, 1, queries, keys]`: 0 where key j ≤ query i + offset, otherwise hidden. */
function causalMask(queries: Range, keys: Range, offset: number): tf.Tensor {
  const [rows, columns] = [queries.end - queries.begin, keys.end - keys.begin];
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const visible = Math.max(0, Math.min(columns, offset + queries.begin + row - keys.begin + 1));
    values.fill(HIDDEN, row * columns + visible, (row + 1) * columns);
  }
  return tf.tensor4d(values, [1, 1, rows, columns]);
}

function isOrdered(visibility: Visibility): boolean {
  return visibility.offset !== null && !visibility.hasKeyPositions;
}

function visibleKeys(
  queries: Range,
  { sizes, visibility, causal, reach = Number.POSITIVE_INFINITY }: DensePlanOptions,
): Range {
  const { keyLength } = sizes;
  if (!isOrdered(visibility)) return { begin: 0, end: keyLength };
  const offset = visibility.offset!;
  const end = causal ? Math.min(keyLength, offset + queries.end) : keyLength;
  return { begin: Math.max(0, Math.min(end - 1, offset + queries.begin - reach + 1)), end };
}

function cut({ begin, end }: Range, size: number): Range[] {
  const count = Math.ceil((end - begin) / size);
  return Array.from({ length: count }, (_, i) => ({
    begin: begin + i * size,
    end: Math.min(begin + (i + 1) * size, end),
  }));
}

function defaultTile({ sizes, causal, select }: DensePlanOptions): number {
  const { batch, heads, queryLength, keyLength } = sizes;
  // Smaller tiles waste less of the square on keys to come, where an operation costs next to nothing by itself.
  const scores = causal && isCapturing() ? TILE_SCORES / 2 : TILE_SCORES;
  const rows = Math.floor(scores / (batch * heads * keyLength));
  const fewest = select === undefined ? Math.ceil(queryLength / MOST_TILES) : 1;
  const tile = Math.max(SMALLEST_TILE, fewest, 2 ** Math.floor(Math.log2(Math.max(1, rows))));
  return Math.min(queryLength, tile);
}
