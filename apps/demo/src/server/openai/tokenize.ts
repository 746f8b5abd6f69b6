import { z } from 'zod';
import { specialTokenText } from '../chat-prompt.js';
import { badRequest } from '../errors.js';
import type { Routes } from '../routes.js';
import { errorResponses } from './documentation.js';
import { TokenTexts } from './logprobs.js';
import { optional } from './sampling.js';

const tokenizeRequest = z.looseObject({
  model: optional(z.string()),
  prompt: optional(z.string()),
  messages: optional(z.array(z.looseObject({ role: z.string(), content: z.string() })).min(1)),
  add_generation_prompt: optional(z.boolean()),
  return_token_strs: optional(z.boolean()),
  special: optional(z.boolean()).describe(
    'Recognise special tokens in the prompt. Default `true`, as in vLLM',
  ),
});
const tokenizeResponse = z.object({
  count: z.int(),
  max_model_len: z.int(),
  tokens: z.array(z.int()),
  token_strs: z.array(z.string()).nullable(),
});

/** `POST /tokenize`, `POST /detokenize` and `GET /tokenizer_info`, shaped as vLLM's */
export function tokenizeRoutes({ app, registry, options }: Routes): void {
  app.post(
    '/tokenize',
    {
      schema: {
        tags: ['Tokens'],
        summary: 'Token ids of a text or of a dialogue',
        body: tokenizeRequest,
        response: { 200: tokenizeResponse, ...errorResponses },
      },
    },
    async ({ body }) => {
      const { gpt, chat, engine } = await registry.get(body.model ?? undefined);
      if (!gpt.tokenizer) throw badRequest('model', 'This model has no tokenizer.');
      if (!body.messages && typeof body.prompt !== 'string') {
        throw badRequest('prompt', 'Give a prompt, or messages.', 'missing_field');
      }
      const length = (body.prompt ?? '').length;
      if (length > options.maxBodyBytes / 4)
        throw badRequest('prompt', `The prompt has ${length} characters.`);
      const tokens = body.messages
        ? chat.encode(body.messages, body.add_generation_prompt ?? true)
        : gpt.encode(body.prompt!, body.special === false ? {} : { allowedSpecial: 'all' });
      const texts = new TokenTexts(gpt.tokenizer);
      return {
        count: tokens.length,
        max_model_len: engine.capacity,
        tokens,
        token_strs: body.return_token_strs ? tokens.map((id) => texts.text(id)) : null,
      };
    },
  );
  app.post(
    '/detokenize',
    {
      schema: {
        tags: ['Tokens'],
        summary: 'The text of token ids',
        body: z.looseObject({ model: optional(z.string()), tokens: z.array(z.int().min(0)) }),
        response: { 200: z.object({ prompt: z.string() }), ...errorResponses },
      },
    },
    async ({ body }) => {
      const { gpt } = await registry.get(body.model ?? undefined);
      const { vocabSize } = gpt.config;
      const odd = body.tokens.findIndex((id) => id >= vocabSize);
      if (odd >= 0) {
        throw badRequest(
          `tokens[${odd}]`,
          `${body.tokens[odd]} is no token id: they end at ${vocabSize - 1}.`,
        );
      }
      return { prompt: gpt.decode(body.tokens) };
    },
  );
  app.get(
    '/tokenizer_info',
    {
      schema: {
        tags: ['Tokens'],
        summary: 'Special tokens of a model',
        querystring: z.object({ model: z.string().optional() }),
      },
    },
    async ({ query }) => {
      const { gpt, chat, card } = await registry.get(query.model);
      const text = (id: number | null | undefined) =>
        id === null || id === undefined ? null : specialTokenText(gpt.tokenizer, id);
      const end = text(gpt.config.eosTokenId ?? gpt.tokenizer?.eosTokenId);
      return {
        tokenizer_class: card.tokenizer,
        bos_token: text(gpt.config.bosTokenId) ?? end,
        eos_token: end,
        pad_token: null,
        model_max_length: gpt.config.contextLength,
        chat_template: chat.template.source ?? null,
      };
    },
  );
}
