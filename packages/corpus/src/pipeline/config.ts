import { z } from 'zod';
import { ConfigError } from '../errors.js';
import { weightPresets } from '../mixture/gpt3-preset.js';
import { qualityPresets } from '../quality/quality-rules.js';
import { recordConverter, recordKinds } from '../records/record-converter.js';
import type { Tokenizer } from '../tokenizer.js';

const share = z.number().min(0).max(1);
const positive = z.number().int().positive();
const strings = z
  .union([z.string(), z.array(z.string()).min(1)])
  .transform((value) => (typeof value === 'string' ? [value] : value));

const rulesSchema = z.strictObject({
  minWords: z.number().optional(),
  maxWords: z.number().optional(),
  minMeanWordLength: z.number().optional(),
  maxMeanWordLength: z.number().optional(),
  maxSymbolsPerWord: z.number().optional(),
  maxBulletLineShare: share.optional(),
  maxEllipsisLineShare: share.optional(),
  minAlphabeticShare: share.optional(),
  minStopWords: z.number().optional(),
  maxDuplicateLineShare: share.optional(),
  maxDuplicateLineCharacterShare: share.optional(),
  maxDuplicateParagraphShare: share.optional(),
  maxDuplicateParagraphCharacterShare: share.optional(),
  maxTopNgramShares: z.array(share).optional(),
  maxDuplicateNgramShares: z.array(share).optional(),
  minAlphanumericShare: share.optional(),
  maxMeanLineLength: z.number().optional(),
  maxLineLength: z.number().optional(),
  bannedPhrases: z.array(z.string()).optional(),
  boilerplateLines: z.array(z.string()).optional(),
});

const presetName = z.enum(Object.keys(qualityPresets) as [keyof typeof qualityPresets]);
/** A preset's name, or a preset with changed bounds. */
const qualitySchema = z.union([presetName, rulesSchema.extend({ preset: presetName.default('none') })]);

const normaliseSchema = z.strictObject({
  unicode: z.union([z.enum(['NFC', 'NFKC']), z.literal(false)]).optional(),
  whitespace: z.boolean().optional(),
});

const sourceSchema = z.strictObject({
  /** Unique; appears in reports and shards. */
  name: z.string().min(1),
  /** Paths, folders, globs or URLs. */
  files: strings,
  /** Default: by file name. */
  format: z.enum(['text', 'jsonl', 'json', 'csv', 'tsv', 'parquet']).optional(),
  /** What a record means. Default `document`: a text field. */
  kind: z.enum(recordKinds).default('document'),
  /** Options of the kind, such as `{ languages: { en: English, zh: Chinese } }` for `parallel`. */
  kindOptions: z.record(z.string(), z.unknown()).default({}),
  /** Names of the fields, where they are not `text`, `id`, `url`. */
  fields: z
    .strictObject({ text: z.string().optional(), id: z.string().optional(), url: z.string().optional() })
    .default({}),
  /** Text files: `line`, `blank-line` or a separator. Default: a file is a document. */
  separator: z.string().min(1).optional(),
  /** CSV and TSV without a heading: the names of the columns. */
  columns: z.array(z.string()).min(1).optional(),
  /** Default UTF-8. */
  encoding: z.string().optional(),
  /** Share of the mixture; give all sources one, or none. */
  weight: z.number().nonnegative().optional(),
  maxEpochs: z.number().positive().optional(),
  /** Overrides the corpus-wide value. */
  normalise: normaliseSchema.optional(),
  quality: qualitySchema.optional(),
  languages: z.array(z.string()).optional(),
  /** False: neither compared nor dropped as a duplicate. Default true. */
  deduplicate: z.boolean().default(true),
  /** False: the quality classifier does not judge it. Default true. */
  classify: z.boolean().default(true),
});

const fuzzySchema = z.strictObject({
  threshold: z.number().gt(0).max(1).optional(),
  permutations: positive.optional(),
  ngram: positive.optional(),
  recall: z.number().gt(0).lt(1).optional(),
  maxComparisons: positive.optional(),
});

