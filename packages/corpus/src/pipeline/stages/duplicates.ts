import { buckets } from '../../dedup/bands.js';
import { followToKept } from '../../dedup/deduplication-index.js';
import { exactDuplicates } from '../../dedup/exact-duplicates.js';
import { keepBest } from '../../dedup/keep-best.js';
import { type Edge, verifyBand } from '../../dedup/near-duplicates.js';
import { UnionFind } from '../../dedup/union-find.js';
import { ConfigError } from '../../errors.js';
import { ParquetFileWriter, readParquet } from '../../parquet.js';
import { hash32 } from '../../random.js';
import { type Group, groupKey } from '../groups.js';
import { stageFile, type TaskContext } from '../task.js';
import { asWords, bandColumn, forEachRow, type Numbering } from './features-file.js';
import { fuzzyOf } from './ingest.js';

/** Input that all deduplication tasks share: how documents are numbered and which groups take part. */
export interface DuplicateInput {
  numbering: Numbering;
  /** Groups whose source is deduplicated. */
  groups: boolean[];
}

const keepOf = ({ config }: TaskContext) =>
  config.deduplicate === false ? 'first' : config.deduplicate.keep;

/** Only groups that take part; the numbers stay those of all groups. */
const taking = ({ numbering, groups }: DuplicateInput, document: number, at: { group: number }): boolean => {
  while (document >= numbering.starts[at.group + 1]!) at.group++;
  return groups[at.group]!;
};

/** Documents with equal text, among those whose hash falls into one partition. */
export async function findExact(
  context: TaskContext,
  input: DuplicateInput & { partition: number; partitions: number },
): Promise<{ duplicates: number }> {
  const documents: number[] = [];
  const hashes: number[] = [];
  const lengths: number[] = [];
  const qualities: number[] = [];
  const at = { group: 0 };
  await forEachRow(context, input.numbering, 'features', ['hash', 'length', 'quality'], (row, document) => {
    const hash = asWords(row.hash);
    if (hash[0]! % input.partitions !== input.partition || !taking(input, document, at)) return;
    documents.push(document);
    hashes.push(...hash);
    lengths.push(row.length as number);
    qualities.push(row.quality as number);
  });
  const path = stageFile(context, 'exact', `${groupKey(input.partition)}.parquet`);
  using writer = await ParquetFileWriter.create<{ document: number; duplicateOf: number }>(path, {
    document: 'int32',
    duplicateOf: 'int32',
  });
  for (const members of exactDuplicates(Uint32Array.from(hashes))) {
    const kept = keepBest(
      members,
      keepOf(context),
      (i) => qualities[i]!,
      (i) => lengths[i]!,
    );
    for (const member of members) {
      if (member !== kept)
        await writer.write({ document: documents[member]!, duplicateOf: documents[kept]! });
    }
  }
  await writer.finish();
  return { duplicates: writer.rowCount };
}

/** Shingles of at most so many 32-bit words are held at a time while candidates are verified. */
const shingleBudget = 1 << 26;

/** Verified near-duplicates among documents that share one of a range of bands. */
export async function findFuzzy(
  context: TaskContext,
  input: DuplicateInput & { key: number; firstBand: number; endBand: number; exactPartitions: number },
): Promise<{ edges: number; comparisons: number; cut: number }> {
  const fuzzy = fuzzyOf(context.config)!;
  const { total } = input.numbering;
  const isOut = new Uint8Array(total);
  for await (const { document } of exactRows(context, input.exactPartitions)) isOut[document] = 1;
  const at = { group: 0 };
  for (let document = 0; document < total; document++) if (!taking(input, document, at)) isOut[document] = 1;
  const members = new Uint32Array(total).map((_, i) => i).filter((i) => isOut[i] === 0);
  const clusters = new UnionFind(total);
  const path = stageFile(context, 'fuzzy', `${groupKey(input.key)}.parquet`);
  using writer = await ParquetFileWriter.create<{ a: number; b: number; similarity: number }>(path, {
    a: 'int32',
    b: 'int32',
    similarity: 'double',
  });
  const result = { edges: 0, comparisons: 0, cut: 0 };
  for (let band = input.firstBand; band < input.endBand; band++) {
    const keys = new Uint32Array(total);
    const counts = new Uint32Array(total);
    await forEachRow(
      context,
      input.numbering,
      'features',
      [bandColumn(band), 'shingleCount'],
      (row, document) => {
        keys[document] = row[bandColumn(band)] as number;
        counts[document] = row.shingleCount as number;
      },
    );
    for (const chunk of bucketChunks(keys, members, counts)) {
      const shingles = await loadShingles(context, input.numbering, chunk);
      const found = verifyBand(keys, chunk, (document) => shingles.get(document)!, clusters, fuzzy);
      for (const edge of found.edges) await writer.write({ ...edge });
      result.edges += found.edges.length;
      result.comparisons += found.comparisons;
      result.cut += found.cut;
    }
  }
  await writer.finish();
  return result;
}

