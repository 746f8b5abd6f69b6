import { InvalidVocabularyError } from '@gpt-lineage/tokenizer-bpe';
import { SLACK, TokenTable } from './token-table.js';
import type { Vocabulary } from './vocabulary.js';

/** Longer tokens are refused: rebuilding their merges takes time that grows with the square. */
const LONGEST_TOKEN = 1024;
const ID_LIMIT = (1 << 20) - 1;

/**
 * Ranks as tiktoken has them: the text of a `.tiktoken` file (a token in base64, a space, its rank, one per line),
 * the bytes of such a file, or pairs of token and rank, with the token as bytes or in base64.
 */
export type RankSource =
  | string
  | Uint8Array
  | Readonly<Record<string, number>>
  | Iterable<readonly [token: Uint8Array | string, rank: number]>;

/**
 * A vocabulary from ranks, and the merges behind it: the last two parts before byte-pair merging, with these same
 * ranks, completes a token. Ranks are ids; gaps between them stay unused (p50k_base has one).
 *
 * @throws {InvalidVocabularyError} for a malformed line, a rank that is no whole number, two tokens of one rank, a
 *   token listed twice or longer than 1,024 bytes, and when one of the 256 single bytes is missing
 */
export function vocabularyFromRanks(source: RankSource): Vocabulary {
  const tokens: Uint8Array[] = [];
  let byteCount = 0;
  for (const [token, rank] of entriesOf(source)) {
    if (!Number.isInteger(rank) || rank < 0 || rank >= ID_LIMIT) {
      throw new InvalidVocabularyError(`ranks: ${rank} is not a whole number from 0 to ${ID_LIMIT - 1}`);
    }
    if (tokens[rank] !== undefined) throw new InvalidVocabularyError(`ranks: two tokens have rank ${rank}`);
    if (token.length === 0 || token.length > LONGEST_TOKEN) {
      throw new InvalidVocabularyError(
        `ranks: the token of rank ${rank} has ${token.length} bytes, expected 1 to ${LONGEST_TOKEN}`,
      );
    }
    tokens[rank] = token;
    byteCount += token.length;
  }
  const size = tokens.length;
  const bytes = new Uint8Array(byteCount + SLACK);
  const offsets = new Int32Array(size + 1);
  const byteIds = new Int32Array(256).fill(-1);
  for (let id = 0; id < size; id++) {
    const token = tokens[id];
    offsets[id + 1] = offsets[id]! + (token?.length ?? 0);
    if (token === undefined) continue;
    bytes.set(token, offsets[id]!);
    if (token.length === 1) byteIds[token[0]!] = id;
  }
  const missing = byteIds.findIndex((id) => id < 0);
  if (missing >= 0) {
    const name = `0x${missing.toString(16).padStart(2, '0')}`;
    throw new InvalidVocabularyError(
      `ranks: the single byte ${name} has no rank, so a text with it could not be encoded; all 256 are needed`,
    );
  }
  const table = new TokenTable(bytes, offsets);
  const view = new DataView(bytes.buffer);
  const lefts = new Int32Array(size);
  const rights = new Int32Array(size);
  const results = new Int32Array(size).fill(-1);
  for (let id = 0; id < size; id++) {
    const from = offsets[id]!;
    const to = offsets[id + 1]!;
    if (to === from) continue;
    if (table.find(view, from, to) !== id) {
      throw new InvalidVocabularyError(`ranks: the token of rank ${id} is listed twice`);
    }
    if (to - from === 1) continue;
    const middle = lastSplit(table, view, from, to);
    if (middle < 0) continue; // found as a whole piece only
    lefts[id] = table.find(view, from, middle);
    rights[id] = table.find(view, middle, to);
    results[id] = id;
  }
  return { bytes, offsets, byteIds, lefts, rights, results };
}

/** Where the last two parts of `view[from … to)` meet when it is merged by rank; -1 when more parts stay. */
function lastSplit(table: TokenTable, view: DataView, from: number, to: number): number {
  const starts: number[] = [];
  for (let at = from; at <= to; at++) starts.push(at);
  const rankAt = (i: number) =>
    i + 2 < starts.length ? ranked(table.find(view, starts[i]!, starts[i + 2]!)) : Number.POSITIVE_INFINITY;
  const ranks = starts.slice(0, -2).map((_, i) => rankAt(i));
  while (starts.length > 3) {
    let at = 0;
    for (let i = 1; i < ranks.length; i++) if (ranks[i]! < ranks[at]!) at = i;
    if (ranks[at] === Number.POSITIVE_INFINITY) return -1;
    starts.splice(at + 1, 1);
    ranks.splice(at, 1);
    if (at < ranks.length) ranks[at] = rankAt(at);
    if (at > 0) ranks[at - 1] = rankAt(at - 1);
  }
  return starts[1]!;
}

function ranked(id: number): number {
  return id < 0 ? Number.POSITIVE_INFINITY : id;
}

function* entriesOf(source: RankSource): Generator<readonly [Uint8Array, number]> {
  if (source instanceof Uint8Array) source = new TextDecoder().decode(source);
  if (typeof source === 'string') {
    let number = 0;
    for (const line of source.split('\n')) {
      number++;
      if (line.trim() === '') continue;
      const match = /^([A-Za-z0-9+/]+={0,2}) (\d+)\r?$/.exec(line);
      if (match === null) {
        const shown = JSON.stringify(line.slice(0, 40));
        throw new InvalidVocabularyError(`ranks: line ${number} is not "base64 rank": ${shown}`);
      }
      yield [fromBase64(match[1]!), Number(match[2])];
    }
    return;
  }
  if (typeof source !== 'object' || source === null) {
    throw new InvalidVocabularyError(
      `ranks: expected the text of a .tiktoken file or pairs of token and rank`,
    );
  }
  const pairs = Symbol.iterator in source ? source : Object.entries(source);
  for (const [token, rank] of pairs) yield [typeof token === 'string' ? fromBase64(token) : token, rank];
}

function fromBase64(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch (cause) {
    throw new InvalidVocabularyError(`ranks: ${JSON.stringify(text.slice(0, 40))} is not base64`, { cause });
  }
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}
