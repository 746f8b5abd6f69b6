import { isCapturing } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { type AttentionPattern, causalPattern } from '../patterns/pattern.js';
import type { AttentionSizes } from '../validate.js';
import type { Context } from './attend.js';
import { HIDDEN, type ScorePart, type Stage, wholeLayout } from './score-part.js';
import type { Range } from './shapes.js';
import { partMask, type Visibility } from './visibility.js';

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
  /**
   * Where the order of positions decides alone, cut every mask out of one that is written down here rather than computing
   * it from positions. Default: outside of captured functions, whose lengths may be variables.
   */
  readonly sharedMask?: boolean;
  /** Needs every score of a row at once, so keys are never cut. */
  readonly select?: (scores: tf.Tensor) => tf.Tensor;
}

export interface DensePlan {
  readonly plan: (context: Context) => readonly Stage[];
  readonly keepWeights: boolean;
}

/** Tiles of consecutive queries, each with every key that any of them may see, in one part or a part per tile of keys. */
export function densePlan(options: DensePlanOptions): DensePlan {
  const { sizes, select } = options;
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
      const maskOf = masksOf(options, tiles, context);
      let id = 0;
      return tiles.map(({ queries, keys }) => ({
        queries,
        parts: keys.map((range) => {
          const own = id++;
          return (): ScorePart => ({
            ...wholeLayout,
            keys: range,
            mask: maskOf({ queries, keys: range }),
            id: own,
            ...(select ? { select } : {}),
          });
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

interface Tile {
  readonly queries: Range;
  readonly keys: Range;
}

/** Makes the mask of a tile, null where it hides nothing. */
function masksOf(
  options: DensePlanOptions,
  tiles: readonly { queries: Range; keys: Range[] }[],
  context: Context,
): (tile: Tile) => tf.Tensor | null {
  const { pattern, visibility } = options;
  const isPlain = isPlainCausal(options);
  // A tile whose last key is no later than its first query needs no causal mask; so most tiles of a long text need none.
  const isPast = ({ queries, keys }: Tile) => isPlain && keys.end - 1 <= visibility.offset! + queries.begin;
  const { sharedMask = !isCapturing() } = options;
  if (isPlain && context.length === 0 && sharedMask) {
    const all = tiles.flatMap(({ queries, keys }) => keys.map((range) => ({ queries, keys: range })));
    const future = all.filter((tile) => !isPast(tile));
    const maskOf = future.length === 0 ? null : causalMasks(future, visibility.offset!);
    return (tile) => (isPast(tile) ? null : maskOf!(tile));
  }
  const features = visibility.features(context);
  return (tile) => partMask(wholeLayout, isPast(tile) ? null : pattern, features, tile);
}

/**
 * Causal masks, `[1, 1, queries, keys]`: 0 where key j ≤ query i + offset, otherwise hidden. All are cut out of one: it
 * has the longest tile's keys before the diagonal, and its diagonal lies where the tile's does.
 */
function causalMasks(tiles: readonly Tile[], offset: number): (tile: Tile) => tf.Tensor {
  const before = ({ queries, keys }: Tile) => offset + queries.begin - keys.begin;
  const rows = Math.max(...tiles.map(({ queries }) => queries.end - queries.begin));
  const most = Math.max(...tiles.map(before));
  const columns = most + rows;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    values.fill(HIDDEN, row * columns + Math.max(0, most + row + 1), (row + 1) * columns);
  }
  const whole = tf.tensor4d(values, [1, 1, rows, columns]);
  return (tile) => {
    const [height, width] = [tile.queries.end - tile.queries.begin, tile.keys.end - tile.keys.begin];
    if (height === rows && width === columns) return whole;
    return tf.slice(whole, [0, 0, 0, most - before(tile)], [1, 1, height, width]);
  };
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
