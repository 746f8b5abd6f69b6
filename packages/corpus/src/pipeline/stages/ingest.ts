import { fuzzyParameters } from '../../dedup/deduplication-index.js';
import { type PartOptions, partsOf } from '../../dedup/repeated-parts.js';
import { featureExtractor } from '../../dedup/text-features.js';
import { ConfigError, FileError, type FileProblem, RecordError } from '../../errors.js';
import { ParquetFileWriter, type ParquetValue } from '../../parquet.js';
import type { ReadSummary } from '../../read/byte-stream.js';
import { readRecords } from '../../read/record-stream.js';
import { recordConverter } from '../../records/record-converter.js';
import { RecordProblem } from '../../records/record-text.js';
import type { ResolvedConfig } from '../config.js';
import { addCount, type DropReport, mergeDrops, noteDrop } from '../drop-report.js';
import { type Group, type GroupFile, groupKey } from '../groups.js';
import { stageFile, type TaskContext } from '../task.js';
import { documentFilter } from './document-filter.js';
import { asBytes, bandColumn, type DocumentRow, documentSchema, featureSchema } from './features-file.js';

/** What became of one input file. */
export interface FileReport {
  name: string;
  status: 'read' | 'skipped';
  bytes: number;
  /** Of the file as it is stored; empty for a skipped one. */
  sha256: string;
  records: number;
  documents: number;
  problem?: FileProblem;
  message?: string;
}

export interface IngestResult {
  files: FileReport[];
  records: number;
  /** Documents kept. */
  documents: number;
  characters: number;
  drops: DropReport;
  pii: Record<string, number>;
}

/** Fuzzy parameters of a run, or null when near-duplicates are not looked for. */
export function fuzzyOf(config: ResolvedConfig) {
  if (config.deduplicate === false || config.deduplicate.fuzzy === false) return null;
  const options = config.deduplicate.fuzzy === true ? {} : config.deduplicate.fuzzy;
  return fuzzyParameters(options as Parameters<typeof fuzzyParameters>[0], config.seed);
}

/** Part options of a run, or null. */
export function partOptionsOf(config: ResolvedConfig): PartOptions | null {
  if (config.deduplicate === false || config.deduplicate.parts === undefined) return null;
  const { parts } = config.deduplicate;
  return (typeof parts === 'string' ? { unit: parts } : parts) as PartOptions;
}

/**
 * Reads, normalises and filters the files of one group and computes what deduplication needs. A file that turns out
 * unusable contributes nothing, also not what was read of it before.
 */
export async function ingestGroup(context: TaskContext, group: Group): Promise<IngestResult> {
  const { config } = context;
  const source = config.sources[group.source]!;
  const result: IngestResult = { files: [], records: 0, documents: 0, characters: 0, drops: {}, pii: {} };
  const drops: DropReport[] = [];
  const output = await GroupOutput.create(context, group);
  try {
    for (const file of group.files) {
      // Alone in its group, a file may be too large to hold; among small ones, its documents wait for its end.
      const alone = group.files.length === 1;
      const rows: DocumentRow[] = [];
      const report: FileReport = {
        name: file.name,
        status: 'read',
        bytes: 0,
        sha256: '',
        records: 0,
        documents: 0,
      };
      const fileDrops: DropReport = {};
      const pii: Record<string, number> = {};
      try {
        const filter = await documentFilter(context, source, pii);
        for await (const row of documentsOf(context, file, source, report, fileDrops, filter)) {
          context.signal?.throwIfAborted();
          report.documents++;
          if (alone) await output.write(row);
          else rows.push(row);
        }
      } catch (error) {
        const recordFails = error instanceof RecordError;
        if (!(error instanceof FileError) || recordFails || config.errors.file === 'fail') throw error;
        if (alone) await output.restart();
        result.files.push({
          ...report,
          status: 'skipped',
          sha256: '',
          documents: 0,
          problem: error.problem,
          message: error.message.replaceAll(file.path, file.name),
        });
        continue;
      }
      for (const row of rows) await output.write(row);
      result.files.push(report);
      result.records += report.records;
      drops.push(fileDrops);
      for (const [kind, count] of Object.entries(pii)) addCount(result.pii, kind, count);
    }
    await output.finish();
  } catch (error) {
    output.abort();
    throw error;
  }
  result.documents = output.documents;
  result.characters = output.characters;
  result.drops = mergeDrops(drops);
  return result;
}

