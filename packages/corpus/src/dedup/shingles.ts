import { mix32 } from '../random.js';
import { wordHashes } from '../words.js';

/**
 * The distinct word n-grams of a text as 32-bit hashes, sorted. A text with fewer than `n` words is one shingle of
 * what it has. Two texts are compared by the Jaccard similarity of these sets.
 *
 * @param n words per shingle. Default 5
 */
export function shingleHashes(text: string, n = 5): Uint32Array {
  const words = wordHashes(text);
  const grams = Math.max(1, words.length - n + 1);
  const width = Math.min(n, words.length);
  const hashes = new Uint32Array(grams);
  for (let at = 0; at < grams; at++) {
    let h = 0x2545f491;
    for (let i = at; i < at + width; i++)
      h = Math.imul(((h << 13) | (h >>> 19)) ^ words[i]!, 0x9e3779b1) + 0x7f4a7c15;
    hashes[at] = mix32(h);
  }
  hashes.sort();
  let distinct = 0;
  for (let i = 0; i < grams; i++) {
    if (i === 0 || hashes[i] !== hashes[i - 1]) hashes[distinct++] = hashes[i]!;
  }
  return hashes.slice(0, distinct);
}

/** Exact Jaccard similarity of two sorted sets, 0 to 1. */
export function jaccard(a: Uint32Array, b: Uint32Array): number {
  let i = 0;
  let j = 0;
  let common = 0;
  while (i < a.length && j < b.length) {
    const x = a[i]!;
    const y = b[j]!;
    if (x === y) {
      common++;
      i++;
      j++;
    } else if (x < y) {
      i++;
    } else {
      j++;
    }
  }
  const union = a.length + b.length - common;
  return union === 0 ? 1 : common / union;
}
