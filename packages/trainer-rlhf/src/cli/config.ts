import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { UsageError } from './errors.js';

const positive = z.number().positive();
const share = z.number().min(0).max(1);
const whole = z.number().int().positive();
const count = z.number().int().min(0);
const files = z.union([z.string(), z.array(z.string()).min(1)]).transform((value) => [value].flat());

/** What all training commands read. */
const common = {
  model: z.string(),
  out: z.string(),
  steps: whole.optional(),
  batchSize: whole.optional(),
  microBatchSize: whole.optional(),
  learningRate: positive.optional(),
  minLearningRate: z.number().min(0).optional(),
  warmup: count.optional(),
  schedule: z.enum(['cosine', 'linear', 'constant', 'wsd']).optional(),
  weightDecay: z.number().min(0).optional(),
  clipNorm: positive.optional(),
  emaDecay: z.number().gt(0).lt(1).optional(),
  seed: count.optional(),
  checkpointEvery: whole.optional(),
  validateEvery: whole.optional(),
};

const fromData = {
  ...common,
  data: files,
  validation: files.optional(),
  epochs: positive.optional(),
  maxLength: whole.optional(),
};

/** A rule of a rule-based reward as plain data. */
const rule = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('numeric'),
    field: z.string().optional(),
    marker: z.string().optional(),
    weight: z.number().optional(),
  }),
  z.strictObject({ type: z.literal('exact'), field: z.string().optional(), weight: z.number().optional() }),
  z.strictObject({
    type: z.literal('regex'),
    pattern: z.string(),
    flags: z.string().optional(),
    forbid: z.boolean().optional(),
    weight: z.number().optional(),
  }),
  z.strictObject({
    type: z.literal('length'),
    min: count.optional(),
    max: whole.optional(),
    slack: count.optional(),
    unit: z.enum(['characters', 'words']).optional(),
    weight: z.number().optional(),
  }),
  z.strictObject({ type: z.literal('json'), weight: z.number().optional() }),
  z.strictObject({ type: z.literal('think'), weight: z.number().optional() }),
  z.strictObject({ type: z.literal('repetition'), n: whole.optional(), weight: z.number().optional() }),
  z.strictObject({ type: z.literal('refusal'), weight: z.number().optional() }),
]);
export type RuleConfig = z.infer<typeof rule>;

const onPolicy = {
  ...common,
  prompts: files,
  /** Folder of a reward model; its score is added to the rules'. */
  rewardModel: z.string().optional(),
  rules: z.array(rule).min(1).optional(),
  /** Subtracted from completions that look harmful (see the safety rules). */
  harmPenalty: z.number().min(0).optional(),
  reference: z.string().optional(),
  iterations: whole,
  minibatch: whole.optional(),
  innerEpochs: whole.optional(),
  maxTokens: whole,
  temperature: positive.optional(),
  timeoutMs: whole.optional(),
  onRewardFailure: z.enum(['throw', 'skip']).optional(),
};

export const schemas = {
  sft: z.strictObject({
    ...fromData,
    packing: z.enum(['best-fit', 'none']).optional(),
    dropRisky: z.boolean().optional(),
  }),
  rm: z.strictObject({
    ...fromData,
    centerOn: files.optional(),
    pooling: z.enum(['last', 'mean', 'sqrt']).optional(),
  }),
  dpo: z.strictObject({
    ...fromData,
    reference: z.string().optional(),
    beta: positive.optional(),
    variant: z.enum(['sigmoid', 'ipo', 'hinge']).optional(),
    labelSmoothing: z.number().min(0).lt(0.5).optional(),
  }),
  ppo: z.strictObject({
    ...onPolicy,
    episodes: whole.optional(),
    kl: z
      .union([
        z.number().min(0),
        z.strictObject({
          initial: positive.optional(),
          target: positive.optional(),
          horizon: positive.optional(),
        }),
      ])
      .optional(),
    klEstimator: z.enum(['k1', 'k2', 'k3']).optional(),
    gamma: share.optional(),
    lambda: share.optional(),
    clipRange: positive.optional(),
    clipRangeValue: positive.optional(),
    valueCoefficient: z.number().min(0).optional(),
    valueLearningRate: positive.optional(),
    missingEndPenalty: z.number().min(0).optional(),
    targetKL: positive.optional(),
    /** Plain text files whose loss is mixed in (PPO-ptx). */
    pretraining: files.optional(),
    pretrainingCoefficient: z.number().min(0).optional(),
  }),
  grpo: z.strictObject({
    ...onPolicy,
    /** `rloo`: REINFORCE with a leave-one-out baseline. */
    algorithm: z.enum(['grpo', 'rloo']).optional(),
    groups: whole.optional(),
    groupSize: whole.optional(),
    klCoefficient: z.number().min(0).optional(),
    clipLow: positive.optional(),
    clipHigh: positive.optional(),
    average: z.enum(['token', 'sequence', 'sum']).optional(),
    normalisation: z.enum(['population-std', 'sample-std', 'none', 'leave-one-out']).optional(),
    maskTruncated: z.boolean().optional(),
  }),
  improve: z.strictObject({
    ...common,
    questions: files,
    heldOut: files.optional(),
    /** Texts around a question; `{question}` stands for it. The first one samples. */
    formats: z
      .array(z.string().refine((text) => text.includes('{question}'), 'needs {question}'))
      .min(1)
      .optional(),
    rounds: whole.optional(),
    paths: whole.optional(),
    temperatures: z.array(positive).min(1).optional(),
    maxTokens: whole.optional(),
    stop: z.array(z.string()).optional(),
    minimumShare: share.optional(),
    keep: whole.optional(),
    epochs: positive.optional(),
    packing: z.enum(['best-fit', 'none']).optional(),
  }),
  redteam: z.strictObject({
    model: z.string(),
    /** The same model before safety training, for a comparison. */
    before: z.string().optional(),
    attacks: files,
    benign: files.optional(),
    out: z.string().optional(),
    template: z.string().optional(),
    wrappers: z.boolean().optional(),
    samples: whole.optional(),
    maxTokens: whole.optional(),
    temperature: z.number().min(0).optional(),
    seed: count.optional(),
  }),
} as const;