/** The members of whole buckets, in portions whose shingles fit the budget. */
function* bucketChunks(keys: Uint32Array, members: Uint32Array, counts: Uint32Array): Generator<Uint32Array> {
  let chunk: number[] = [];
  let size = 0;
  for (const bucket of buckets(keys, members)) {
    let bucketSize = 0;
    for (const document of bucket) bucketSize += counts[document]!;
    if (chunk.length > 0 && size + bucketSize > shingleBudget) {
      yield Uint32Array.from(chunk).sort();
      chunk = [];
      size = 0;
    }
    for (const document of bucket) chunk.push(document);
    size += bucketSize;
  }
  if (chunk.length > 0) yield Uint32Array.from(chunk).sort();
}

async function loadShingles(
  context: TaskContext,
  numbering: Numbering,
  documents: Uint32Array,
): Promise<Map<number, Uint32Array>> {
  const wanted = new Set(documents);
  const sets = new Map<number, Uint32Array>();
  await forEachRow(context, numbering, 'features', ['shingles'], (row, document) => {
    if (wanted.has(document)) sets.set(document, asWords(row.shingles));
  });
  return sets;
}

async function* exactRows(context: TaskContext, partitions: number) {
  for (let partition = 0; partition < partitions; partition++) {
    const path = stageFile(context, 'exact', `${groupKey(partition)}.parquet`);
    yield* readParquet(path) as AsyncGenerator<{ document: number; duplicateOf: number }>;
  }
}

/** Why a document goes. */
export type DecisionKind = 'exact' | 'fuzzy' | 'duplicate-id';

export type DecisionRow = {
  /** Row within the group. */
  row: number;
  duplicateOf: number;
  kind: DecisionKind;
  /** Jaccard similarity where the two were compared directly. */
  similarity: number | null;
};

export interface ResolveResult {
  exact: number;
  fuzzy: number;
  clusters: number;
  largestCluster: number;
  duplicateIds: { count: number; samples: string[] };
}

/** Clusters the verified pairs, chooses what stays, and writes one file of decisions per group. */
export async function resolveDuplicates(
  context: TaskContext,
  input: DuplicateInput & { groupList: Pick<Group, 'source'>[]; exactPartitions: number; fuzzyTasks: number },
): Promise<ResolveResult> {
  const { numbering } = input;
  const { total } = numbering;
  const lengths = new Uint32Array(total);
  const qualities = new Float64Array(total);
  await forEachRow(context, numbering, 'features', ['length', 'quality'], (row, document) => {
    lengths[document] = row.length as number;
    qualities[document] = row.quality as number;
  });
  const decisions: {
    document: number;
    duplicateOf: number;
    kind: DecisionKind;
    similarity: number | null;
  }[] = [];
  for await (const { document, duplicateOf } of exactRows(context, input.exactPartitions)) {
    decisions.push({ document, duplicateOf, kind: 'exact', similarity: 1 });
  }
  const result: ResolveResult = {
    exact: decisions.length,
    fuzzy: 0,
    clusters: 0,
    largestCluster: 0,
    duplicateIds: { count: 0, samples: [] },
  };
  const sets = new UnionFind(total);
  const similarities = new Map<string, number>();
  for (let task = 0; task < input.fuzzyTasks; task++) {
    const rows = readParquet(stageFile(context, 'fuzzy', `${groupKey(task)}.parquet`));
    for await (const { a, b, similarity } of rows as AsyncGenerator<Edge & Record<string, unknown>>) {
      sets.union(a, b);
      similarities.set(`${a} ${b}`, similarity);
    }
  }
  for (const cluster of sets.clusters()) {
    const kept = keepBest(
      cluster,
      keepOf(context),
      (i) => qualities[i]!,
      (i) => lengths[i]!,
    );
    result.clusters++;
    result.largestCluster = Math.max(result.largestCluster, cluster.length);
    for (const document of cluster) {
      if (document === kept) continue;
      const similarity = similarities.get(`${Math.min(kept, document)} ${Math.max(kept, document)}`) ?? null;
      decisions.push({ document, duplicateOf: kept, kind: 'fuzzy', similarity });
      result.fuzzy++;
    }
  }
  followToKept(decisions);
  await findDuplicateIds(context, input, decisions, result);
  decisions.sort((a, b) => a.document - b.document);
  let next = 0;
  for (let group = 0; group + 1 < numbering.starts.length; group++) {
    const start = numbering.starts[group]!;
    using writer = await ParquetFileWriter.create<DecisionRow>(
      stageFile(context, 'resolve', `${groupKey(group)}.parquet`),
      { row: 'int32', duplicateOf: 'int32', kind: 'string', similarity: 'double' },
    );
    for (; next < decisions.length && decisions[next]!.document < numbering.starts[group + 1]!; next++) {
      const { document, ...decision } = decisions[next]!;
      await writer.write({ row: document - start, ...decision });
    }
    await writer.finish();
  }
  return result;
}

