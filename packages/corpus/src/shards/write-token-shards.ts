import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import { ordinaryEncoder, type Tokenizer } from '../tokenizer.js';
import { shardExtension } from './format.js';
import { type ShardInfo, TokenShardWriter } from './token-shard-writer.js';

export interface WriteTokenShardsOptions {
  /** Folder for `<name>-00000.tokens`, … */
  directory: string;
  /** Default `train`. */
  name?: string;
  tokenizer: Tokenizer;
  /** Appended to every document. Default: nothing. */
  endOfText?: number | undefined;
  /** A shard ends with the first document that brings it to so many tokens. Default 100 million. */
  shardTokens?: number;
  signal?: AbortSignal;
}

/** Tokenises a stream of texts into shards. Memory holds one document and a write buffer. */
export async function writeTokenShards(
  texts: Iterable<string | { text: string }> | AsyncIterable<string | { text: string }>,
  options: WriteTokenShardsOptions,
): Promise<ShardInfo[]> {
  const { directory, name = 'train', tokenizer, endOfText, shardTokens = 100_000_000, signal } = options;
  if (!(shardTokens > 0)) throw new ConfigError('shardTokens', `must be positive, received ${shardTokens}`);
  const encode = ordinaryEncoder(tokenizer);
  const shards: ShardInfo[] = [];
  let writer: TokenShardWriter | undefined;
  try {
    for await (const each of texts) {
      signal?.throwIfAborted();
      writer ??= new TokenShardWriter(
        join(directory, `${name}-${String(shards.length).padStart(5, '0')}${shardExtension}`),
        { vocabSize: tokenizer.vocabSize, fingerprint: tokenizer.fingerprint, endOfText },
      );
      writer.append(encode(typeof each === 'string' ? each : each.text), { end: endOfText });
      if (writer.tokenCount >= shardTokens) {
        shards.push(writer.finish());
        writer = undefined;
      }
    }
    if (writer) shards.push(writer.finish());
  } catch (error) {
    writer?.abort();
    throw error;
  }
  return shards;
}
