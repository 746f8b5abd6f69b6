import { randomInt } from 'node:crypto';
import type { GenerateOptions } from '@gpt-lineage/gpt-core';
import { z } from 'zod';

/** OpenAI's clients send `null` for what they leave open. */
export const optional = <T extends z.ZodType>(schema: T) => schema.nullish();

/** Fields that chat and text completions have in common. Those after `user` are ours, under vLLM's names. */
export const samplingFields = {
  model: optional(z.string()).describe('Default: the first model'),
  temperature: optional(z.number().min(0).max(2)).describe('0 is greedy. Default 1'),
  top_p: optional(z.number().min(0).max(1)).describe('Default 1'),
  n: optional(z.int().min(1).max(64)).describe('Default 1'),
  stop: optional(z.union([z.string(), z.array(z.string()).max(16)])).describe('Empty texts are ignored'),
  seed: optional(z.int()).describe('Default: another one each time'),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  logit_bias: optional(
    z.record(z.string().regex(/^\d+$/, 'keys are token ids'), z.number().min(-100).max(100)),
  ),
  stream: optional(z.boolean()),
  stream_options: optional(z.looseObject({ include_usage: optional(z.boolean()) })),
  user: optional(z.string()),
  top_k: optional(z.int().min(-1)).describe('0 or -1: off'),
  min_p: optional(z.number().min(0).max(1)),
  typical_p: optional(z.number().gt(0).max(1)),
  repetition_penalty: optional(z.number().gt(0).max(10)),
  min_tokens: optional(z.int().min(0)),
  ignore_eos: optional(z.boolean()),
};

const samplingSchema = z.looseObject(samplingFields);
export type SamplingFields = z.output<typeof samplingSchema>;

/** Below this, dividing by the temperature is no longer a number. */
const coldest = 1e-5;

/** Options of `generate` for a request. */
export function generateOptions(body: SamplingFields, maxTokens: number): GenerateOptions {
  const temperature = body.temperature ?? 1;
  const greedy = temperature < coldest || body.top_p === 0;
  return {
    maxTokens,
    temperature: greedy ? 0 : temperature,
    seed: body.seed ?? randomInt(2 ** 31),
    contextOverflow: 'stop',
    ...(body.top_p ? { topP: body.top_p } : {}),
    ...(body.top_k && body.top_k > 0 ? { topK: body.top_k } : {}),
    ...(body.min_p ? { minP: body.min_p } : {}),
    ...(body.typical_p ? { typicalP: body.typical_p } : {}),
    ...(body.repetition_penalty ? { repetitionPenalty: body.repetition_penalty } : {}),
    ...(body.presence_penalty ? { presencePenalty: body.presence_penalty } : {}),
    ...(body.frequency_penalty ? { frequencyPenalty: body.frequency_penalty } : {}),
    ...(body.min_tokens ? { minTokens: body.min_tokens } : {}),
    ...(body.ignore_eos ? { eosTokenIds: [] } : {}),
    ...(body.logit_bias
      ? { logitBias: new Map(Object.entries(body.logit_bias).map(([id, add]) => [Number(id), add])) }
      : {}),
    ...(body.n ? { n: body.n } : {}),
  };
}

/** lm-evaluation-harness sends an empty text when it knows no end token. */
export function stopTexts(stop: SamplingFields['stop']): string[] {
  const texts = typeof stop === 'string' ? [stop] : (stop ?? []);
  return texts.filter((text) => text !== '');
}