/** Records of one source that carry the same id. */
async function findDuplicateIds(
  context: TaskContext,
  input: Parameters<typeof resolveDuplicates>[1],
  decisions: { document: number; duplicateOf: number; kind: DecisionKind; similarity: number | null }[],
  result: ResolveResult,
): Promise<void> {
  const { numbering, groupList } = input;
  const gone = new Set(decisions.map(({ document }) => document));
  const first = new Map<number, number>();
  const policy = context.config.errors.duplicateIds;
  let group = 0;
  await forEachRow(context, numbering, 'documents', ['id'], (row, document) => {
    while (document >= numbering.starts[group + 1]!) group++;
    const id = row.id as string;
    const { source } = groupList[group]!;
    const key = hash32(source, id) * 0x100000 + (hash32(id, source, 1) >>> 12);
    const earlier = first.get(key);
    if (earlier === undefined) {
      first.set(key, document);
      return;
    }
    result.duplicateIds.count++;
    const name = `${context.config.sources[source]!.name}/${id}`;
    if (policy === 'fail') {
      throw new ConfigError(
        'errors.duplicateIds',
        `two records have the id ${name}; use 'drop' or 'report' to go on`,
      );
    }
    if (result.duplicateIds.samples.length < 5) result.duplicateIds.samples.push(name);
    if (policy === 'drop' && !gone.has(document)) {
      decisions.push({ document, duplicateOf: earlier, kind: 'duplicate-id', similarity: null });
    }
  });
}

/** Decisions of one group by row. */
export async function readDecisions(context: TaskContext, group: number): Promise<Map<number, DecisionRow>> {
  const decisions = new Map<number, DecisionRow>();
  for await (const row of readParquet(stageFile(context, 'resolve', `${groupKey(group)}.parquet`))) {
    decisions.set(row.row as number, row as DecisionRow);
  }
  return decisions;
}

/** Paragraphs or lines that an earlier document (of those that stay) has too, in one partition of hashes. */
export async function findRepeatedParts(
  context: TaskContext,
  input: DuplicateInput & { partition: number; partitions: number },
): Promise<{ repeated: number }> {
  const { starts } = input.numbering;
  const seen = new Set<number>();
  const path = stageFile(context, 'parts', `${groupKey(input.partition)}.parquet`);
  using writer = await ParquetFileWriter.create<{ group: number; row: number; part: number }>(path, {
    group: 'int32',
    row: 'int32',
    part: 'int32',
  });
  for (let group = 0; group + 1 < starts.length; group++) {
    if (!input.groups[group] || starts[group] === starts[group + 1]) continue;
    const decisions = await readDecisions(context, group);
    for await (const row of readParquet(stageFile(context, 'ingest', `${groupKey(group)}.parts.parquet`))) {
      const hash = row.hash as number;
      const number = row.document as number;
      if (hash % input.partitions !== input.partition || decisions.has(number)) continue;
      if (seen.has(hash)) await writer.write({ group, row: number, part: row.part as number });
      else seen.add(hash);
    }
  }
  await writer.finish();
  return { repeated: writer.rowCount };
}

/** Parts to remove from the documents of one group, by row. */
export async function readRepeatedParts(
  context: TaskContext,
  group: number,
  partitions: number,
): Promise<Map<number, Set<number>>> {
  const parts = new Map<number, Set<number>>();
  for (let partition = 0; partition < partitions; partition++) {
    for await (const row of readParquet(stageFile(context, 'parts', `${groupKey(partition)}.parquet`))) {
      if (row.group !== group) continue;
      const set = parts.get(row.row as number) ?? new Set<number>();
      parts.set(row.row as number, set.add(row.part as number));
    }
  }
  return parts;
}
