import { ParquetFileWriter, readParquetGroups } from '../../parquet.js';
import { hash32 } from '../../random.js';
import { TokenShardWriter } from '../../shards/token-shard-writer.js';
import { groupKey } from '../groups.js';
import { loadTokenizer } from '../load-tokenizer.js';
import { stageFile, type TaskContext } from '../task.js';

export interface TokeniseResult {
  documents: number;
  tokens: number;
  /** UTF-8 bytes of the text. */
  bytes: number;
  validationDocuments: number;
}

let loaded: { key: unknown; tokenizer: ReturnType<typeof loadTokenizer> } | undefined;

/** One tokenizer per thread and configuration: vocabularies take a while to load. */
function cachedTokenizer(context: TaskContext): ReturnType<typeof loadTokenizer> {
  const { tokenizer, endOfText } = context.config;
  const key =
    typeof tokenizer === 'object' && 'encode' in tokenizer
      ? tokenizer
      : JSON.stringify([tokenizer, endOfText ?? 'default', context.baseDirectory]);
  if (loaded?.key !== key) loaded = { key, tokenizer: loadTokenizer(context.config, context.baseDirectory) };
  return loaded.tokenizer;
}

/** Tokenises the documents of one group into a shard of its own, and notes which go to validation. */
export async function tokeniseGroup(context: TaskContext, input: { group: number }): Promise<TokeniseResult> {
  const { tokenizer, encode, endOfText } = await cachedTokenizer(context);
  const { seed, shards } = context.config;
  const key = groupKey(input.group);
  using shard = new TokenShardWriter(stageFile(context, 'tokenise', `${key}.tokens`), {
    vocabSize: tokenizer.vocabSize,
    fingerprint: tokenizer.fingerprint,
    endOfText: endOfText ?? undefined,
  });
  using splits = await ParquetFileWriter.create<{ validation: number }>(
    stageFile(context, 'tokenise', `${key}.splits.parquet`),
    { validation: 'int32' },
  );
  const result: TokeniseResult = { documents: 0, tokens: 0, bytes: 0, validationDocuments: 0 };
  const path = stageFile(context, 'clean', `${key}.parquet`);
  for await (const rows of readParquetGroups(path, { columns: ['id', 'text'] })) {
    for (const { id, text } of rows as { id: string; text: string }[]) {
      context.signal?.throwIfAborted();
      shard.append(encode(text), { end: endOfText });
      result.bytes += Buffer.byteLength(text);
      const validation = hash32(seed, 'validation', id) / 0x100000000 < shards.validation ? 1 : 0;
      result.validationDocuments += validation;
      await splits.write({ validation });
    }
  }
  await splits.finish();
  const info = shard.finish();
  result.documents = info.documentCount;
  result.tokens = info.tokenCount;
  return result;
}
