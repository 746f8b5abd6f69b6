import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AsyncBuffer, FileMetaData, SchemaElement } from 'hyparquet';
import type { ParquetWriter } from 'hyparquet-writer';
import { publish, temporaryName } from './atomic-file.js';
import { FileError } from './errors.js';

/** Column types that the intermediate files use. */
export type ParquetColumnType = 'string' | 'binary' | 'int32' | 'double';
export type ParquetSchema = Readonly<Record<string, ParquetColumnType>>;
export type ParquetValue = string | Uint8Array | number | null;
export type ParquetRecord = Record<string, unknown>;

const elements: Record<ParquetColumnType, Omit<SchemaElement, 'name'>> = {
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  binary: { type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  int32: { type: 'INT32', repetition_type: 'OPTIONAL' },
  double: { type: 'DOUBLE', repetition_type: 'OPTIONAL' },
};

const rowGroupBytes = 8 * 1024 * 1024;
const rowGroupRows = 20_000;

/**
 * Writes rows to a Parquet file (Snappy, any reader opens it), a row group at a time, so memory holds one group. The
 * file appears under its name in {@link finish}. The same rows give the same bytes.
 */
export class ParquetFileWriter<Row extends Record<string, ParquetValue>> {
  rowCount = 0;
  private readonly path: string;
  private readonly temporary: string;
  private readonly schema: ParquetSchema;
  private readonly writer: ParquetWriter;
  private columns: Record<string, ParquetValue[]>;
  private rows = 0;
  private bytes = 0;
  private open = true;

  private constructor(path: string, temporary: string, schema: ParquetSchema, writer: ParquetWriter) {
    this.path = path;
    this.temporary = temporary;
    this.schema = schema;
    this.writer = writer;
    this.columns = emptyColumns(schema);
  }

  static async create<Row extends Record<string, ParquetValue>>(
    path: string,
    schema: ParquetSchema,
  ): Promise<ParquetFileWriter<Row>> {
    const { ParquetWriter, fileWriter } = await import('hyparquet-writer');
    mkdirSync(dirname(path), { recursive: true });
    const temporary = temporaryName(path);
    const names = Object.keys(schema);
    const writer = new ParquetWriter({
      writer: fileWriter(temporary),
      schema: [
        { name: 'root', num_children: names.length },
        ...names.map((name) => ({ name, ...elements[schema[name]!] })),
      ],
      statistics: false,
      createdBy: 'gpt-lineage corpus',
    });
    return new ParquetFileWriter(path, temporary, schema, writer);
  }

  async write(row: Row): Promise<void> {
    for (const name of Object.keys(this.schema)) {
      const value = row[name] ?? null;
      this.columns[name]!.push(value);
      this.bytes += value === null || typeof value === 'number' ? 8 : value.length;
    }
    this.rows++;
    this.rowCount++;
    if (this.rows >= rowGroupRows || this.bytes >= rowGroupBytes) await this.flush();
  }

  async finish(): Promise<void> {
    await this.flush();
    await this.writer.finish();
    this.open = false;
    publish(this.temporary, this.path);
  }

  /** Removes the temporary file unless finished. */
  [Symbol.dispose](): void {
    if (!this.open) return;
    this.open = false;
    rmSync(this.temporary, { force: true });
  }

  private async flush(): Promise<void> {
    if (this.rows === 0) return;
    const columnData = Object.entries(this.columns).map(([name, data]) => ({ name, data }));
    await this.writer.write({ columnData, rowGroupSize: this.rows });
    this.columns = emptyColumns(this.schema);
    this.rows = 0;
    this.bytes = 0;
  }
}

const emptyColumns = (schema: ParquetSchema): Record<string, ParquetValue[]> =>
  Object.fromEntries(Object.keys(schema).map((name) => [name, []]));

/** Random access to bytes, as a Parquet reader needs it. */
export interface ByteSource {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
  close(): void;
}

export function openLocalBytes(path: string): ByteSource {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (cause) {
    throw new FileError(path, 'missing', 'cannot be opened', { cause });
  }
  const { size } = fstatSync(descriptor);
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(Math.max(0, end - start));
      for (let done = 0; done < bytes.length; ) {
        const got = readSync(descriptor, bytes, done, bytes.length - done, start + done);
        if (got === 0) throw new FileError(path, 'truncated', 'ended while it was read');
        done += got;
      }
      return bytes.buffer;
    },
    close: () => closeSync(descriptor),
  };
}

/**
 * Records of a Parquet file in order, one row group at a time.
 *
 * @param columns Default: all
 * @throws {FileError} when the file is not valid Parquet
 */
export async function* readParquet(
  path: string,
  { columns, bytes }: { columns?: string[]; bytes?: ByteSource } = {},
): AsyncGenerator<ParquetRecord> {
  for await (const group of readParquetGroups(path, {
    ...(columns && { columns }),
    ...(bytes && { bytes }),
  })) {
    yield* group;
  }
}

/** As {@link readParquet}, a row group at a time: cheaper for narrow columns. */
export async function* readParquetGroups(
  path: string,
  { columns, bytes }: { columns?: string[]; bytes?: ByteSource } = {},
): AsyncGenerator<ParquetRecord[]> {
  const [{ parquetMetadataAsync, parquetReadObjects }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  const source = bytes ?? openLocalBytes(path);
  try {
    const file: AsyncBuffer = source;
    let metadata: FileMetaData;
    try {
      metadata = await parquetMetadataAsync(file);
    } catch (cause) {
      if (cause instanceof FileError) throw cause;
      throw new FileError(path, 'corrupt', 'is not a valid Parquet file (or its end is missing)', { cause });
    }
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      let rows: ParquetRecord[];
      try {
        rows = await parquetReadObjects({
          file,
          metadata,
          rowStart,
          rowEnd,
          compressors,
          utf8: false,
          ...(columns && { columns }),
        });
      } catch (cause) {
        if (cause instanceof FileError) throw cause;
        throw new FileError(path, 'corrupt', `row group of rows ${rowStart} to ${rowEnd} cannot be read`, {
          cause,
        });
      }
      if (rows.length !== rowEnd - rowStart) {
        throw new FileError(path, 'corrupt', `row group holds ${rows.length} of ${rowEnd - rowStart} rows`);
      }
      yield rows;
      rowStart = rowEnd;
    }
  } finally {
    source.close();
  }
}
