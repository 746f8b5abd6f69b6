import type { FuzzyParameters } from '../../dedup/deduplication-index.js';
import { type ParquetSchema, readParquetGroups } from '../../parquet.js';
import { groupKey } from '../groups.js';
import { stageFile, type TaskContext } from '../task.js';

/** Parquet columns of the documents that `ingest` and `clean` write. */
export const documentSchema = {
  id: 'string',
  text: 'string',
  url: 'string',
  language: 'string',
  quality: 'double',
} as const satisfies ParquetSchema;

export type DocumentRow = {
  id: string;
  text: string;
  url: string | null;
  language: string | null;
  quality: number | null;
};

export const bandColumn = (band: number): string => `band${String(band).padStart(3, '0')}`;

/** Parquet columns of the features: one row per document of `ingest`. */
export function featureSchema(fuzzy: FuzzyParameters | null): ParquetSchema {
  const schema: Record<string, 'binary' | 'int32' | 'double'> = {
    hash: 'binary',
    length: 'int32',
    quality: 'double',
  };
  if (fuzzy) {
    schema.shingleCount = 'int32';
    for (let band = 0; band < fuzzy.banding.bands; band++) schema[bandColumn(band)] = 'int32';
    schema.shingles = 'binary';
  }
  return schema;
}

/** Documents are numbered over all groups; `starts[group]` is the number of a group's first. */
export interface Numbering {
  total: number;
  /** `[groups + 1]` */
  starts: number[];
}

export function numberDocuments(counts: readonly number[]): Numbering {
  const starts = [0];
  for (const count of counts) starts.push(starts.at(-1)! + count);
  return { starts, total: starts.at(-1)! };
}

/** Calls `visit` for every row of a Parquet file that `ingest` wrote per group, with the document's number. */
export async function forEachRow(
  context: TaskContext,
  { starts }: Numbering,
  file: 'documents' | 'features',
  columns: string[],
  visit: (row: Record<string, unknown>, document: number) => void,
): Promise<void> {
  for (let group = 0; group + 1 < starts.length; group++) {
    let document = starts[group]!;
    if (document === starts[group + 1]) continue;
    const path = stageFile(context, 'ingest', `${groupKey(group)}.${file}.parquet`);
    for await (const rows of readParquetGroups(path, { columns })) {
      context.signal?.throwIfAborted();
      for (const row of rows) visit(row, document++);
    }
  }
}

/** A binary Parquet value as 32-bit words. */
export function asWords(value: unknown): Uint32Array {
  const bytes = value as Uint8Array;
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** 32-bit words as a binary Parquet value. */
export const asBytes = (words: Uint32Array): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
