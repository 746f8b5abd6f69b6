import { forEachWord, wordHashes } from '../words.js';

/** What the quality rules look at. Shares are 0 to 1. */
export interface TextStatistics {
  characters: number;
  words: number;
  /** Characters per word, over words of scripts with spaces; 0 when there are none. */
  meanWordLength: number;
  /** Words of scripts with spaces / words. */
  spacedShare: number;
  /** Words with at least one letter / words. */
  alphabeticShare: number;
  /** `#` and `…` (or `...`) per word. */
  symbolsPerWord: number;
  lines: number;
  meanLineLength: number;
  maxLineLength: number;
  /** Non-empty lines that begin with a bullet / that end with an ellipsis. */
  bulletLineShare: number;
  ellipsisLineShare: number;
  /** Lines that occurred before, by number and by characters. */
  duplicateLineShare: number;
  duplicateLineCharacterShare: number;
  duplicateParagraphShare: number;
  duplicateParagraphCharacterShare: number;
  /** Characters in the most frequent word n-gram, n = 2, 3, 4. */
  topNgramShares: readonly [number, number, number];
  /** Characters in word n-grams that occurred before, n = 5 … 10; each character counts once. */
  duplicateNgramShares: readonly [number, number, number, number, number, number];
  /** Letters and digits / characters. */
  alphanumericShare: number;
}

const bullet = /^\s*(?:[-*+•‣◦▪●·–—]|\d{1,3}[.)])\s/;
const ellipsis = /(?:…|\.{3})\s*$/;
const symbols = /#|…|\.{3}/g;

/** One pass per statistic over lines and hashed words; no n-gram is ever made into a string. */
export function textStatistics(text: string): TextStatistics {
  const lengths: number[] = [];
  let alphabetic = 0;
  let spaced = 0;
  let spacedCharacters = 0;
  let wordCharacters = 0;
  forEachWord(text, (start, end) => {
    const length = end - start;
    lengths.push(length);
    wordCharacters += length;
    let hasLetter = false;
    for (let i = start; i < end && !hasLetter; i++) {
      const unit = text.charCodeAt(i);
      hasLetter = unit > 0x7f || (unit | 32) >= 0x61;
    }
    if (hasLetter) alphabetic++;
    if (length > 1 || text.charCodeAt(start) < 0x0e00) {
      spaced++;
      spacedCharacters += length;
    }
  });
  const words = lengths.length;
  const hashes = wordHashes(text);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const paragraphs = text.split(/\n\s*\n/).filter((paragraph) => paragraph.trim() !== '');
  const duplicateLines = duplicates(lines);
  const duplicateParagraphs = duplicates(paragraphs);
  const share = (count: number, of: number) => (of === 0 ? 0 : count / of);
  let maxLineLength = 0;
  for (const line of lines) maxLineLength = Math.max(maxLineLength, line.length);
  const characters = text.length;
  return {
    characters,
    words,
    meanWordLength: share(spacedCharacters, spaced),
    spacedShare: share(spaced, words),
    alphabeticShare: share(alphabetic, words),
    symbolsPerWord: share(text.match(symbols)?.length ?? 0, words),
    lines: lines.length,
    meanLineLength: share(characters, lines.length),
    maxLineLength,
    bulletLineShare: share(lines.filter((line) => bullet.test(line)).length, lines.length),
    ellipsisLineShare: share(lines.filter((line) => ellipsis.test(line)).length, lines.length),
    duplicateLineShare: share(duplicateLines.count, lines.length),
    duplicateLineCharacterShare: share(duplicateLines.characters, characters),
    duplicateParagraphShare: share(duplicateParagraphs.count, paragraphs.length),
    duplicateParagraphCharacterShare: share(duplicateParagraphs.characters, characters),
    topNgramShares: [
      topNgramShare(hashes, lengths, 2, wordCharacters),
      topNgramShare(hashes, lengths, 3, wordCharacters),
      topNgramShare(hashes, lengths, 4, wordCharacters),
    ],
    duplicateNgramShares: [
      duplicateNgramShare(hashes, lengths, 5, wordCharacters),
      duplicateNgramShare(hashes, lengths, 6, wordCharacters),
      duplicateNgramShare(hashes, lengths, 7, wordCharacters),
      duplicateNgramShare(hashes, lengths, 8, wordCharacters),
      duplicateNgramShare(hashes, lengths, 9, wordCharacters),
      duplicateNgramShare(hashes, lengths, 10, wordCharacters),
    ],
    alphanumericShare: share(wordCharacters, characters),
  };
}

function duplicates(parts: readonly string[]): { count: number; characters: number } {
  const seen = new Set<string>();
  let count = 0;
  let characters = 0;
  for (const part of parts) {
    if (seen.has(part)) {
      count++;
      characters += part.length;
    } else {
      seen.add(part);
    }
  }
  return { count, characters };
}

/** Counts per 32-bit key, open addressing in typed arrays: about ten times faster than a Map here. */
class KeyCounts {
  private readonly keys: Uint32Array;
  private readonly counts: Uint32Array;
  private readonly mask: number;

  constructor(capacity: number) {
    let size = 16;
    while (size < capacity * 2) size *= 2;
    this.keys = new Uint32Array(size);
    this.counts = new Uint32Array(size);
    this.mask = size - 1;
  }

  /** @returns how often `key` had been added before */
  add(key: number): number {
    let slot = Math.imul(key, 0x9e3779b1) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.mask;
    while (this.counts[slot] !== 0 && this.keys[slot] !== key) slot = (slot + 1) & this.mask;
    this.keys[slot] = key;
    return this.counts[slot]!++;
  }
}

function ngramKey(hashes: Uint32Array, at: number, n: number): number {
  let key = n;
  for (let i = 0; i < n; i++) key = Math.imul(key ^ hashes[at + i]!, 0x01000193) + 0x7ed55d16;
  key ^= key >>> 16;
  return Math.imul(key, 0x85ebca6b) >>> 0;
}

function topNgramShare(hashes: Uint32Array, lengths: readonly number[], n: number, total: number): number {
  const grams = hashes.length - n + 1;
  if (grams < 1 || total === 0) return 0;
  const counts = new KeyCounts(grams);
  let best = 0;
  for (let at = 0; at < grams; at++) {
    const count = counts.add(ngramKey(hashes, at, n)) + 1;
    if (count < 2) continue;
    let length = 0;
    for (let i = 0; i < n; i++) length += lengths[at + i]!;
    best = Math.max(best, count * length);
  }
  return Math.min(1, best / total);
}

function duplicateNgramShare(
  hashes: Uint32Array,
  lengths: readonly number[],
  n: number,
  total: number,
): number {
  const grams = hashes.length - n + 1;
  if (grams < 1 || total === 0) return 0;
  const counts = new KeyCounts(grams);
  let covered = 0;
  let coveredUntil = 0;
  for (let at = 0; at < grams; at++) {
    if (counts.add(ngramKey(hashes, at, n)) === 0) continue;
    for (let i = Math.max(at, coveredUntil); i < at + n; i++) covered += lengths[i]!;
    coveredUntil = at + n;
  }
  return covered / total;
}
