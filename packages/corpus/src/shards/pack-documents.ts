import { ConfigError } from '../errors.js';

/** Part of a document placed in a window. */
export interface PackedPart {
  /** Index into the lengths given. */
  document: number;
  /** First token of the part inside its document. */
  start: number;
  length: number;
}

/** How documents fill windows of equal length. */
export type PackingStrategy =
  /** End to end, cut where a window is full: no padding, documents are split (GPT-2, GPT-3). */
  | 'wrapped'
  /** Best-fit decreasing: whole documents, split only when longer than a window; little padding, few cuts. */
  | 'best-fit'
  /** As `best-fit`, but what exceeds a window is dropped instead of continued in another. */
  | 'best-fit-truncate';

/**
 * Places documents in windows of `windowLength` tokens.
 *
 * Best-fit decreasing keeps the open windows in buckets by free space and finds the fullest that fits through a
 * segment tree over those: O(documents · log windowLength). Ding et al. 2024, "Fewer Truncations Improve Language
 * Modeling".
 *
 * @param lengths tokens of each document
 * @returns windows of parts; the parts of a window never exceed `windowLength`
 */
export function packDocuments(
  lengths: readonly number[],
  windowLength: number,
  strategy: PackingStrategy = 'best-fit',
): PackedPart[][] {
  if (!Number.isInteger(windowLength) || windowLength < 1) {
    throw new ConfigError('windowLength', `must be a positive integer, received ${windowLength}`);
  }
  return strategy === 'wrapped'
    ? wrap(lengths, windowLength)
    : bestFit(lengths, windowLength, strategy === 'best-fit-truncate');
}

function wrap(lengths: readonly number[], windowLength: number): PackedPart[][] {
  const windows: PackedPart[][] = [];
  let free = 0;
  for (const [document, total] of lengths.entries()) {
    for (let start = 0; start < total; ) {
      if (free === 0) {
        windows.push([]);
        free = windowLength;
      }
      const length = Math.min(free, total - start);
      windows.at(-1)!.push({ document, start, length });
      start += length;
      free -= length;
    }
  }
  return windows;
}

function bestFit(lengths: readonly number[], windowLength: number, truncate: boolean): PackedPart[][] {
  const parts: PackedPart[] = [];
  for (const [document, total] of lengths.entries()) {
    for (let start = 0; start < total; start += windowLength) {
      parts.push({ document, start, length: Math.min(windowLength, total - start) });
      if (truncate) break;
    }
  }
  parts.sort((a, b) => b.length - a.length || a.document - b.document || a.start - b.start);
  let leaves = 1;
  while (leaves <= windowLength) leaves *= 2;
  // tree[node] = smallest free space below it that some open window has, or Infinity.
  const tree = new Float64Array(2 * leaves).fill(Number.POSITIVE_INFINITY);
  const open: number[][] = Array.from({ length: windowLength + 1 }, () => []);
  const update = (free: number) => {
    let node = leaves + free;
    tree[node] = open[free]!.length > 0 ? free : Number.POSITIVE_INFINITY;
    for (node >>= 1; node >= 1; node >>= 1) tree[node] = Math.min(tree[2 * node]!, tree[2 * node + 1]!);
  };
  const smallestAtLeast = (wanted: number): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let low = leaves + wanted, high = 2 * leaves; low < high; low >>= 1, high >>= 1) {
      if (low & 1) best = Math.min(best, tree[low++]!);
      if (high & 1) best = Math.min(best, tree[--high]!);
    }
    return best;
  };
  const windows: PackedPart[][] = [];
  for (const part of parts) {
    const fit = smallestAtLeast(part.length);
    let window: number;
    let free: number;
    if (fit === Number.POSITIVE_INFINITY) {
      window = windows.push([]) - 1;
      free = windowLength;
    } else {
      window = open[fit]!.pop()!;
      update(fit);
      free = fit;
    }
    windows[window]!.push(part);
    open[free - part.length]!.push(window);
    update(free - part.length);
  }
  return windows;
}
