import { type Collision, wordRanges } from './contamination-index.js';

export interface CutOptions {
  /** Characters removed on each side of a collision. Default 200. */
  window?: number;
  /** Shorter pieces are dropped. Default 200. */
  minPieceCharacters?: number;
  /** A document cut into more pieces is dropped whole. Default 10. */
  maxPieces?: number;
}

export interface CutResult {
  /** What stays, in order; empty when the document is contaminated as a whole. */
  pieces: string[];
  /** Why nothing stays: too many pieces, or none long enough. */
  removed: 'pieces' | 'short' | null;
  /** Stretches cut out. */
  cuts: number;
  removedCharacters: number;
}

/**
 * Removes colliding n-grams with a window around them and splits the document there (GPT-3, appendix C): pieces
 * shorter than 200 characters go, and documents that fall into more than 10 pieces go whole.
 */
export function cutCollisions(
  text: string,
  collisions: readonly Collision[],
  { window = 200, minPieceCharacters = 200, maxPieces = 10 }: CutOptions = {},
): CutResult {
  if (collisions.length === 0) return { pieces: [text], removed: null, cuts: 0, removedCharacters: 0 };
  const { starts, ends } = wordRanges(text);
  const ranges: { start: number; end: number }[] = [];
  for (const { firstWord, endWord } of collisions) {
    const start = Math.max(0, starts[firstWord]! - window);
    const end = Math.min(text.length, ends[endWord - 1]! + window);
    const last = ranges.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ start, end });
  }
  const all: string[] = [];
  let at = 0;
  for (const { start, end } of [...ranges, { start: text.length, end: text.length }]) {
    if (start > at) all.push(text.slice(at, start));
    at = end;
  }
  const pieces = all.map(withoutBrokenPairs).filter((piece) => piece.length >= minPieceCharacters);
  const kept = all.length > maxPieces ? [] : pieces;
  const removed = all.length > maxPieces ? 'pieces' : pieces.length === 0 ? 'short' : null;
  const keptCharacters = kept.reduce((sum, piece) => sum + piece.length, 0);
  return { pieces: kept, removed, cuts: ranges.length, removedCharacters: text.length - keptCharacters };
}

/** A cut may fall inside a surrogate pair. */
const withoutBrokenPairs = (piece: string): string =>
  piece
    .replace(/^[\udc00-\udfff]/, '')
    .replace(/[\ud800-\udbff]$/, '')
    .trim();
