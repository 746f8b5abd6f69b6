import type { EvaluationSplit } from '../decontaminate/evaluation-split.js';
import { type DiversityReport, effectiveNumber, mergeDiversity } from '../diversity.js';
import type { SourceQuota } from '../mixture/plan-mixture.js';
import type { Tokenizer } from '../tokenizer.js';
import type { ResolvedConfig } from './config.js';
import { addCount, type DropReport, mergeDrops } from './drop-report.js';
import type { Group } from './groups.js';
import type { CleanResult } from './stages/clean.js';
import type { ResolveResult } from './stages/duplicates.js';
import { type FileReport, fuzzyOf, type IngestResult } from './stages/ingest.js';
import type { PlanResult, writeShard } from './stages/shards.js';
import type { TokeniseResult } from './stages/tokenise.js';
import { hashJson } from './task.js';

/** What happened to one source. */
export interface SourceSummary {
  name: string;
  files: number;
  skippedFiles: number;
  bytes: number;
  records: number;
  /** After filtering, before deduplication. */
  filteredDocuments: number;
  /** After everything. */
  documents: number;
  tokens: number;
  /** Share of the training mixture asked for (divided by the sum), and drawn. */
  weight: number;
  share: number;
  trainTokens: number;
  epochs: number;
  validationTokens: number;
  drops: DropReport;
  diversity: DiversityReport;
}

/** The record of a run: enough to repeat it exactly, and to see why what is missing is missing. */
export interface Manifest {
  format: 'gpt-lineage/corpus-manifest/1';
  /** Hash of the configuration, the input files and the output; equal for equal runs. */
  fingerprint: string;
  config: unknown;
  tokenizer: { fingerprint: string; vocabSize: number; endOfText: number | null };
  files: (FileReport & { source: string })[];
  sources: SourceSummary[];
  drops: DropReport;
  pii: Record<string, number>;
  deduplication:
    | (ResolveResult & {
        threshold: number | null;
        banding: { bands: number; rows: number } | null;
        removedParts: { count: number; characters: number };
      })
    | null;
  decontamination:
    | (CleanResult['decontamination'] & {
        frequentGrams: number;
        sets: { name: string; n: number; examples: number; clean: number; dirty: number; tooShort: number }[];
      })
    | null;
  mixture: { train: SourceQuota[]; validation: SourceQuota[] };
  diversity: DiversityReport & { effectiveLanguages: number; effectiveDomains: number };
  shards: Omit<Awaited<ReturnType<typeof writeShard>>, never>[];
}

export function assembleManifest(parts: {
  config: ResolvedConfig;
  baseDirectory: string;
  groups: readonly Group[];
  ingest: readonly IngestResult[];
  resolution: ResolveResult;
  clean: readonly CleanResult[];
  tokenise: readonly TokeniseResult[];
  plan: PlanResult;
  shards: Awaited<ReturnType<typeof writeShard>>[];
  tokenizer: Tokenizer;
  endOfText: number | null;
  evaluation: { splits: EvaluationSplit[]; frequentGrams: number } | null;
}): Manifest {
  const { config, groups, ingest, clean, tokenise, plan } = parts;
  const { output: _, tokenizer: choice, ...settings } = config;
  const plainTokenizer = typeof choice === 'object' && 'encode' in choice ? 'custom' : choice;
  const of = <T>(results: readonly T[], source: number) =>
    results.filter((_, i) => groups[i]!.source === source);
  const trainTotal = plan.quotas.train.reduce((sum, { tokens }) => sum + tokens, 0);
  const sources = config.sources.map(({ name }, source): SourceSummary => {
    const read = of(ingest, source);
    const files = read.flatMap((result) => result.files);
    const quota = plan.quotas.train[source]!;
    return {
      name,
      files: files.length,
      skippedFiles: files.filter(({ status }) => status === 'skipped').length,
      bytes: sum(files, ({ bytes }) => bytes),
      records: sum(read, ({ records }) => records),
      filteredDocuments: sum(read, ({ documents }) => documents),
      documents: sum(of(clean, source), ({ documents }) => documents),
      tokens: sum(of(tokenise, source), ({ tokens }) => tokens),
      weight: quota.weight,
      share: trainTotal === 0 ? 0 : quota.tokens / trainTotal,
      trainTokens: quota.tokens,
      epochs: quota.epochs,
      validationTokens: plan.quotas.validation[source]!.tokens,
      drops: mergeDrops([...read, ...of(clean, source)].map(({ drops }) => drops)),
      diversity: mergeDiversity(of(clean, source).map(({ diversity }) => diversity)),
    };
  });
  const pii: Record<string, number> = {};
  for (const result of ingest)
    for (const [kind, count] of Object.entries(result.pii)) addCount(pii, kind, count);
  const fuzzy = fuzzyOf(config);
  const diversity = mergeDiversity(clean.map((result) => result.diversity));
  const manifest: Omit<Manifest, 'fingerprint'> = {
    format: 'gpt-lineage/corpus-manifest/1',
    config: { ...settings, tokenizer: plainTokenizer },
    tokenizer: {
      fingerprint: parts.tokenizer.fingerprint,
      vocabSize: parts.tokenizer.vocabSize,
      endOfText: parts.endOfText,
    },
    files: ingest.flatMap((result, i) =>
      result.files.map((file) => ({ source: config.sources[groups[i]!.source]!.name, ...file })),
    ),
    sources,
    drops: mergeDrops(sources.map(({ drops }) => drops)),
    pii,
    deduplication:
      config.deduplicate === false
        ? null
        : {
            ...parts.resolution,
            threshold: fuzzy?.threshold ?? null,
            banding: fuzzy?.banding ?? null,
            removedParts: {
              count: sum(clean, ({ removedParts }) => removedParts.count),
              characters: sum(clean, ({ removedParts }) => removedParts.characters),
            },
          },
    decontamination: parts.evaluation && {
      documentsCut: sum(clean, ({ decontamination }) => decontamination.documentsCut),
      cuts: sum(clean, ({ decontamination }) => decontamination.cuts),
      characters: sum(clean, ({ decontamination }) => decontamination.characters),
      samples: clean.flatMap(({ decontamination }) => decontamination.samples).slice(0, 10),
      frequentGrams: parts.evaluation.frequentGrams,
      sets: parts.evaluation.splits.map(({ name, n, clean: cleanOnes, dirty, tooShort }) => ({
        name,
        n,
        examples: cleanOnes.length + dirty.length + tooShort.length,
        clean: cleanOnes.length,
        dirty: dirty.length,
        tooShort: tooShort.length,
      })),
    },
    mixture: plan.quotas,
    diversity: {
      ...diversity,
      effectiveLanguages: effectiveNumber(diversity.languages),
      effectiveDomains: effectiveNumber(diversity.domains),
    },
    shards: parts.shards,
  };
  return { ...manifest, fingerprint: hashJson(manifest) } as Manifest;
}

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);
