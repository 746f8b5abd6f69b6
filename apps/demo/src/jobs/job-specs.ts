import { z } from 'zod';

const optionalOf = <T extends z.ZodType>(schema: T) => schema.nullish();
const whole = (least: number, most: number) => z.int().min(least).max(most);

/** Trains a model on a text: a new one, or further one that is served. */
export const trainingSpec = z.looseObject({
  kind: z.enum(['pretrain', 'finetune', 'lora']),
  data: z.union([z.string().min(1), z.object({ preset: z.enum(['tinyshakespeare']) })]),
  model: optionalOf(z.string()).describe('Where fine-tuning and LoRA start'),
  config: optionalOf(
    z.looseObject({
      tokenizer: optionalOf(z.enum(['character', 'byte', 'bbpe'])),
      vocabSize: optionalOf(whole(257, 65_536)).describe('Of a byte-level vocabulary that is learned'),
      nLayer: optionalOf(whole(1, 24)),
      nHead: optionalOf(whole(1, 32)),
      nEmbd: optionalOf(whole(8, 1024)),
      contextLength: optionalOf(whole(8, 2048)),
      layerPattern: optionalOf(z.array(z.string()).min(1).max(24)),
      dropout: optionalOf(z.number().min(0).max(0.9)),
    }),
  ),
  options: optionalOf(
    z.looseObject({
      steps: optionalOf(whole(1, 1_000_000)),
      batchSize: optionalOf(whole(1, 512)),
      learningRate: optionalOf(z.number().gt(0).max(1)),
      warmup: optionalOf(whole(0, 1_000_000)),
      rank: optionalOf(whole(1, 256)),
      seed: optionalOf(z.int()),
    }),
  ),
});
export type TrainingSpec = z.output<typeof trainingSpec>;

export const evaluationSpec = z.looseObject({
  model: z.string(),
  tasks: z.array(z.string()).min(1).max(64),
  shots: optionalOf(whole(0, 64)),
  limit: optionalOf(whole(1, 100_000)),
});
export type EvaluationSpec = z.output<typeof evaluationSpec>;

const rule = z.looseObject({
  kind: z.enum(['contains', 'forbids', 'length', 'repetition', 'question']),
  pattern: optionalOf(z.string().max(500)).describe('A regular expression, for `contains` and `forbids`'),
  min: optionalOf(whole(0, 100_000)),
  max: optionalOf(whole(0, 100_000)),
  weight: optionalOf(z.number().min(-100).max(100)),
});
const common = {
  model: z.string().describe('The model to start from'),
  learningRate: optionalOf(z.number().gt(0).max(1)),
  seed: optionalOf(z.int()),
};
export const alignmentSpec = z.discriminatedUnion('kind', [
  z.looseObject({
    kind: z.literal('reward'),
    ...common,
    rankings: z
      .array(
        z.looseObject({
          prompt: z.string(),
          completions: z.array(z.string().min(1)).min(2).max(16),
          ranks: optionalOf(z.array(whole(0, 15))).describe('0 = best. Default: best first'),
        }),
      )
      .min(1)
      .max(10_000),
    epochs: optionalOf(whole(1, 1000)),
    batchSize: optionalOf(whole(1, 512)),
  }),
  z.looseObject({
    kind: z.literal('ppo'),
    ...common,
    prompts: z.array(z.string().min(1)).min(1).max(10_000),
    rules: z.array(rule).min(1).max(64),
    iterations: optionalOf(whole(1, 10_000)),
    episodes: optionalOf(whole(1, 1024)),
    maxTokens: optionalOf(whole(1, 1024)),
    kl: optionalOf(z.number().min(0).max(10)),
  }),
  z.looseObject({
    kind: z.literal('improve'),
    ...common,
    questions: z
      .array(z.looseObject({ question: z.string().min(1), answer: z.string().min(1) }))
      .min(1)
      .max(10_000),
    rounds: optionalOf(whole(1, 100)),
    paths: optionalOf(whole(2, 64)),
    maxTokens: optionalOf(whole(1, 1024)),
    stop: optionalOf(z.array(z.string().min(1)).max(16)),
  }),
]);
export type AlignmentSpec = z.output<typeof alignmentSpec>;

/** What a child process is asked to do. Models come as folders; `out` is where a trained one goes. */
export type JobSpec =
  | {
      readonly job: 'training';
      readonly spec: TrainingSpec;
      readonly base: string | undefined;
      readonly out: string;
    }
  | { readonly job: 'evaluation'; readonly spec: EvaluationSpec; readonly base: string; readonly out: string }
  | { readonly job: 'alignment'; readonly spec: AlignmentSpec; readonly base: string; readonly out: string };

/** What a job tells: the packages' own events, and those of the app. */
export interface JobEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

export type JobControl = 'pause' | 'resume' | 'stop';
