import type { AttentionPattern } from '../patterns/pattern.js';
import type { AttentionSizes } from '../validate.js';
import type { Context } from './attend.js';
import type { ScorePart, Stage } from './score-part.js';
import type { Range } from './shapes.js';
import { partMask, type Visibility } from './visibility.js';

/** Scores in one tile: about what stays in a core's share of the last cache. */
const TILE_SCORES = 2 ** 20;
const SMALLEST_TILE = 64;
const MOST_TILES = 32;

interface DensePlanOptions {
  readonly sizes: AttentionSizes;
  readonly visibility: Visibility;
  readonly pattern: AttentionPattern | null;
  /** No query sees a later key, so a tile of queries needs keys up to its last query only. */
  readonly causal: boolean;
  /** No query sees a key this far back or further. */
  readonly reach?: number;
  readonly queryTile?: number;
  readonly select?: ScorePart['select'];
}

/** Tiles of consecutive queries, each with every key that any of them may see. */
export function denseStages(options: DensePlanOptions): (context: Context) => readonly Stage[] {
  const { sizes, visibility, pattern, causal, reach = Number.POSITIVE_INFINITY, select } = options;
  const { queryLength, keyLength } = sizes;
  const tile = options.queryTile ?? defaultTile(sizes);
  return (context) => {
    const features = visibility.features(context);
    const isOrdered = visibility.offset !== null && !features.hasKeyPositions;
    const stages: Stage[] = [];
    for (let begin = 0; begin < queryLength; begin += tile) {
      const queries: Range = { begin, end: Math.min(begin + tile, queryLength) };
      const keys = isOrdered
        ? visibleKeys(queries, visibility.offset!, { causal, reach, keyLength })
        : { begin: 0, end: keyLength };
      const id = stages.length;
      stages.push({
        queries,
        keys,
        parts: () => {
          const part = { takeQueries: same, putQueries: same, takeKeys: same, addKeys: same } as Omit<
            ScorePart,
            'mask' | 'id'
          >;
          return [
            {
              ...part,
              mask: partMask(part, pattern, features, { queries, keys }),
              id,
              ...(select ? { select } : {}),
            },
          ];
        },
      });
    }
    return stages;
  };
}

function same<T>(x: T): T {
  return x;
}

function visibleKeys(
  queries: Range,
  offset: number,
  { causal, reach, keyLength }: { causal: boolean; reach: number; keyLength: number },
): Range {
  const end = causal ? Math.max(1, Math.min(keyLength, offset + queries.end)) : keyLength;
  const begin = Math.max(0, Math.min(end - 1, offset + queries.begin - reach + 1));
  return { begin, end };
}

function defaultTile({ batch, heads, queryLength, keyLength }: AttentionSizes): number {
  const rows = Math.floor(TILE_SCORES / (batch * heads * keyLength));
  const fewest = Math.ceil(queryLength / MOST_TILES);
  const tile = Math.max(SMALLEST_TILE, fewest, 2 ** Math.floor(Math.log2(Math.max(1, rows))));
  return Math.min(queryLength, tile);
}
