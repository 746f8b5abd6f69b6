import { createHash } from 'node:crypto';
import { type Banding, bandKeys } from './bands.js';
import { MinHasher } from './minhash.js';
import { shingleHashes } from './shingles.js';

/** Plain data: travels to workers and into fingerprints. */
export interface FeatureParameters {
  permutations: number;
  ngram: number;
  seed: number;
  banding: Banding;
}

/** What deduplication keeps of a text. */
export interface TextFeatures {
  /** First 16 bytes of the SHA-256 of the text: equal texts. */
  hash: Uint8Array;
  /** `[bands]` */
  keys: Uint32Array;
  /** Sorted distinct shingles. */
  shingles: Uint32Array;
}

/** First 128 bits of SHA-256. */
export const contentHash = (text: string): Uint8Array =>
  new Uint8Array(createHash('sha256').update(text).digest().subarray(0, 16));

/** A function from text to features; `null` parameters give the content hash only. */
export function featureExtractor(parameters: FeatureParameters | null): (text: string) => TextFeatures {
  if (!parameters) {
    const none = new Uint32Array();
    return (text) => ({ hash: contentHash(text), keys: none, shingles: none });
  }
  const { permutations, ngram, seed, banding } = parameters;
  const hasher = new MinHasher(permutations, seed);
  return (text) => {
    const shingles = shingleHashes(text, ngram);
    return { hash: contentHash(text), keys: bandKeys(hasher.signature(shingles), banding), shingles };
  };
}
