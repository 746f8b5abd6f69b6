import type { MergeTable } from '@gpt-lineage/tokenizer-bpe';
import { byteOrder } from './byte-alphabet.js';
import { readNumbers } from './encodings/packed-numbers.js';
import { SLACK } from './token-table.js';

/** Bytes of every token, and the merges that make tokens from tokens. */
export interface Vocabulary {
  /** The bytes of all tokens, in the order of their ids. */
  bytes: Uint8Array;
  /** Token `id` is `bytes[offsets[id] … offsets[id + 1])`; empty where no token has the id. */
  offsets: Int32Array;
  /** `byteIds[byte]`: id of the single byte. */
  byteIds: Int32Array;
  /** `byteEndIds[byte]`: id of the byte at the end of a word (`</w>`), in vocabularies that tell them apart. */
  byteEndIds?: Int32Array | undefined;
  /** Ids of the two halves of every merge, in order of rank. */
  lefts: Int32Array;
  rights: Int32Array;
  /** `results[rank]`: the id a merge makes, -1 for none. */
  results: Int32Array;
}

/**
 * The form in which encodings are shipped: 256 bytes in GPT-2's order, then one token per pair of earlier ids.
 * The rank of a merge is the id it makes.
 *
 * @param parts pairs and the id of their first token; ids between two parts stay empty
 */
export function vocabularyFromPairs(parts: readonly { from: number; pairs: string }[]): Vocabulary {
  const decoded = parts.map(({ from, pairs }) => {
    const numbers = new Int32Array(pairs.length >> 1);
    const count = readNumbers(pairs, numbers) >> 1;
    return { from, numbers, count };
  });
  const last = decoded[decoded.length - 1]!;
  const size = last.from + last.count;
  const lefts = new Int32Array(size);
  const rights = new Int32Array(size);
  const results = new Int32Array(size).fill(-1);
  const offsets = new Int32Array(size + 1);
  const byteIds = new Int32Array(256);
  for (let id = 0; id < 256; id++) {
    byteIds[byteOrder[id]!] = id;
    offsets[id + 1] = id + 1;
  }
  let bytes = new Uint8Array(size * 8 + SLACK);
  bytes.set(byteOrder);
  let next = 256;
  let end = 256;
  for (const { from, numbers, count } of decoded) {
    offsets.fill(end, next, from + 1);
    next = from;
    for (let i = 0; i < count; i++) {
      const left = numbers[2 * i]!;
      const right = numbers[2 * i + 1]!;
      lefts[next] = left;
      rights[next] = right;
      results[next] = next;
      const leftStart = offsets[left]!;
      const rightStart = offsets[right]!;
      const middle = end + offsets[left + 1]! - leftStart;
      const start = end;
      end = middle + offsets[right + 1]! - rightStart;
      if (end + SLACK > bytes.length) bytes = withRoom(bytes, end + SLACK);
      for (let at = start; at < middle; at++) bytes[at] = bytes[leftStart + at - start]!;
      for (let at = middle; at < end; at++) bytes[at] = bytes[rightStart + at - middle]!;
      offsets[++next] = end;
    }
  }
  return { bytes: bytes.subarray(0, end + SLACK), offsets, byteIds, lefts, rights, results };
}

function withRoom(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(size, bytes.length * 2));
  larger.set(bytes);
  return larger;
}

/** The bytes of one token. */
export function tokenBytes({ bytes, offsets }: Vocabulary, id: number): Uint8Array {
  return bytes.subarray(offsets[id]!, offsets[id + 1]!);
}

/**
 * Ranks of the merges that made each token (-1 for single bytes, -2 for none), when every token is made by at most
 * one merge, of tokens made before it. `undefined` for vocabularies that are not like that.
 */
export function ranksOfTokens(vocabulary: Vocabulary): Int32Array | undefined {
  const { lefts, rights, results, offsets, byteIds, byteEndIds } = vocabulary;
  const ranks = new Int32Array(offsets.length - 1).fill(-2);
  for (const id of byteIds) ranks[id] = -1;
  for (const id of byteEndIds ?? []) ranks[id] = -1;
  for (let rank = 0; rank < results.length; rank++) {
    const id = results[rank]!;
    if (id < 0) continue;
    if (ranks[id] !== -2 || ranks[lefts[rank]!] === -2 || ranks[rights[rank]!] === -2) return undefined;
    ranks[id] = rank;
  }
  return ranks;
}

/**
 * Whether byte-pair merging of a token's own bytes gives that token, for every token. Then looking pieces up is only
 * a shortcut. True for every vocabulary that was trained; not for every list that somebody wrote.
 */
export function mergesReachEveryToken(vocabulary: Vocabulary, merges: MergeTable): boolean {
  const { lefts, rights, offsets } = vocabulary;
  const ranks = ranksOfTokens(vocabulary);
  if (ranks === undefined) return false;
  for (let id = 0; id < ranks.length; id++) {
    const rank = ranks[id]!;
    if (rank === -1 || (rank === -2 && offsets[id] === offsets[id + 1])) continue;
    if (rank === -2 || !stayApart(lefts[rank]!, rights[rank]!, rank, vocabulary, ranks, merges)) return false;
  }
  return true;
}

/**
 * Whether two tokens, side by side, stay as they are until rank `limit`. Runs their merging backwards: whichever was
 * made last is taken apart, and the parts that then face each other must not have had a merge that came before the
 * one just undone.
 */
export function stayApart(
  left: number,
  right: number,
  limit: number,
  { lefts, rights }: Vocabulary,
  ranks: Int32Array,
  merges: MergeTable,
): boolean {
  for (;;) {
    if (merges.rankOf(left, right) < limit) return false;
    const leftRank = ranks[left]!;
    const rightRank = ranks[right]!;
    if (leftRank > rightRank) {
      limit = leftRank;
      left = rights[leftRank]!;
    } else if (rightRank >= 0) {
      limit = rightRank + 1; // of equal ranks the one further left goes first
      right = lefts[rightRank]!;
    } else return true;
  }
}

/** CLIP's form: 256 bytes in GPT-2's order, the same at a word's end, then one token per pair of earlier ids. */
export function clipVocabulary(pairs: string): Vocabulary {
  const numbers = new Int32Array(pairs.length >> 1);
  const count = readNumbers(pairs, numbers) >> 1;
  const size = 512 + count;
  const lefts = new Int32Array(count);
  const rights = new Int32Array(count);
  const results = new Int32Array(count);
  const parts: number[][] = [];
  const byteIds = new Int32Array(256);
  const byteEndIds = new Int32Array(256);
  for (let id = 0; id < 256; id++) {
    const byte = byteOrder[id]!;
    byteIds[byte] = id;
    byteEndIds[byte] = 256 + id;
    parts[id] = [byte];
    parts[256 + id] = [byte, 0x20]; // `</w>` reads as a space
  }
  for (let rank = 0; rank < count; rank++) {
    lefts[rank] = numbers[2 * rank]!;
    rights[rank] = numbers[2 * rank + 1]!;
    results[rank] = 512 + rank;
    parts[512 + rank] = [...parts[lefts[rank]!]!, ...parts[rights[rank]!]!];
  }
  const offsets = new Int32Array(size + 1);
  for (let id = 0; id < size; id++) offsets[id + 1] = offsets[id]! + parts[id]!.length;
  const bytes = new Uint8Array(offsets[size]! + SLACK);
  for (let id = 0; id < size; id++) bytes.set(parts[id]!, offsets[id]!);
  return { bytes, offsets, byteIds, byteEndIds, lefts, rights, results };
}
