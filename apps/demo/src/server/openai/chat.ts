import { randomUUID } from 'node:crypto';
import type { ChatMessage, EngineResult, GeneratedToken, StreamEvent } from '@gpt-lineage/gpt-core';
import { z } from 'zod';
import { ApiError, badRequest, errorBody, toApiError } from '../errors.js';
import { EventStream, onDisconnect } from '../event-stream.js';
import type { ServedModel } from '../model-registry.js';
import type { Routes } from '../routes.js';
import { chatResponse, errorResponses } from './documentation.js';
import { checkLength, contextLengthError, finishReason, generate, usageOf } from './generation.js';
import { answerWithImages } from './images.js';
import { chatLogProb, TokenTexts } from './logprobs.js';
import { generateOptions, optional, samplingFields, stopTexts } from './sampling.js';

const textPart = z.looseObject({ type: z.enum(['text', 'input_text']), text: z.string() });
const imagePart = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.union([z.string(), z.looseObject({ url: z.string(), detail: optional(z.string()) })]),
});
const otherPart = z.looseObject({ type: z.string() });
const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: optional(z.union([z.string(), z.array(z.union([textPart, imagePart, otherPart])).min(1)])),
  name: optional(z.string()),
});

const responseFormat = z.union([
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    json_schema: z.looseObject({
      name: optional(z.string()),
      strict: optional(z.boolean()),
      schema: optional(z.looseObject({})),
    }),
  }),
]);

export const chatRequest = z.looseObject({
  messages: z.array(message).min(1).max(4096),
  ...samplingFields,
  max_tokens: optional(z.int().min(1)).describe('Default: what the context has room for'),
  max_completion_tokens: optional(z.int().min(1)).describe('The same under its newer name'),
  logprobs: optional(z.boolean()),
  top_logprobs: optional(z.int().min(0).max(20)),
  response_format: optional(responseFormat),
  tools: optional(z.array(z.unknown())),
  tool_choice: optional(z.unknown()),
  functions: optional(z.array(z.unknown())),
  truncation: optional(z.enum(['auto', 'disabled'])).describe(
    '`auto` drops the oldest messages of a dialogue that does not fit. Default `disabled`',
  ),
});

type ChatRequest = z.output<typeof chatRequest>;

