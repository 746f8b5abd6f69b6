import { z } from 'zod';

const template = z.string();
const name = z.string().regex(/^[\w.-]+$/u, 'letters, digits, _ . - only');

const filter = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('regex'),
    pattern: z.string(),
    flags: z.string().optional(),
    pick: z.enum(['first', 'last']).optional(),
  }),
  z.strictObject({ kind: z.literal('remove'), patterns: z.array(z.string()) }),
  z.strictObject({ kind: z.literal('reject'), words: z.array(z.string()) }),
  z.strictObject({ kind: z.enum(['math', 'trim', 'trim-start', 'lowercase', 'first-line']) }),
]);

/** A list: of templates, the list in a field of the record, or a text cut at a separator. */
const textList = z.union([
  z.array(template).min(1),
  z.strictObject({ field: z.string() }),
  z.strictObject({ split: template, by: z.string().min(1) }),
]);

const common = {
  name,
  version: z.int().nonnegative().default(1),
  title: z.string().default(''),
  groups: z.array(name).optional(),
  data: z.strictObject({
    files: z.record(z.string(), z.string()),
    columns: z.array(z.string()).optional(),
    split: z.string().optional(),
    /** Records whose fields have these values are kept. */
    where: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  }),
  description: z.string().optional(),
  category: template.optional(),
  fewShot: z
    .strictObject({
      split: z.string().optional(),
      leaveOut: z.boolean().optional(),
      sampler: z.enum(['random', 'first']).optional(),
      delimiter: z.string().optional(),
      prompt: template.optional(),
      target: template.optional(),
    })
    .optional(),
  shots: z.int().nonnegative().optional(),
  targetDelimiter: z.string().optional(),
};

/** A task as a YAML or JSON file says it: what TypeScript writes as a function is a template here. */
export const taskDescription = z.discriminatedUnion('kind', [
  z.strictObject({
    ...common,
    kind: z.literal('multiple-choice'),
    prompt: template,
    choices: textList,
    target: z.union([template, z.int().nonnegative()]),
    ending: template.optional(),
    normalisations: z.array(z.enum(['sum', 'character', 'byte', 'token', 'unconditional'])).optional(),
    classMetrics: z.array(z.enum(['f1', 'macro_f1', 'mcc'])).optional(),
  }),
  z.strictObject({ ...common, kind: z.literal('log-likelihood'), prompt: template, target: template }),
  z.strictObject({ ...common, kind: z.literal('rolling'), text: template, normaliseBy: template.optional() }),
  z.strictObject({
    ...common,
    kind: z.literal('generation'),
    prompt: template,
    target: z.union([template, textList]),
    stop: z.array(z.string()).default([]),
    maxTokens: z.int().positive().optional(),
    temperature: z.number().nonnegative().optional(),
    filters: z.record(z.string(), z.array(filter)).optional(),
    normalise: z.array(filter).optional(),
    metrics: z.array(z.enum(['exact_match', 'f1', 'squad_exact_match', 'rouge', 'bleu', 'chrf'])).min(1),
    votes: z.int().positive().optional(),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('code'),
    prompt: template,
    stop: z.array(z.string()).default([]),
    /** `{{ completion }}` is what the model wrote. */
    program: template,
    language: z.enum(['python', 'javascript']).optional(),
    samples: z.int().positive().optional(),
    temperature: z.number().nonnegative().optional(),
    k: z.array(z.int().positive()).optional(),
    maxTokens: z.int().positive().optional(),
  }),
]);

export type TaskDescription = z.infer<typeof taskDescription>;
export type TextListDescription = z.infer<typeof textList>;