async function* documentsOf(
  context: TaskContext,
  file: GroupFile,
  source: ResolvedConfig['sources'][number],
  report: FileReport,
  drops: DropReport,
  filter: Awaited<ReturnType<typeof documentFilter>>,
): AsyncGenerator<DocumentRow> {
  const { config } = context;
  const convert = recordConverter(source.kind, source.fields, source.kindOptions, config.seed);
  const bad = (error: RecordError) => {
    if (config.errors.record === 'fail') throw error;
    noteDrop(
      drops,
      'bad-record',
      `${file.name}:${error.line}`,
      error.message.replaceAll(file.path, file.name),
    );
  };
  const records = readRecords(file, {
    encoding: source.encoding,
    separator: source.separator,
    columns: source.columns,
    maxRecordBytes: config.maxRecordBytes,
    signal: context.signal,
    onBadRecord: bad,
    onEnd: ({ bytes, sha256 }: ReadSummary) => {
      report.bytes = bytes;
      report.sha256 = sha256;
    },
  });
  for await (const { line, fields } of records) {
    report.records++;
    let texts: ReturnType<typeof convert>;
    try {
      texts = convert(fields, { file: file.name, line });
    } catch (error) {
      if (!(error instanceof RecordProblem)) throw error;
      bad(new RecordError(file.path, line, error.field, error.message));
      continue;
    }
    for (const [i, { text, id: given, url }] of texts.entries()) {
      const base = given ?? `${file.name}:${line}`;
      const id = texts.length === 1 ? base : `${base}/${i}`;
      const verdict = filter(text, id);
      if (!verdict.keep) {
        noteDrop(drops, verdict.reason, id, verdict.detail);
        continue;
      }
      const { language, quality } = verdict;
      yield { id, text: verdict.text, url: url ?? null, language, quality };
    }
  }
}

/** The Parquet files of one group, written side by side. */
class GroupOutput {
  documents = 0;
  characters = 0;
  private readonly context: TaskContext;
  private readonly group: Group;
  private writers: Writers;
  private readonly features;
  private readonly parts: PartOptions | null;
  private readonly fuzzy;

  private constructor(context: TaskContext, group: Group, writers: Writers) {
    this.context = context;
    this.group = group;
    this.writers = writers;
    this.fuzzy = fuzzyOf(context.config);
    this.features = featureExtractor(this.fuzzy);
    this.parts = partOptionsOf(context.config);
  }

  static async create(context: TaskContext, group: Group): Promise<GroupOutput> {
    return new GroupOutput(context, group, await openWriters(context, group));
  }

  async write(row: DocumentRow): Promise<void> {
    const { documents, features, parts } = this.writers;
    const number = this.documents++;
    this.characters += row.text.length;
    await documents.write(row);
    const { hash, keys, shingles } = this.features(row.text);
    const values: Record<string, ParquetValue> = { hash, length: row.text.length, quality: row.quality ?? 0 };
    if (this.fuzzy) {
      values.shingleCount = shingles.length;
      values.shingles = asBytes(shingles);
      for (let band = 0; band < keys.length; band++) values[bandColumn(band)] = keys[band]! | 0;
    }
    await features.write(values);
    if (parts && this.parts) {
      for (const { index, hash: partHash } of partsOf(row.text, this.parts)) {
        await parts.write({ document: number, part: index, hash: partHash });
      }
    }
  }

  /** Forgets what was written. */
  async restart(): Promise<void> {
    this.abort();
    this.writers = await openWriters(this.context, this.group);
    this.documents = 0;
    this.characters = 0;
  }

  async finish(): Promise<void> {
    for (const writer of Object.values(this.writers)) await writer?.finish();
  }

  abort(): void {
    for (const writer of Object.values(this.writers)) writer?.[Symbol.dispose]();
  }
}

interface Writers {
  documents: ParquetFileWriter<DocumentRow>;
  features: ParquetFileWriter<Record<string, ParquetValue>>;
  parts: ParquetFileWriter<{ document: number; part: number; hash: number }> | undefined;
}

async function openWriters(context: TaskContext, group: Group): Promise<Writers> {
  const path = (kind: string) => stageFile(context, 'ingest', `${groupKey(group.index)}.${kind}.parquet`);
  if (group.files.length === 0) throw new ConfigError('files', 'an empty group cannot be read');
  return {
    documents: await ParquetFileWriter.create(path('documents'), documentSchema),
    features: await ParquetFileWriter.create(path('features'), featureSchema(fuzzyOf(context.config))),
    parts: partOptionsOf(context.config)
      ? await ParquetFileWriter.create(path('parts'), { document: 'int32', part: 'int32', hash: 'double' })
      : undefined,
  };
}