/** `POST /v1/chat/completions` */
export function chatRoute({ app, registry, options }: Routes): void {
  app.post(
    '/v1/chat/completions',
    {
      schema: {
        tags: ['OpenAI'],
        summary: 'Answers a dialogue',
        body: chatRequest,
        response: { 200: chatResponse, ...errorResponses },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const served = await registry.get(body.model ?? undefined);
      refuseTools(body);
      const sees = served.sees !== undefined && hasImages(body);
      const promptIds = sees ? [] : promptOf(served, textMessages(body), body);
      const room = Math.max(1, served.engine.capacity - promptIds.length + 1);
      const asked = body.max_completion_tokens ?? body.max_tokens ?? room;
      const schema = schemaOf(body);
      const wantsLogProbs = body.logprobs === true || (body.top_logprobs ?? 0) > 0;
      const generateWith = {
        ...generateOptions(body, Math.min(asked, room, options.maxTokens)),
        stop: [...stopTexts(body.stop), ...served.chat.template.stop],
        ...(schema === undefined ? {} : { jsonSchema: schema }),
        ...(wantsLogProbs ? { logprobs: body.top_logprobs ?? 0 } : {}),
      };
      const begin = (onToken?: (event: StreamEvent) => void) =>
        sees
          ? answerWithImages(served, body.messages as never, generateWith, {
              ...options,
              truncate: body.truncation === 'auto',
              ...(onToken ? { onToken } : {}),
            })
          : generate(served, [promptIds], generateWith, options, onToken);
      const head = {
        id: `chatcmpl-${randomUUID()}`,
        created: Math.floor(Date.now() / 1000),
        model: served.card.id,
        system_fingerprint: null,
      };
      const texts = new TokenTexts(served.gpt.tokenizer!);
      const ends = endTokens(served);
      const listed = (tokens: readonly GeneratedToken[]) =>
        wantsLogProbs
          ? {
              content: tokens
                .filter(({ tokenId }) => !ends.has(tokenId))
                .map((token) => chatLogProb(texts, token, token.topLogProbs)),
              refusal: null,
            }
          : null;

      if (body.stream) {
        const chunk = (index: number, delta: object, rest: object = {}) => ({
          ...head,
          object: 'chat.completion.chunk',
          choices: [{ index, delta, logprobs: null, finish_reason: null, ...rest }],
          ...(body.stream_options?.include_usage ? { usage: null } : {}),
        });
        const trims = trimmers(served);
        let stream: EventStream | undefined;
        const generation = await begin((event) => {
          const content = trims(event.choice, event.text);
          if (content !== '' || wantsLogProbs) {
            stream?.send(chunk(event.choice, { content }, { logprobs: listed([event]) }));
          }
          if (event.finishReason !== undefined) {
            stream?.send(chunk(event.choice, {}, { finish_reason: finishReason(event.finishReason) }));
          }
        });
        onDisconnect(reply, generation.abort);
        stream = new EventStream(reply);
        for (let index = 0; index < (body.n ?? 1); index++) {
          stream.send(chunk(index, { role: 'assistant', content: '' }));
        }
        try {
          const results = await generation.results;
          for (const [index, { finishReason: reason, tokenIds }] of results[0]!.choices.entries()) {
            // Out of time before or between tokens: no token told of the end.
            if (reason === 'abort' || tokenIds.length === 0) {
              stream.send(chunk(index, {}, { finish_reason: 'length' }));
            }
          }
          if (body.stream_options?.include_usage) {
            stream.send({ ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf(results) });
          }
          stream.done();
        } catch (error) {
          stream.send(errorBody(toApiError(error)));
          stream.done();
          request.log.error(error);
        }
        return reply;
      }

      const generation = await begin();
      onDisconnect(reply, generation.abort);
      const results = await generation.results;
      return {
        ...head,
        object: 'chat.completion',
        choices: results[0]!.choices.map((choice, index) => ({
          index,
          message: { role: 'assistant', content: trimmers(served)(0, choice.text), refusal: null },
          logprobs: listed(tokensOf(choice)),
          finish_reason: finishReason(choice.finishReason),
        })),
        usage: usageOf(results),
      };
    },
  );
}

/** Tokens of a finished sample as they were streamed. */
export function tokensOf(choice: EngineResult['choices'][number]): GeneratedToken[] {
  return choice.tokenIds.map((tokenId, at) => ({
    tokenId,
    logProb: choice.logProbs[at]!,
    text: '',
    ...(choice.topLogProbs ? { topLogProbs: choice.topLogProbs[at]! } : {}),
  }));
}

/** Dialogues written as `Assistant:` go on with a space that is no part of the answer. */
function trimmers({ chat }: ServedModel): (choice: number, text: string) => string {
  if (chat.template.name !== 'human-assistant') return (_, text) => text;
  const begun = new Set<number>();
  return (choice, text) => {
    if (begun.has(choice)) return text;
    const trimmed = text.trimStart();
    if (trimmed !== '') begun.add(choice);
    return trimmed;
  };
}

function endTokens({ gpt }: ServedModel): ReadonlySet<number> {
  const ids = [gpt.config.eosTokenId, gpt.tokenizer?.eosTokenId];
  return new Set(ids.filter((id) => id !== null && id !== undefined));
}

function promptOf(served: ServedModel, messages: readonly ChatMessage[], body: ChatRequest): number[] {
  const { capacity } = served.engine;
  if (!served.gpt.tokenizer) throw badRequest('model', `The model ${served.card.id} has no tokenizer.`);
  if (body.truncation === 'auto') {
    const cut = messages.map((message) => ({ ...message, content: message.content.slice(-capacity * 128) }));
    // Half of the context at most, so that there is room for an answer.
    const asked = body.max_completion_tokens ?? body.max_tokens ?? capacity;
    return served.chat.encodeWithin(cut, capacity - Math.min(asked, Math.floor(capacity / 2)));
  }
  for (const { content } of messages) checkLength(content, capacity, 'messages');
  const tokenIds = served.chat.encode(messages);
  if (tokenIds.length > capacity) {
    throw contextLengthError(`The messages have ${tokenIds.length} tokens`, capacity, 'messages');
  }
  return tokenIds;
}

function hasImages({ messages }: ChatRequest): boolean {
  return messages.some(
    ({ content }) =>
      Array.isArray(content) && content.some(({ type }) => type === 'image_url' || type === 'input_image'),
  );
}

/** Messages with their contents as plain text. @throws {ApiError} content that the model does not take */
function textMessages({ messages }: ChatRequest): ChatMessage[] {
  return messages.map(({ role, content }, at) => {
    const ours = role === 'developer' ? 'system' : role;
    if (typeof content === 'string') return { role: ours, content };
    const text = (content ?? []).map((part, i) => {
      if ('text' in part && typeof part.text === 'string') return part.text;
      const what = part.type === 'image_url' ? 'images' : `parts of type ${JSON.stringify(part.type)}`;
      throw badRequest(
        `messages[${at}].content[${i}]`,
        `This model does not take ${what}.`,
        'unsupported_content',
      );
    });
    return { role: ours, content: text.join('') };
  });
}

/** @throws {ApiError} tools that the model would have to call */
function refuseTools({ tools, functions, tool_choice: choice }: ChatRequest): void {
  const given = (tools?.length ?? 0) > 0 ? 'tools' : (functions?.length ?? 0) > 0 ? 'functions' : undefined;
  if (given === undefined || choice === 'none') return;
  throw new ApiError(
    400,
    'unsupported_parameter',
    `These models cannot call ${given}: leave the field out, or set tool_choice to "none".`,
    { param: given },
  );
}

function schemaOf({ response_format: format }: ChatRequest) {
  if (format?.type === 'json_object') return { type: 'object' };
  if (format?.type !== 'json_schema') return undefined;
  const { schema } = (format as { json_schema: { schema?: Record<string, unknown> | null } }).json_schema;
  return schema ?? { type: 'object' };
}
