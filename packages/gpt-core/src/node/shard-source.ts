import { TokenShardReader } from '@gpt-lineage/corpus';
import { DataError } from '../data/errors.js';
import type { TextSource } from '../data/text-source.js';
import { subStore, type TokenStore } from '../data/token-store.js';
import { type WindowOptions, windowSource, windowValidation } from '../data/window-source.js';

export interface ShardSourceOptions
  extends Omit<WindowOptions, 'tokenizerFingerprint' | 'vocabSize' | 'documentEnd'> {
  /** Share of the tokens, at the end, that is held out. Default 0.01; 0 holds out nothing. */
  validationFraction?: number;
  /** Keep attention inside documents. Default: `true` when the shards mark where documents end. */
  separateDocuments?: boolean;
  /** Check the shards' checksums first. Default `false`: it reads everything once. */
  verify?: boolean;
}

/** A source over token shards, and the reader to close when it is no longer used. */
export interface ShardSource extends TextSource {
  readonly reader: TokenShardReader;
}

/**
 * Windows over the token shards that the corpus package writes (or nanoGPT's `.bin` files), read from disk as they
 * are drawn.
 *
 * @param path a shard, a folder of shards, or a list of shards
 * @throws {ShardError} when a shard is damaged, {@link DataError} when they hold too little
 */
export function shardSource(path: string | readonly string[], options: ShardSourceOptions): ShardSource {
  const { validationFraction = 0.01, separateDocuments, verify = false, name = 'shards', ...rest } = options;
  if (!(validationFraction >= 0 && validationFraction < 1))
    throw new DataError(`validationFraction must be at least 0 and below 1, received ${validationFraction}.`);
  const reader = new TokenShardReader(path, { verify });
  try {
    const { tokenCount, endOfText, vocabSize, fingerprint } = reader;
    const store = tokenStore(reader);
    const windows: WindowOptions = {
      ...rest,
      ...(vocabSize > 0 && { vocabSize }),
      ...(fingerprint !== '' && { tokenizerFingerprint: fingerprint }),
      ...(endOfText !== null && separateDocuments !== false && { documentEnd: endOfText }),
    };
    const cut = Math.floor(tokenCount * (1 - validationFraction));
    return {
      reader,
      train: windowSource(subStore(store, 0, cut), { ...windows, name }),
      validation:
        validationFraction === 0
          ? undefined
          : windowValidation(subStore(store, cut, tokenCount), {
              ...windows,
              name: `the held-out end of ${name}`,
            }),
    };
  } catch (error) {
    reader.close();
    throw error;
  }
}

/** Shards as a store; windows of one length after the other need no new array. */
function tokenStore(reader: TokenShardReader): TokenStore {
  const scratch = (length: number) =>
    reader.dtype === 'uint16' ? new Uint16Array(length) : new Uint32Array(length);
  let window = scratch(0);
  return {
    length: reader.tokenCount,
    read(start, target) {
      if (window.length !== target.length) window = scratch(target.length);
      reader.readInto(window, start);
      target.set(window);
    },
  };
}