const configSchema = z.strictObject({
  /** Decides every random choice. */
  seed: z.number().int().default(0),
  sources: z.array(sourceSchema).min(1),
  /** Folder for shards, manifest and (in `work/`) intermediate files. */
  output: z.string().min(1),
  normalise: normaliseSchema.default({}),
  quality: qualitySchema.default('none'),
  /** Keep only these languages (ISO 639-1). Default: all. */
  languages: z.array(z.string()).optional(),
  /** Identify languages even when none is filtered, for reports and stop words. Default true. */
  identifyLanguages: z.boolean().default(true),
  classifier: z
    .strictObject({
      /** A saved classifier, or files to train one from. */
      model: z.string().optional(),
      positive: strings.optional(),
      negative: strings.optional(),
      /** Texts per class at most. Default 20,000. */
      maxExamples: positive.default(20_000),
      alpha: z.number().positive().default(9),
    })
    .optional(),
  /** Scrub personal data: true, or the kinds. */
  pii: z
    .union([
      z.boolean(),
      z.array(z.enum(['email', 'phone', 'credit-card', 'iban', 'ip-address', 'us-ssn', 'secret-key'])),
    ])
    .default(false),
  /** Safety filter: words, or a file with one per line. */
  wordList: z
    .strictObject({
      words: z.array(z.string()).default([]),
      file: z.string().optional(),
      maxShare: share.optional(),
      minCount: z.number().int().nonnegative().optional(),
    })
    .optional(),
  deduplicate: z
    .union([
      z.literal(false),
      z.strictObject({
        fuzzy: z.union([z.boolean(), fuzzySchema]).default(true),
        parts: z
          .union([
            z.enum(['paragraph', 'line']),
            z.strictObject({ unit: z.enum(['paragraph', 'line']), minCharacters: positive.optional() }),
          ])
          .optional(),
        keep: z.enum(['best', 'longest', 'first']).default('best'),
      }),
    ])
    .default({ fuzzy: true, keep: 'best' }),
  decontaminate: z
    .strictObject({
      sets: z
        .array(
          z.strictObject({
            name: z.string().min(1),
            files: strings,
            /** CSV and TSV without a heading: the names of the columns. */
            columns: z.array(z.string()).min(1).optional(),
            /** Fields whose text makes up an example. Default: every string in the record. */
            fields: z.array(z.string()).optional(),
          }),
        )
        .min(1),
      n: z.number().int().min(2).default(13),
      maxDocuments: z.number().int().nonnegative().default(10),
      window: z.number().int().nonnegative().optional(),
      minPieceCharacters: z.number().int().nonnegative().optional(),
      maxPieces: positive.optional(),
    })
    .optional(),
  tokenizer: z
    .union([
      z.literal('bytes'),
      z.strictObject({ encoding: z.string() }),
      z.strictObject({ file: z.string() }),
      z.custom<Tokenizer>((value) => typeof (value as Tokenizer | null)?.encode === 'function'),
    ])
    .default('bytes'),
  /** Token appended to every document: a string that is one token, or an id. Default `<|endoftext|>`, if known. */
  endOfText: z.union([z.string(), z.number().int().nonnegative(), z.null()]).optional(),
  mix: z
    .strictObject({
      /** Tokens to draw. Default: as many as the sources hold. */
      tokens: positive.optional(),
      /** Weights by source name, as `gpt-3`. */
      preset: z.string().optional(),
      /** Sources without weights: share ∝ size^(1/temperature). */
      temperature: z.number().positive().optional(),
    })
    .default({}),
  shards: z
    .strictObject({
      /** Tokens per shard file. Default 100 million. */
      tokens: positive.default(100_000_000),
      /** Share of documents (by a hash of their id) that go to validation shards. */
      validation: share.default(0),
      /** Longer documents are mixed in pieces of this length; pieces stay in order. Default 4096, null: whole. */
      pieceTokens: positive.nullable().default(4096),
    })
    .default({ tokens: 100_000_000, validation: 0, pieceTokens: 4096 }),
  errors: z
    .strictObject({
      /** An unusable file: stop, or go on without it (it is reported, nothing of it is used). Default `fail`. */
      file: z.enum(['fail', 'skip']).default('fail'),
      /** An unusable record. Default `skip`. */
      record: z.enum(['fail', 'skip']).default('skip'),
      /** Two records of a source with the same id: stop, drop the later, or note it. Default `report`. */
      duplicateIds: z.enum(['fail', 'drop', 'report']).default('report'),
    })
    .default({ file: 'fail', record: 'skip', duplicateIds: 'report' }),
  /** Longest line or document, in bytes. Default 64 MiB. */
  maxRecordBytes: positive.optional(),
});

/** What a user writes: the YAML of `gpt-corpus build`. */
export type PipelineConfig = z.input<typeof configSchema>;
/** With every default filled in. */
export type ResolvedConfig = z.output<typeof configSchema>;
export type ResolvedSource = ResolvedConfig['sources'][number];

/**
 * Checks a configuration and fills in the defaults.
 *
 * @throws {ConfigError} naming the first field at fault
 */
export function resolveConfig(config: unknown): ResolvedConfig {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const field = issue.path.join('.') || 'config';
    throw new ConfigError(field, describe(issue));
  }
  const resolved = parsed.data;
  const names = new Set<string>();
  for (const { name } of resolved.sources) {
    if (names.has(name)) throw new ConfigError('sources', `the name '${name}' is used twice`);
    names.add(name);
  }
  // Mistakes that would otherwise show only after hours of work.
  for (const { kind, fields, kindOptions } of resolved.sources)
    recordConverter(kind, fields, kindOptions, resolved.seed);
  resolveWeights(resolved);
  const { classifier } = resolved;
  if (classifier && !classifier.model && !(classifier.positive && classifier.negative)) {
    throw new ConfigError('classifier', 'needs either a model, or positive and negative files');
  }
  return resolved;
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys')
    return `unknown key ${issue.keys.map((key) => `'${key}'`).join(', ')}`;
  return issue.message;
}

/**
 * Weight of each source: its own, else the preset's.
 *
 * @throws {ConfigError} for an unknown preset or source, and when only some sources have a weight
 */
export function resolveWeights({
  sources,
  mix,
}: Pick<ResolvedConfig, 'sources' | 'mix'>): (number | undefined)[] {
  const preset = mix.preset === undefined ? undefined : weightPresets[mix.preset];
  if (mix.preset !== undefined && !preset) {
    throw new ConfigError(
      'mix.preset',
      `'${mix.preset}' is unknown; there is ${Object.keys(weightPresets).join(', ')}`,
    );
  }
  const weights = sources.map(({ name, weight }) => {
    if (weight !== undefined || !preset) return weight;
    if (preset[name] === undefined) {
      const known = Object.keys(preset).join(', ');
      throw new ConfigError(
        `sources.${name}`,
        `preset '${mix.preset}' knows ${known}; name it so or give it a weight`,
      );
    }
    return preset[name];
  });
  const given = weights.filter((weight) => weight !== undefined).length;
  if (given !== 0 && given !== weights.length) {
    throw new ConfigError('sources', 'give every source a weight, or none (then size decides)');
  }
  return weights;
}