export type ConfigOf<Name extends keyof typeof schemas> = z.infer<(typeof schemas)[Name]>;

/** Adds a flag for every plain field of the command's config, and the flags that all commands share. */
export function addFlags(command: Command, name: keyof typeof schemas, trains = true): Command {
  command.option('--config <file>', 'YAML or JSON with the settings; flags win over it');
  for (const [field, schema] of Object.entries(schemas[name].shape)) {
    const flag = field.replaceAll(/[A-Z]+/gu, (letters) => `-${letters.toLowerCase()}`);
    const [kind, choices] = kindOf(schema as z.ZodType);
    if (kind === 'number') command.option(`--${flag} <n>`, '', numberFlag);
    else if (kind === 'boolean') command.option(`--${flag}`);
    else if (kind === 'text') command.option(`--${flag} <text>`);
    else if (kind === 'choice') command.addOption(new Option(`--${flag} <choice>`).choices([...choices!]));
    else if (kind === 'files') command.option(`--${flag} <file...>`);
  }
  if (trains) {
    command
      .option('--resume', 'go on with the run in --out')
      .option('--overwrite', 'delete what --out holds and start anew')
      .option('--jsonl <file>', 'write every event as JSON (default OUT/metrics.jsonl)')
      .option('--tensorboard', 'write TensorBoard event files to OUT/tensorboard');
  }
  return command
    .option('--json', 'write events (or the report) as JSON to standard output, nothing else')
    .option('--quiet', 'print nothing but errors')
    .option('--backend <name>', 'tensorflow, webgpu, wasm or cpu (default: the fastest that works)')
    .option('--verbose', 'show stack traces');
}

/** Flags of the session, not of the config. */
export interface SessionFlags {
  readonly config?: string;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly jsonl?: string;
  readonly tensorboard?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly backend?: string;
  readonly verbose?: boolean;
}

/** The config file's settings with the flags over them, checked. @throws {UsageError} naming the field */
export async function readConfig<Name extends keyof typeof schemas>(
  name: Name,
  flags: SessionFlags & Record<string, unknown>,
): Promise<ConfigOf<Name>> {
  const fromFile = flags.config === undefined ? {} : await readSettings(flags.config);
  const fields = Object.keys(schemas[name].shape);
  const fromFlags = Object.fromEntries(
    fields.flatMap((field) => {
      const value = flags[flagKey(field)];
      return value === undefined ? [] : [[field, value]];
    }),
  );
  const given: Record<string, unknown> = { ...fromFile, ...fromFlags };
  const parsed = schemas[name].safeParse(given);
  if (parsed.success) return parsed.data as ConfigOf<Name>;
  const { issues } = parsed.error;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  if (issue.code === 'unrecognized_keys' && issue.path.length === 0) {
    const [key] = issue.keys;
    const plain = (text: string) => text.replaceAll(/[-_]/gu, '').toLowerCase();
    const near = fields.find((known) => plain(known) === plain(key!));
    const hint = near ? `did you mean ${near}?` : `known are ${fields.join(', ')}.`;
    throw new UsageError(`${flags.config ?? 'the config'}: there is no setting "${key}": ${hint}`);
  }
  const field = issue.path.join('.');
  const flag = `--${field.replaceAll(/[A-Z]+/gu, (letters) => `-${letters.toLowerCase()}`)}`;
  throw new UsageError(
    given[field] === undefined && issue.path.length === 1
      ? `${field} is missing: give ${flag}, or set it in the config file.`
      : `${field} is not valid: ${issue.message}.`,
  );
}

/** commander camel-cases `--target-kl` to `targetKl`. */
const flagKey = (field: string) =>
  field.replaceAll(/[A-Z]+/gu, (letters) => letters[0]! + letters.slice(1).toLowerCase());

async function readSettings(path: string): Promise<Record<string, unknown>> {
  const content = await readFile(path, 'utf8');
  let value: unknown;
  try {
    value = extname(path) === '.json' ? JSON.parse(content) : parseYaml(content);
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    throw new UsageError(`${path} cannot be parsed (${reason}): correct the file.`, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new UsageError(`${path} holds no settings: write "name: value" lines or a JSON object.`);
}

function numberFlag(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Give a number.');
  return value;
}

type Kind = 'number' | 'boolean' | 'text' | 'choice' | 'files' | 'nested';

/** Which flag a field can have; nested fields live in config files only. */
function kindOf(schema: z.ZodType): readonly [Kind, (readonly string[])?] {
  const definition = schema.def as {
    type: string;
    innerType?: z.ZodType;
    in?: z.ZodType;
    options?: z.ZodType[];
    entries?: Record<string, string>;
  };
  switch (definition.type) {
    case 'optional':
      return kindOf(definition.innerType!);
    case 'pipe':
      return definition.in!.def.type === 'union' ? ['files'] : ['nested'];
    case 'number':
      return ['number'];
    case 'boolean':
      return ['boolean'];
    case 'string':
      return ['text'];
    case 'enum':
      return ['choice', Object.values(definition.entries!)];
    case 'union':
      return definition.options?.some((option) => kindOf(option)[0] === 'number') ? ['number'] : ['nested'];
    default:
      return ['nested'];
  }
}
