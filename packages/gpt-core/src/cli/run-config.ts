import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { type RecipeName, recipes } from '../training/recipes.js';
import { UsageError } from './errors.js';

const positive = z.number().positive();
const whole = z.number().int().positive();

const dataPart = {
  /** Plain text files, joined. */
  text: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
  /** JSONL files with one document a line. */
  jsonl: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
  field: z.string().optional(),
  /** Folder of token shards, as gpt-corpus writes them. */
  shards: z.string().optional(),
};

const schema = z.strictObject({
  recipe: z.string().optional(),
  out: z.string().optional(),
  /** Any field of GPTConfig; a preset's name takes its sizes. `from`: a checkpoint to go on from, with its sizes. */
  model: z.looseObject({ preset: z.string().optional(), from: z.string().optional() }).optional(),
  data: z
    .strictObject({
      ...dataPart,
      tokenizer: z.string().optional(),
      /** Tokens for runs of up to so many spaces, for code. */
      spaceRuns: z.number().int().min(2).optional(),
      contextLength: whole.optional(),
      validationFraction: z.number().min(0).lt(1).optional(),
      sampling: z.enum(['random', 'shuffled', 'sequential']).optional(),
      separateDocuments: z.boolean().optional(),
      mixture: z
        .array(z.strictObject({ name: z.string(), weight: positive, ...dataPart }))
        .min(1)
        .optional(),
    })
    .optional(),
  training: z
    .strictObject({
      steps: whole.optional(),
      tokens: whole.optional(),
      batchSize: whole.optional(),
      microBatchSize: whole.optional(),
      batchRamp: z.strictObject({ fromTokens: positive, overTokens: positive }).optional(),
      learningRate: positive.optional(),
      minLearningRate: z.number().min(0).optional(),
      warmup: z.number().min(0).optional(),
      schedule: z.enum(['cosine', 'linear', 'constant', 'wsd']).optional(),
      decay: positive.optional(),
      scheduleUnit: z.enum(['steps', 'tokens']).optional(),
      betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).optional(),
      epsilon: positive.optional(),
      weightDecay: z.number().min(0).optional(),
      decayed: z.enum(['matrices', 'all']).optional(),
      clipNorm: positive.nullable().optional(),
      guard: z
        .union([
          z.literal(false),
          z.strictObject({
            spikeDeviations: positive.optional(),
            warmupSteps: z.number().int().min(0).optional(),
            backOff: z.number().gt(0).max(1).optional(),
            recoverAfter: whole.optional(),
            maxConsecutive: whole.optional(),
          }),
        ])
        .optional(),
      seed: z.number().int().min(0).optional(),
      emaDecay: z.number().gt(0).lt(1).optional(),
      gradientCheckpointing: z.boolean().optional(),
      validateEvery: whole.optional(),
      validationBatches: whole.optional(),
      patience: whole.optional(),
      sampleEvery: whole.optional(),
      checkpointEvery: whole.optional(),
      keepLast: whole.optional(),
      execution: z.enum(['auto', 'eager']).optional(),
    })
    .optional(),
});

/** A training run as plain data: what a config file holds, and what a run folder remembers. */
export type RunConfig = z.infer<typeof schema>;

/** @throws {UsageError} naming the field that is wrong */
export function parseRunConfig(value: unknown, where: string): RunConfig {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') || 'the config';
  if (issue?.code === 'unrecognized_keys')
    throw new UsageError(
      `${where}: ${issue.path.length ? `"${field}" has` : 'there is'} no field "${issue.keys[0]}"; check its spelling.`,
    );
  throw new UsageError(`${where}: ${field} is not valid (${issue?.message ?? 'unknown'}); correct it.`);
}

/** Reads a YAML or JSON config file. @throws {UsageError} */
export async function readRunConfig(path: string): Promise<RunConfig> {
  const content = await readFile(path, 'utf8');
  let value: unknown;
  try {
    value = extname(path) === '.json' ? JSON.parse(content) : parseYaml(content);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new UsageError(`${path} cannot be parsed (${reason}): correct the file.`, { cause });
  }
  return parseRunConfig(value, path);
}

/** Later settings win, field by field. */
export function mergeRunConfigs(...configs: readonly RunConfig[]): RunConfig {
  const merged: RunConfig = {};
  for (const config of configs) {
    if (config.recipe !== undefined) merged.recipe = config.recipe;
    if (config.out !== undefined) merged.out = config.out;
    merged.model = { ...merged.model, ...config.model };
    merged.data = { ...merged.data, ...config.data };
    merged.training = { ...merged.training, ...config.training };
  }
  return merged;
}

/** The settings a recipe stands for. @throws {UsageError} when there is no such recipe */
export function recipeConfig(name: string): RunConfig {
  const recipe = Object.hasOwn(recipes, name) ? recipes[name as RecipeName] : undefined;
  if (!recipe)
    throw new UsageError(`There is no recipe "${name}": choose one of ${Object.keys(recipes).join(', ')}.`);
  return parseRunConfig(
    JSON.parse(
      JSON.stringify({
        model: recipe.model,
        data: { sampling: recipe.sampling, ...('tokenizer' in recipe && { tokenizer: recipe.tokenizer }) },
        training: recipe.training,
      }),
    ),
    `recipe ${name}`,
  );
}

/** First digits of the SHA-256 of a text. */
export function shortHash(content: string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
