import { endianness } from 'node:os';
import { ShardError } from '../errors.js';

/**
 * A token shard, one file, little-endian:
 *
 * ```
 * 0        magic "GPTTOKEN"
 * 8        uint32 version (1)
 * 12       uint32 length of the JSON header
 * 16       JSON header (UTF-8)
 * tokens   uint16 or uint32 per token, at header.tokensOffset (a multiple of 4096: maps as it is)
 * starts   uint64 per document: index of its first token
 * sources  uint16 per document: index into header.sources
 * flags    uint8 per document: 1 = goes on from the previous entry of the same source
 * ```
 *
 * `numpy.memmap(path, dtype, offset=tokensOffset, shape=tokenCount)` reads the tokens without this package.
 */
export const shardMagic = 'GPTTOKEN';
export const shardVersion = 1;
export const shardExtension = '.tokens';
export const pageSize = 4096;
/** `flags` bit: the document is the rest of one that began in an earlier entry. */
export const continuesFlag = 1;

export type TokenType = 'uint16' | 'uint32';
export type TokenArray = Uint16Array | Uint32Array;

/** The JSON header. Offsets and lengths in bytes. */
export interface ShardHeader {
  dtype: TokenType;
  tokenCount: number;
  documentCount: number;
  tokensOffset: number;
  startsOffset: number;
  sourcesOffset: number;
  flagsOffset: number;
  /** Fingerprint of the tokenizer, `''` when unknown. */
  tokenizer: string;
  vocabSize: number;
  /** The id that ends every document, or null when none was written. */
  endOfText: number | null;
  /** Names that the per-document source numbers stand for. */
  sources: string[];
  /** SHA-256, hexadecimal. */
  checksums: { tokens: string; documents: string };
}

export const bytesPerToken = (dtype: TokenType): number => (dtype === 'uint16' ? 2 : 4);

export function tokenArray(dtype: TokenType, length: number): TokenArray {
  return dtype === 'uint16' ? new Uint16Array(length) : new Uint32Array(length);
}

/** The smallest type that holds every id of a vocabulary. */
export const tokenTypeFor = (vocabSize: number): TokenType => (vocabSize <= 65_536 ? 'uint16' : 'uint32');

/** Shards are read straight into typed arrays, which is right on little-endian machines only. */
export function requireLittleEndian(path: string): void {
  if (endianness() !== 'LE') throw new ShardError(path, 'token shards need a little-endian machine');
}

export const alignTo = (offset: number, alignment: number): number =>
  Math.ceil(offset / alignment) * alignment;
