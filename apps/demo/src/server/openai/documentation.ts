import { z } from 'zod';

// What answers look like, for the OpenAPI page. Answers are not checked against it.
const documented = (schema: z.ZodType): z.ZodType<unknown> => schema;

export const errorBodySchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

export const errorResponses = {
  400: documented(errorBodySchema.describe('The request is wrong; `param` names the field')),
  404: documented(errorBodySchema.describe('No such model')),
  429: documented(errorBodySchema.describe('The queue is full; `Retry-After` says when to come back')),
};

const usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
  completion_tokens_details: z.object({ reasoning_tokens: z.int() }),
});
const head = {
  id: z.string(),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string().nullable(),
};
const reason = z.enum(['stop', 'length']);
const token = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });

export const chatResponse = documented(
  z
    .object({
      ...head,
      object: z.literal('chat.completion'),
      choices: z.array(
        z.object({
          index: z.int(),
          message: z.object({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
          logprobs: z
            .object({ content: z.array(token.extend({ top_logprobs: z.array(token) })), refusal: z.null() })
            .nullable(),
          finish_reason: reason,
        }),
      ),
      usage,
    })
    .describe('With `stream`, server-sent events `chat.completion.chunk` and then `[DONE]`'),
);

export const completionResponse = documented(
  z
    .object({
      ...head,
      object: z.literal('text_completion'),
      choices: z.array(
        z.object({
          index: z.int(),
          text: z.string(),
          logprobs: z
            .object({
              tokens: z.array(z.string()),
              token_logprobs: z.array(z.number().nullable()),
              top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
              text_offset: z.array(z.int()),
            })
            .nullable(),
          finish_reason: reason,
        }),
      ),
      usage,
    })
    .describe('With `stream`, server-sent events of the same shape and then `[DONE]`'),
);

export const embeddingResponse = documented(
  z.object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        object: z.literal('embedding'),
        index: z.int(),
        embedding: z.union([z.array(z.number()), z.string()]),
      }),
    ),
    model: z.string(),
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
  }),
);

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
});
export const modelListResponse = z.object({ object: z.literal('list'), data: z.array(modelSchema) });
