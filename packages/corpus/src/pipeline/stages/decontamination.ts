import { ContaminationIndex, type EvaluationSet } from '../../decontaminate/contamination-index.js';
import { ParquetFileWriter, readParquet } from '../../parquet.js';
import { expandInputs } from '../../read/input-files.js';
import { readRecords } from '../../read/record-stream.js';
import { groupKey } from '../groups.js';
import { hashJson, stageFile, type TaskContext } from '../task.js';
import { readDecisions } from './duplicates.js';

/** One example with the record it came from. */
export interface EvaluationRecord {
  text: string;
  fields: Record<string, unknown>;
}

let cached: { key: string; index: ContaminationIndex; records: EvaluationRecord[][] } | undefined;

/** The index of the run's evaluation sets; built once per thread. */
export async function loadEvaluationSets(context: TaskContext): Promise<NonNullable<typeof cached>> {
  const { sets, n } = context.config.decontaminate!;
  const key = hashJson([context.baseDirectory, sets, n]);
  if (cached?.key === key) return cached;
  const records: EvaluationRecord[][] = [];
  for (const { files, fields, columns } of sets) {
    const examples: EvaluationRecord[] = [];
    for (const file of await expandInputs(files, { cwd: context.baseDirectory })) {
      for await (const record of readRecords(file, { signal: context.signal, separator: 'line', columns })) {
        examples.push({ text: stringsOf(record.fields, fields).join('\n'), fields: record.fields });
      }
    }
    records.push(examples);
  }
  const evaluationSets = sets.map(
    ({ name }, i): EvaluationSet => ({ name, examples: records[i]!.map(({ text }) => text) }),
  );
  cached = { key, index: new ContaminationIndex(evaluationSets, { n }), records };
  return cached;
}

/** The named fields, or every string in the record, however deep. */
function stringsOf(fields: Record<string, unknown>, names: readonly string[] | undefined): string[] {
  const strings: string[] = [];
  const visit = (value: unknown) => {
    if (typeof value === 'string') strings.push(value);
    else if (typeof value === 'object' && value !== null)
      for (const each of Object.values(value)) visit(each);
  };
  if (names) for (const name of names) visit(fields[name]);
  else visit(fields);
  return strings;
}

/** Counts, for one group, in how many documents that stay each evaluation gram occurs. */
export async function scanGroup(context: TaskContext, input: { group: number }): Promise<{ grams: number }> {
  const { index } = await loadEvaluationSets(context);
  const decisions = await readDecisions(context, input.group);
  const counts = new Map<number, number>();
  let row = 0;
  const path = stageFile(context, 'ingest', `${groupKey(input.group)}.documents.parquet`);
  for await (const { text } of readParquet(path, { columns: ['text'] })) {
    context.signal?.throwIfAborted();
    if (decisions.has(row++)) continue;
    for (const gram of index.gramsIn(text as string)) counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  const output = stageFile(context, 'scan', `${groupKey(input.group)}.parquet`);
  using writer = await ParquetFileWriter.create<{ gram: number; documents: number }>(output, {
    gram: 'int32',
    documents: 'int32',
  });
  for (const [gram, documents] of [...counts].sort((a, b) => a[0] - b[0]))
    await writer.write({ gram, documents });
  await writer.finish();
  return { grams: counts.size };
}

/** Documents per gram over all groups. */
export async function gramCounts(context: TaskContext, groups: number, size: number): Promise<Uint32Array> {
  const counts = new Uint32Array(size);
  for (let group = 0; group < groups; group++) {
    for await (const { gram, documents } of readParquet(
      stageFile(context, 'scan', `${groupKey(group)}.parquet`),
    )) {
      counts[gram as number]! += documents as number;
    }
  }
  return counts;
}
