import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestServer } from './support.js';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start({ apiKeys: ['secret'] });
});
afterAll(() => server.stop());

const messages = [
  { role: 'system', content: 'Be brief' },
  { role: 'user', content: 'Hello' },
] as const;

describe('the openai package', () => {
  const open = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret', maxRetries: 0 });

  it('chats', async () => {
    const client = open();
    const body = {
      model: 'tiny',
      messages: [...messages],
      max_tokens: 10,
      seed: 5,
      logprobs: true,
      top_logprobs: 2,
    };
    const whole = await client.chat.completions.create(body);
    expect(whole.choices[0]!.finish_reason).toBe('length');
    expect(whole.usage!.completion_tokens).toBe(10);
    const stream = await client.chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: number | undefined;
    for await (const { choices, usage: counted } of stream) {
      text += choices[0]?.delta.content ?? '';
      usage ??= counted?.completion_tokens;
    }
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(usage).toBe(10);
    const helper = client.chat.completions.stream({ ...body });
    expect((await helper.finalChatCompletion()).choices[0]!.message.content).toBe(text);
  });

  it('parses answers that were held to a schema', async () => {
    const schema = {
      type: 'object',
      properties: { yes: { type: 'boolean' } },
      required: ['yes'],
      additionalProperties: false,
    };
    const answer = await open().chat.completions.parse({
      model: 'tiny',
      messages: [...messages],
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    });
    expect(typeof JSON.parse(answer.choices[0]!.message.content!).yes).toBe('boolean');
  });

  it('completes, embeds and lists', async () => {
    const client = open();
    const { choices } = await client.completions.create({
      model: 'tiny',
      prompt: [1, 2, 3],
      max_tokens: 4,
      echo: true,
      logprobs: 2,
      temperature: 0, // a drawn end token would shorten it
    });
    expect(choices[0]!.logprobs!.tokens).toHaveLength(7);
    const { data } = await client.embeddings.create({ model: 'tiny', input: ['a', 'b'] });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([32, 32]);
    expect(Math.hypot(...data[0]!.embedding)).toBeCloseTo(1, 4);
    expect((await client.models.list()).data.map(({ id }) => id)).toContain('tiny');
  });

  it('throws its own errors', async () => {
    const client = open();
    await expect(client.chat.completions.create({ model: 'none', messages: [...messages] })).rejects.toThrow(
      OpenAI.NotFoundError,
    );
    await expect(
      client.chat.completions.create({ model: 'tiny', messages: [...messages], temperature: 99 }),
    ).rejects.toThrow(OpenAI.BadRequestError);
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
  });

  it('ends the work when it aborts', async () => {
    const stream = await open().completions.create({
      model: 'tiny',
      prompt: 'go',
      max_tokens: 250,
      stream: true,
      seed: 1,
    });
    for await (const _ of stream) break;
    stream.controller.abort();
    await server.idle();
  });
});

describe('the Vercel AI SDK', () => {
  const open = () =>
    createOpenAICompatible({
      name: 'gpt-lineage',
      baseURL: `${server.url}/v1`,
      apiKey: 'secret',
      includeUsage: true,
      supportsStructuredOutputs: true,
    });

  it('generates and streams text', async () => {
    const model = open()('tiny');
    const prompt = {
      messages: [{ role: 'user' as const, content: 'Hello' }],
      maxOutputTokens: 12,
      seed: 3,
      maxRetries: 0,
    };
    const whole = await generateText({ model, ...prompt });
    expect(whole.finishReason).toBe('length');
    expect(whole.usage.outputTokens).toBe(12);
    const stream = streamText({ model, ...prompt });
    let text = '';
    for await (const part of stream.textStream) text += part;
    expect(text).toBe(whole.text);
    expect(await stream.finishReason).toBe('length');
    expect((await stream.usage).outputTokens).toBe(12);
  });

  it('continues texts and embeds', async () => {
    const provider = open();
    const { text } = await generateText({
      model: provider.completionModel('tiny'),
      prompt: 'Once',
      maxOutputTokens: 5,
      maxRetries: 0,
    });
    expect(typeof text).toBe('string');
    const { embeddings } = await provider.embeddingModel('tiny').doEmbed({ values: ['a'] });
    expect(embeddings[0]).toHaveLength(32);
  });
});
