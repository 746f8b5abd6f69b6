import { randomUUID } from 'node:crypto';
import type { EngineResult, GeneratedCompletion, Prompt, StreamEvent } from '@gpt-lineage/gpt-core';
import { z } from 'zod';
import { ApiError, badRequest, errorBody, toApiError } from '../errors.js';
import { EventStream, onDisconnect } from '../event-stream.js';
import type { ServedModel } from '../model-registry.js';
import type { Routes } from '../routes.js';
import { completionResponse, errorResponses } from './documentation.js';
import { checkLength, contextLengthError, finishReason, generate, usageOf } from './generation.js';
import { type ListedToken, legacyLogProbs, TokenTexts } from './logprobs.js';
import { generateOptions, optional, samplingFields, stopTexts } from './sampling.js';

const tokenIds = z.array(z.int().min(0));
export const completionRequest = z.looseObject({
  prompt: optional(
    z.union([
      z.string(),
      tokenIds.min(1),
      z.array(z.string()).min(1).max(1024),
      z.array(tokenIds).min(1).max(1024),
    ]),
  ),
  ...samplingFields,
  max_tokens: optional(z.int().min(0)).describe('Default 16'),
  echo: optional(z.boolean()).describe('The prompt comes back before the text'),
  logprobs: optional(z.int().min(0).max(20)),
  best_of: optional(z.int().min(1).max(64)),
  suffix: optional(z.string()),
  truncation: optional(z.enum(['auto', 'disabled'])).describe(
    '`auto` drops the beginning of a prompt that does not fit',
  ),
});

type CompletionRequest = z.output<typeof completionRequest>;

