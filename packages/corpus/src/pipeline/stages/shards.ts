import { join } from 'node:path';
import { type PlannedSource, planMixture, planQuotas, type SourceQuota } from '../../mixture/plan-mixture.js';
import { ParquetFileWriter, readParquet, readParquetGroups } from '../../parquet.js';
import { TokenShardReader } from '../../shards/token-shard-reader.js';
import { type ShardInfo, TokenShardWriter } from '../../shards/token-shard-writer.js';
import { resolveWeights } from '../config.js';
import { groupKey } from '../groups.js';
import { stageFile, type TaskContext } from '../task.js';

export const splitNames = ['train', 'validation'] as const;
export type SplitName = (typeof splitNames)[number];

type PieceRow = { group: number; source: number; offset: number; length: number; continues: number };

const pieceSchema = {
  group: 'int32',
  source: 'int32',
  offset: 'double',
  length: 'int32',
  continues: 'int32',
} as const;

export interface PlanResult {
  /** Shards per split. */
  shards: Record<SplitName, number>;
  quotas: Record<SplitName, SourceQuota[]>;
}

const shardKey = (split: SplitName, shard: number): string => `${split}-${String(shard).padStart(5, '0')}`;

/** Decides the order of all pieces and which shard each goes to; one Parquet file per shard. */
export async function planShards(
  context: TaskContext,
  input: { groups: { source: number }[] },
): Promise<PlanResult> {
  const { config } = context;
  const result: PlanResult = { shards: { train: 0, validation: 0 }, quotas: { train: [], validation: [] } };
  const weights = resolveWeights(config);
  const documents = await readLengths(context, input.groups);
  for (const split of splitNames) {
    const perSource = documents[split];
    const sources = config.sources.map(
      (source, i): PlannedSource => ({
        name: source.name,
        // Validation is every held-out document once.
        weight: split === 'train' ? weights[i] : undefined,
        maxEpochs: split === 'train' ? source.maxEpochs : 1,
        lengths: perSource[i]!.lengths,
      }),
    );
    const quotas = planQuotas(sources, {
      seed: config.seed,
      tokens: split === 'train' ? config.mix.tokens : undefined,
      temperature: split === 'train' ? config.mix.temperature : undefined,
    });
    result.quotas[split] = quotas;
    let writer: ParquetFileWriter<PieceRow> | undefined;
    let tokens = 0;
    try {
      for (const piece of planMixture(sources, quotas, {
        seed: config.seed,
        pieceTokens: split === 'train' ? config.shards.pieceTokens : null,
      })) {
        writer ??= await ParquetFileWriter.create<PieceRow>(
          stageFile(context, 'plan', `${shardKey(split, result.shards[split])}.parquet`),
          pieceSchema,
        );
        const { groups, offsets } = perSource[piece.source]!;
        await writer.write({
          group: groups[piece.document]!,
          source: piece.source,
          offset: offsets[piece.document]! + piece.start,
          length: piece.length,
          continues: piece.continues ? 1 : 0,
        });
        tokens += piece.length;
        if (tokens >= config.shards.tokens) {
          await writer.finish();
          writer = undefined;
          tokens = 0;
          result.shards[split]++;
        }
      }
      if (writer) {
        await writer.finish();
        result.shards[split]++;
      }
    } finally {
      writer?.[Symbol.dispose]();
    }
  }
  return result;
}

interface SourceDocuments {
  lengths: number[];
  groups: number[];
  offsets: number[];
}

/** Length and place of every tokenised document, by split and source. */
async function readLengths(
  context: TaskContext,
  groups: readonly { source: number }[],
): Promise<Record<SplitName, SourceDocuments[]>> {
  const empty = () =>
    context.config.sources.map((): SourceDocuments => ({ lengths: [], groups: [], offsets: [] }));
  const result = { train: empty(), validation: empty() };
  for (const [group, { source }] of groups.entries()) {
    using reader = new TokenShardReader([stageFile(context, 'tokenise', `${groupKey(group)}.tokens`)]);
    const { documentOffsets: starts } = reader;
    let document = 0;
    const splits = readParquetGroups(stageFile(context, 'tokenise', `${groupKey(group)}.splits.parquet`));
    for await (const rows of splits) {
      for (const { validation } of rows) {
        const into = result[validation === 1 ? 'validation' : 'train'][source]!;
        into.lengths.push(starts[document + 1]! - starts[document]!);
        into.groups.push(group);
        into.offsets.push(starts[document]!);
        document++;
      }
    }
  }
  return result;
}

/** Copies the pieces of one shard together. */
export async function writeShard(
  context: TaskContext,
  input: { split: SplitName; shard: number },
): Promise<Omit<ShardInfo, 'path'> & { file: string }> {
  const key = shardKey(input.split, input.shard);
  const readers = new Map<number, TokenShardReader>();
  const readerOf = (group: number): TokenShardReader => {
    let reader = readers.get(group);
    if (!reader) {
      reader = new TokenShardReader([stageFile(context, 'tokenise', `${groupKey(group)}.tokens`)]);
      if (readers.size === maxOpenReaders) {
        const [oldest, unused] = readers.entries().next().value!;
        unused.close();
        readers.delete(oldest);
      }
      readers.set(group, reader);
    }
    return reader;
  };
  const file = `${key}.tokens`;
  let writer: TokenShardWriter | undefined;
  try {
    for await (const row of readParquet(stageFile(context, 'plan', `${key}.parquet`))) {
      context.signal?.throwIfAborted();
      const { group, source, offset, length, continues } = row as PieceRow;
      const reader = readerOf(group);
      writer ??= new TokenShardWriter(join(context.outputDirectory, file), {
        vocabSize: reader.vocabSize,
        fingerprint: reader.fingerprint,
        endOfText: reader.endOfText ?? undefined,
        sources: context.config.sources.map(({ name }) => name),
      });
      writer.append(reader.read(offset, length), { source, continues: continues === 1 });
    }
    const { path: _, ...info } = writer!.finish();
    return { file, ...info };
  } finally {
    writer?.abort();
    for (const reader of readers.values()) reader.close();
  }
}

const maxOpenReaders = 256;
