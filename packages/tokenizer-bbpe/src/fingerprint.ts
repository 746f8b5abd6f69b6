import { type MergeTable, sha256 } from '@gpt-lineage/tokenizer-bpe';
import type { TokenizerDefinition } from './definition.js';
import { knownPattern } from './patterns.js';
import { mergesReachEveryToken } from './vocabulary.js';

/** SHA-256 over everything that decides ids: tokens, merges, pattern, special tokens, normalisation. */
export function fingerprintOf(definition: TokenizerDefinition, merges: MergeTable): string {
  const { vocabulary, specialTokens, normalizer } = definition;
  const { bytes, offsets, lefts, rights, results } = vocabulary;
  const head = JSON.stringify([
    'byte-level-bpe',
    knownPattern(definition.pattern) ?? definition.pattern,
    [...specialTokens].sort((a, b) => a[1] - b[1]),
    [...(definition.alwaysSpecial ?? [])].sort(),
    normalizer?.name ?? null,
    definition.addPrefixSpace ?? false,
    definition.endOfWord ?? null,
    definition.wholePieces && !mergesReachEveryToken(vocabulary, merges),
  ]);
  const triples: number[] = [];
  results.forEach((id, rank) => {
    if (id >= 0) triples.push(lefts[rank]!, rights[rank]!, id);
  });
  const parts = [
    new TextEncoder().encode(head),
    new Uint8Array(Int32Array.from(offsets).buffer),
    bytes.subarray(0, offsets[offsets.length - 1]!),
    new Uint8Array(Int32Array.from(triples).buffer),
  ];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return sha256(all);
}