/** `POST /v1/completions` */
export function completionsRoute({ app, registry, options }: Routes): void {
  app.post(
    '/v1/completions',
    {
      schema: {
        tags: ['OpenAI'],
        summary: 'Continues texts or token ids',
        body: completionRequest,
        response: { 200: completionResponse, ...errorResponses },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const served = await registry.get(body.model ?? undefined);
      refuse(body);
      const prompts = promptsOf(served, body);
      const echoesScores = body.echo === true && typeof body.logprobs === 'number';
      const generateWith = {
        ...generateOptions(body, Math.min(body.max_tokens ?? 16, options.maxTokens)),
        stop: stopTexts(body.stop),
        ...(typeof body.logprobs === 'number' ? { logprobs: body.logprobs } : {}),
        ...(echoesScores ? { promptLogprobs: true } : {}),
        ...(body.best_of ? { bestOf: body.best_of } : {}),
      };
      const n = body.n ?? 1;
      const head = {
        id: `cmpl-${randomUUID()}`,
        object: 'text_completion',
        created: Math.floor(Date.now() / 1000),
        model: served.card.id,
        system_fingerprint: null,
      };
      const choice = (result: EngineResult, prompt: number, sample: GeneratedCompletion, index: number) => {
        const before = echoed(served, prompts[prompt]!, result, body);
        return {
          index: prompt * n + index,
          text: before + sample.text,
          logprobs: listed(served, result, sample, before, body),
          finish_reason: finishReason(sample.finishReason),
        };
      };

      if (!body.stream) {
        const generation = generate(served, prompts, generateWith, options);
        onDisconnect(reply, generation.abort);
        const results = await generation.results;
        return {
          ...head,
          choices: results.flatMap((result, prompt) =>
            result.choices.map((sample, index) => choice(result, prompt, sample, index)),
          ),
          usage: usageOf(results),
        };
      }

      let stream: EventStream | undefined;
      const usage = body.stream_options?.include_usage ? { usage: null } : {};
      const texts = served.gpt.tokenizer && new TokenTexts(served.gpt.tokenizer);
      const ended = new Set<number>();
      const offsets = new Map<number, number>();
      const send = (event: StreamEvent) => {
        const index = event.prompt * n + event.choice;
        const offset = offsets.get(index) ?? 0;
        offsets.set(index, offset + event.text.length);
        const ends = event.finishReason !== undefined;
        if (ends) ended.add(index);
        if (event.text === '' && !ends && body.logprobs === undefined) return;
        const token = { ...event, alternatives: event.topLogProbs ?? [] };
        const logprobs = typeof body.logprobs === 'number' ? legacyLogProbs(texts!, [token], offset) : null;
        const reason = ends ? finishReason(event.finishReason!) : null;
        stream?.send({
          ...head,
          choices: [{ index, text: event.text, logprobs, finish_reason: reason }],
          ...usage,
        });
      };
      // Scores of the prompt are known with the result only: each choice then comes in one piece.
      const generation = generate(served, prompts, generateWith, options, echoesScores ? undefined : send);
      onDisconnect(reply, generation.abort);
      stream = new EventStream(reply);
      try {
        if (body.echo && !echoesScores) {
          for (const [prompt, given] of prompts.entries()) {
            const text = typeof given === 'string' ? given : served.gpt.decode(given);
            for (let i = 0; i < n; i++) {
              const index = prompt * n + i;
              offsets.set(index, text.length);
              stream.send({
                ...head,
                choices: [{ index, text, logprobs: null, finish_reason: null }],
                ...usage,
              });
            }
          }
        }
        const results = await generation.results;
        for (const [prompt, result] of results.entries()) {
          for (const [i, sample] of result.choices.entries()) {
            if (echoesScores) {
              stream.send({ ...head, choices: [choice(result, prompt, sample, i)], ...usage });
            } else if (!ended.has(prompt * n + i)) {
              const last = { index: prompt * n + i, text: '', logprobs: null, finish_reason: 'length' };
              stream.send({ ...head, choices: [last], ...usage });
            }
          }
        }
        if (body.stream_options?.include_usage)
          stream.send({ ...head, choices: [], usage: usageOf(results) });
      } catch (error) {
        stream.send(errorBody(toApiError(error)));
        request.log.error(error);
      }
      stream.done();
      return reply;
    },
  );
}

/** @throws {ApiError} what the models cannot do */
function refuse(body: CompletionRequest): void {
  if (body.suffix) {
    throw new ApiError(
      400,
      'unsupported_parameter',
      'These models do not fill in before a suffix: leave it out.',
      {
        param: 'suffix',
      },
    );
  }
  const bestOf = body.best_of ?? body.n ?? 1;
  if (bestOf < (body.n ?? 1)) throw badRequest('best_of', `best_of must be at least n (${body.n}).`);
  if (body.stream && bestOf > (body.n ?? 1)) {
    throw badRequest('best_of', 'The best of several texts is known at the end only: it cannot be streamed.');
  }
}

/** The prompts of a request: one text, one list of token ids, or several of either. */
function promptsOf(served: ServedModel, body: CompletionRequest): Prompt[] {
  const { prompt, truncation } = body;
  const { capacity } = served.engine;
  const list =
    typeof prompt === 'string' || prompt === null || prompt === undefined ? [prompt ?? ''] : prompt;
  const prompts = typeof list[0] === 'number' ? [list as number[]] : (list as Prompt[]);
  return prompts.map((entry, at) => {
    const param = prompts.length === 1 ? 'prompt' : `prompt[${at}]`;
    // Half of the context at most is kept free for the text that follows.
    const kept = capacity - Math.min(body.max_tokens ?? 16, Math.floor(capacity / 2));
    if (typeof entry !== 'string') return truncation === 'auto' ? entry.slice(-kept) : entry;
    if (!served.gpt.tokenizer) throw badRequest(param, 'This model has no tokenizer: give token ids.');
    if (truncation === 'auto') return served.gpt.encode(entry.slice(-capacity * 128)).slice(-kept);
    checkLength(entry, capacity, param);
    const ids = entry === '' ? [] : served.gpt.encode(entry);
    if (ids.length > capacity)
      throw contextLengthError(`The prompt has ${ids.length} tokens`, capacity, param);
    return entry;
  });
}

function echoed({ gpt }: ServedModel, prompt: Prompt, result: EngineResult, body: CompletionRequest): string {
  if (!body.echo) return '';
  if (typeof prompt === 'string' && body.truncation !== 'auto') return prompt;
  return gpt.tokenizer ? gpt.decode(result.promptTokenIds) : '';
}

function listed(
  { gpt }: ServedModel,
  result: EngineResult,
  sample: GeneratedCompletion,
  before: string,
  body: CompletionRequest,
) {
  if (typeof body.logprobs !== 'number' || !gpt.tokenizer) return null;
  const ofPrompt: ListedToken[] = body.echo
    ? result.promptTokenIds.map((tokenId, at) => ({
        tokenId,
        logProb: result.promptLogProbs![at]!,
        alternatives: result.promptTopLogProbs![at]!,
      }))
    : [];
  const ofText = sample.tokenIds.map((tokenId, at) => ({
    tokenId,
    logProb: sample.logProbs[at]!,
    alternatives: sample.topLogProbs?.[at] ?? [],
  }));
  return legacyLogProbs(
    new TokenTexts(gpt.tokenizer),
    [...ofPrompt, ...ofText],
    body.echo ? 0 : before.length,
  );
}
