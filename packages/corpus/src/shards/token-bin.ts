import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { ConfigError, ShardError } from '../errors.js';
import { type TokenType, tokenArray } from './format.js';
import type { BinOptions } from './shard-file.js';
import { TokenShardReader } from './token-shard-reader.js';
import { type ShardInfo, TokenShardWriter } from './token-shard-writer.js';

const chunkTokens = 1 << 20;

/**
 * Writes the tokens alone, as nanoGPT's `train.bin` (`np.memmap(path, dtype=np.uint16)`).
 *
 * @param dtype Default: the reader's
 * @throws {ShardError} when an id does not fit `dtype`; nothing is written then
 */
export function exportTokenBin(
  reader: TokenShardReader,
  path: string,
  dtype: TokenType = reader.dtype,
): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'w');
  try {
    for (let offset = 0; offset < reader.tokenCount; offset += chunkTokens) {
      let tokens = reader.read(offset, Math.min(chunkTokens, reader.tokenCount - offset));
      if (dtype !== reader.dtype) {
        if (dtype === 'uint16') {
          const wide = tokens.findIndex((id) => id > 0xffff);
          if (wide >= 0)
            throw new ShardError(path, `id ${tokens[wide]} does not fit uint16; export as uint32`);
        }
        const converted = tokenArray(dtype, tokens.length);
        converted.set(tokens);
        tokens = converted;
      }
      const bytes = new Uint8Array(tokens.buffer);
      for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, path);
}

/**
 * Turns a nanoGPT or llm.c `.bin` into a token shard with a document table, cutting after each `endOfText`.
 *
 * @param options `vocabSize` is required; `endOfText` default: the file is one document
 */
export function importTokenBin(
  binPath: string,
  shardPath: string,
  options: BinOptions & { vocabSize: number; fingerprint?: string; source?: string },
): ShardInfo {
  if (options.vocabSize === undefined) throw new ConfigError('vocabSize', 'is required to import a .bin');
  using reader = new TokenShardReader([binPath], options);
  using writer = new TokenShardWriter(shardPath, {
    vocabSize: options.vocabSize,
    dtype: reader.dtype,
    endOfText: options.endOfText,
    sources: [options.source ?? ''],
    ...(options.fingerprint === undefined ? {} : { fingerprint: options.fingerprint }),
  });
  for (const { index } of reader.documents()) writer.append(reader.readDocument(index));
  return writer.finish();
}
