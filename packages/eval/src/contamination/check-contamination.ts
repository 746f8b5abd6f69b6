import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expandInputs, readRecords } from '@gpt-lineage/gpt-core/node';
import { bundledData } from '../data/bundled-data.js';
import { TaskDataError } from '../errors.js';
import { buildItems } from '../tasks/build-items.js';
import { resolveTasks } from '../tasks/registry.js';
import type { Doc, TaskDefinition } from '../tasks/task.js';
import type { ContaminationReport } from './contamination-report.js';
import { NGramOverlap, type OverlapSplit } from './n-gram-overlap.js';

export interface ContaminationOptions {
  /** Names of tasks or groups, or definitions. */
  readonly tasks: readonly (string | TaskDefinition)[];
  /** Files, folders or globs of training data: text, JSONL, JSON, CSV, Parquet, also compressed. */
  readonly corpus: readonly string[];
  /** Field of a record that holds its text. Default `text`, or every text of the record where there is none. */
  readonly field?: string;
  /** Words per gram, the same for all tasks. Default: by each task's item lengths, 8 to 13 (GPT-3, appendix C). */
  readonly n?: number;
  /** A gram in more training documents than this is a common phrase. Default 10. */
  readonly maxDocuments?: number;
  readonly dataFolder?: string;
  readonly signal?: AbortSignal;
  readonly onDocument?: (documents: number) => void;
}

/** Looks for the items of tasks in a training corpus, which is read once, as a stream. */
export async function checkContamination(options: ContaminationOptions): Promise<ContaminationReport> {
  const sets: Record<string, string[]> = {};
  for (const [name, docs] of await docsOfTasks(options.tasks, options.dataFolder)) {
    sets[name] = docs.map((doc) => textsOf(doc).join('\n'));
  }
  const overlap = new NGramOverlap(sets, { n: options.n, maxDocuments: options.maxDocuments });
  const files = await expandInputs(options.corpus);
  for (const file of files) {
    for await (const { fields } of readRecords(file)) {
      options.signal?.throwIfAborted();
      const text = fields[options.field ?? 'text'];
      if (options.field !== undefined && typeof text !== 'string')
        throw new TaskDataError(file.path, `has a record without a text in ${options.field}`);
      overlap.addDocument(typeof text === 'string' ? text : textsOf(fields).join('\n'));
      options.onDocument?.(overlap.documents);
    }
  }
  return {
    format: 'gpt-lineage.contamination/1',
    corpus: { files: files.map(({ path }) => path), documents: overlap.documents },
    tasks: overlap.splits(),
  };
}

/**
 * The same from what `gpt-corpus build` found while it decontaminated: the `evaluation` folder beside its manifest, with
 * a `.clean.jsonl` and a `.dirty.jsonl` for each evaluation set. Items are recognised by their records; tasks none of
 * whose records are there are left out.
 *
 * @param path the output folder of `gpt-corpus build`, or its `manifest.json`
 */
export async function contaminationFromCorpus(
  path: string,
  options: Pick<ContaminationOptions, 'tasks' | 'dataFolder'>,
): Promise<ContaminationReport> {
  const folder = path.endsWith('.json') ? join(path, '..') : path;
  const manifestPath = join(folder, 'manifest.json');
  const manifest = await readJson(manifestPath);
  const sets = manifest?.decontamination?.sets;
  if (!Array.isArray(sets))
    throw new TaskDataError(
      manifestPath,
      'says nothing of decontamination; build the corpus with `decontaminate`',
    );
  const files = await readdir(join(folder, 'evaluation')).catch((cause) => {
    throw new TaskDataError(join(folder, 'evaluation'), 'cannot be read', { cause });
  });
  /** Record to the verdict and the n of its set. */
  const verdicts = new Map<string, { dirty: boolean; n: number }>();
  for (const { name, n } of sets as { name: string; n: number }[]) {
    for (const kind of ['clean', 'dirty'] as const) {
      const file = `${name}.${kind}.jsonl`;
      if (!files.includes(file)) continue;
      const lines = (await readFile(join(folder, 'evaluation', file), 'utf8')).split('\n');
      for (const line of lines) {
        if (line === '') continue;
        const key = canonical(JSON.parse(line));
        verdicts.set(key, { dirty: kind === 'dirty' || verdicts.get(key)?.dirty === true, n });
      }
    }
  }
  const tasks: Record<string, OverlapSplit> = {};
  for (const definition of resolveTasks(options.tasks)) {
    // Records as the files hold them; `prepare` decides which of them become items.
    const raw = { ...definition, data: { ...definition.data, prepare: (doc: Doc) => keep(definition, doc) } };
    const [[, docs]] = (await docsOfTasks([raw], options.dataFolder)) as [[string, Doc[]]];
    const split: OverlapSplit = { n: 13, clean: [], dirty: [], tooShort: [] };
    docs.forEach((doc, index) => {
      const verdict = verdicts.get(canonical(doc));
      split[verdict === undefined ? 'tooShort' : verdict.dirty ? 'dirty' : 'clean'].push(index);
      if (verdict) Object.assign(split, { n: verdict.n });
    });
    if (split.clean.length + split.dirty.length > 0) tasks[definition.name] = split;
  }
  const documents = Array.isArray(manifest?.sources)
    ? (manifest.sources as { documents?: number }[]).reduce((sum, source) => sum + (source.documents ?? 0), 0)
    : 0;
  return { format: 'gpt-lineage.contamination/1', corpus: { files: [manifestPath], documents }, tasks };
}

const keep = (task: TaskDefinition, doc: Doc) =>
  task.data.prepare && task.data.prepare(doc) === undefined ? undefined : doc;

async function docsOfTasks(
  tasks: readonly (string | TaskDefinition)[],
  dataFolder = bundledData(),
): Promise<[name: string, docs: Doc[]][]> {
  const all: [string, Doc[]][] = [];
  for (const task of resolveTasks(tasks)) {
    const { items } = await buildItems(task, { shots: 0, seed: 0, dataFolder });
    all.push([task.name, items]);
  }
  return all;
}

/** Every text in a value, in order. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** The same text for the same record, whatever the order of its fields. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join()}}`;
}

async function readJson(path: string): Promise<Record<string, { sets?: unknown }> | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new TaskDataError(path, `cannot be read (${(cause as Error).message})`, { cause });
  }
}
