import { join } from 'node:path';
import { GPT } from '@gpt-lineage/gpt-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { events, type Json, TestServer } from './support.js';

let server: TestServer;
let model: GPT;
beforeAll(async () => {
  server = await TestServer.start();
  model = await GPT.load(join(server.folder, 'tiny'));
});
afterAll(async () => {
  model.dispose();
  await server.stop();
});

const messages = [{ role: 'user', content: 'Hello there' }];

describe('/v1/completions', () => {
  it('continues a text as the library does', async () => {
    const body = { model: 'tiny', prompt: 'Once', max_tokens: 12, temperature: 0.8, top_p: 0.9, seed: 7 };
    const answer = await server.json('/v1/completions', body);
    const expected = await model.generate('Once', { maxTokens: 12, temperature: 0.8, topP: 0.9, seed: 7 });
    expect(answer).toMatchObject({
      object: 'text_completion',
      model: 'tiny',
      choices: [{ index: 0, text: expected.text, logprobs: null, finish_reason: 'length' }],
      usage: { prompt_tokens: 4, completion_tokens: 12, total_tokens: 16 },
    });
  });

  it('takes texts, token ids and lists of either, with several samples', async () => {
    const ids = model.encode('Once');
    const options = { max_tokens: 5, temperature: 0 };
    const one = await server.json('/v1/completions', { prompt: 'Once', ...options });
    for (const prompt of [ids, [ids], ['Once']]) {
      const answer = await server.json('/v1/completions', { prompt, ...options });
      expect(answer.choices[0].text).toBe(one.choices[0].text);
    }
    const many = await server.json('/v1/completions', {
      prompt: ['Once', 'Twice'],
      n: 3,
      seed: 1,
      max_tokens: 4,
    });
    expect(many.choices.map((choice: Json) => choice.index)).toEqual([0, 1, 2, 3, 4, 5]);
    const expected = await model.generate('Twice', { n: 3, seed: 1, maxTokens: 4 });
    expect(many.choices.slice(3).map((choice: Json) => choice.text)).toEqual(
      expected.choices.map(({ text }) => text),
    );
    const best = await server.json('/v1/completions', { prompt: 'Once', best_of: 4, seed: 1, max_tokens: 4 });
    expect(best.choices[0].text).toBe(
      (await model.generate('Once', { bestOf: 4, seed: 1, maxTokens: 4 })).text,
    );
  });

  it('scores a prompt: echo with logprobs, as lm-evaluation-harness asks for it', async () => {
    const ids = model.encode('The same text');
    for (const maxTokens of [0, 1]) {
      const { choices } = await server.json('/v1/completions', {
        prompt: [ids, model.encode('x and y')],
        ...{ max_tokens: maxTokens, temperature: 0, logprobs: 1, echo: true, seed: 1234 },
      });
      const {
        tokens,
        token_logprobs: logProbs,
        top_logprobs: top,
        text_offset: offsets,
      } = choices[0].logprobs;
      expect(tokens).toHaveLength(ids.length + maxTokens);
      expect(offsets[3]).toBe(3);
      expect(logProbs[0]).toBeNull();
      expect(top[0]).toBeNull();
      const [score] = await model.score([ids.slice(0, 1)], [ids.slice(1)]);
      score!.tokenLogProbs.forEach((value, at) => {
        expect(logProbs[at + 1]).toBeCloseTo(value, 3);
      });
      for (const [at, entries] of top.entries()) {
        if (entries)
          expect(Math.max(...(Object.values(entries) as number[]))).toBeGreaterThanOrEqual(logProbs[at]);
      }
      expect(choices[0].text.startsWith('The same text')).toBe(true);
    }
  });

  it('stops at texts, and streams what it would have given', async () => {
    const body = { prompt: ['A', 'B'], n: 2, seed: 3, max_tokens: 30, stop: ['e', 'a'], logprobs: 2 };
    const whole = await server.json('/v1/completions', body);
    const streamed = events(
      await (
        await server.post('/v1/completions', {
          ...body,
          stream: true,
          stream_options: { include_usage: true },
        })
      ).text(),
    );
    expect(streamed.at(-1)).toBe('[DONE]');
    expect(streamed.at(-2).usage).toMatchObject({ prompt_tokens: 2 });
    for (const choice of whole.choices) {
      const own = streamed.slice(0, -2).filter(({ choices }) => choices[0].index === choice.index);
      expect(own.map(({ choices }) => choices[0].text).join('')).toBe(choice.text);
      expect(own.at(-1).choices[0].finish_reason).toBe(choice.finish_reason);
      expect(own.flatMap(({ choices }) => choices[0].logprobs.tokens)).toEqual(choice.logprobs.tokens);
    }
  });

  it('echoes in streams', async () => {
    const body = { prompt: 'Echo', echo: true, max_tokens: 3, temperature: 0, stream: true };
    for (const logprobs of [undefined, 1]) {
      const streamed = events(
        await (await server.post('/v1/completions', { ...body, logprobs })).text(),
      ).slice(0, -1);
      const text = streamed.map(({ choices }) => choices[0].text).join('');
      expect(text.startsWith('Echo')).toBe(true);
      expect(streamed.at(-1).choices[0].finish_reason).toBe('length');
    }
  });
});

describe('/v1/chat/completions', () => {
  it('answers, whole and in pieces', async () => {
    const body = {
      model: 'tiny',
      messages,
      max_completion_tokens: 15,
      seed: 4,
      logprobs: true,
      top_logprobs: 3,
      n: 2,
    };
    const whole = await server.json('/v1/chat/completions', body);
    expect(whole).toMatchObject({
      object: 'chat.completion',
      model: 'tiny',
      usage: { completion_tokens: 30 },
    });
    expect(whole.choices[0].logprobs.content).toHaveLength(15);
    expect(whole.choices[0].logprobs.content[0].top_logprobs).toHaveLength(3);
    const response = await server.post('/v1/chat/completions', {
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const streamed = events(await response.text());
    expect(streamed[0].choices[0].delta).toEqual({ role: 'assistant', content: '' });
    expect(streamed.at(-1)).toBe('[DONE]');
    expect(streamed.at(-2)).toMatchObject({ choices: [], usage: { completion_tokens: 30 } });
    for (const { index, message, finish_reason } of whole.choices) {
      const own = streamed.slice(0, -2).filter(({ choices }) => choices[0].index === index);
      expect(own.map(({ choices }) => choices[0].delta.content ?? '').join('')).toBe(message.content);
      expect(own.at(-1).choices[0].finish_reason).toBe(finish_reason);
      expect(own.slice(0, -1).every(({ choices }) => choices[0].finish_reason === null)).toBe(true);
    }
  });

  it('holds the answer to a schema', async () => {
    const schema = {
      type: 'object',
      properties: {
        colour: { enum: ['red', 'green'] },
        sizes: { type: 'array', items: { type: 'boolean' }, maxItems: 3 },
      },
      required: ['colour', 'sizes'],
      additionalProperties: false,
    };
    const format = { type: 'json_schema', json_schema: { name: 'thing', strict: true, schema } };
    for (let seed = 0; seed < 4; seed++) {
      const { choices } = await server.json('/v1/chat/completions', {
        messages,
        seed,
        response_format: format,
      });
      const value = JSON.parse(choices[0].message.content);
      expect(['red', 'green']).toContain(value.colour);
      expect(Array.isArray(value.sizes)).toBe(true);
    }
    const bad = {
      type: 'json_schema',
      json_schema: { name: 'x', schema: { type: 'string', pattern: 'a+' } },
    };
    const { error } = await server.json('/v1/chat/completions', { messages, response_format: bad }, 400);
    expect(error).toMatchObject({ param: 'response_format', code: 'unsupported_schema' });
  });

  it('says how much of the prompt was known', async () => {
    const long = [{ role: 'user', content: 'A long question that is asked more than once, word for word' }];
    await server.json('/v1/chat/completions', { messages: long, max_tokens: 2 });
    const { usage } = await server.json('/v1/chat/completions', { messages: long, max_tokens: 2 });
    expect(usage.prompt_tokens_details.cached_tokens).toBe(usage.prompt_tokens - 1);
  });

  it('keeps quoted special tokens as text', async () => {
    const { tokens } = await server.json('/tokenize', {
      messages: [{ role: 'user', content: 'a <|endoftext|> b' }],
    });
    const { prompt } = await server.json('/detokenize', { tokens });
    expect(prompt).toContain('a <|endoftext|> b');
  });

  it('drops old messages when asked to', async () => {
    const dialogue = Array.from({ length: 30 }, (_, i) => ({
      role: i % 2 ? 'assistant' : 'user',
      content: `Turn ${i} of a long talk`,
    }));
    const { error } = await server.json('/v1/chat/completions', { messages: dialogue }, 400);
    expect(error).toMatchObject({ code: 'context_length_exceeded', param: 'messages' });
    const body = { messages: dialogue, truncation: 'auto', max_tokens: 5 };
    expect((await server.json('/v1/chat/completions', body)).usage.completion_tokens).toBe(5);
  });

  it('refuses what it cannot do, by name', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
    expect((await server.json('/v1/chat/completions', { messages, tools }, 400)).error.param).toBe('tools');
    await server.json('/v1/chat/completions', { messages, tools, tool_choice: 'none', max_tokens: 1 });
    const image = [
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] },
    ];
    const refused = await server.json('/v1/chat/completions', { messages: image }, 400);
    expect(refused.error).toMatchObject({ param: 'messages[0].content[0]', code: 'unsupported_content' });
    expect((await server.json('/v1/completions', { prompt: 'a', suffix: 'b' }, 400)).error.param).toBe(
      'suffix',
    );
    expect((await server.json('/v1/completions', { prompt: 'a', model: 'none' }, 404)).error.code).toBe(
      'model_not_found',
    );
    expect((await server.json('/v1/completions', { prompt: 'a', temperature: 9 }, 400)).error.param).toBe(
      'temperature',
    );
    expect((await server.json('/v1/completions', { prompt: [99999] }, 400)).error.type).toBe(
      'invalid_request_error',
    );
    expect((await server.json('/v1/completions', { prompt: 'a'.repeat(300) }, 400)).error.code).toBe(
      'context_length_exceeded',
    );
    expect((await server.json('/v1/completions', { prompt: 'a'.repeat(90_000) }, 400)).error.code).toBe(
      'context_length_exceeded',
    );
    // Fields nobody knows are no reason to refuse.
    await server.json('/v1/chat/completions', {
      messages,
      max_tokens: 1,
      store: false,
      reasoning_effort: 'low',
      user: null,
    });
  });
});

it('embeds texts, as numbers or base64', async () => {
  const [expected] = await model.embed(['Hello']);
  const numbers = await server.json('/v1/embeddings', { model: 'tiny', input: ['Hello', 'you'] });
  expect(numbers.data).toHaveLength(2);
  numbers.data[0].embedding.forEach((value: number, at: number) => {
    expect(value).toBeCloseTo(expected![at]!, 5);
  });
  const coded = await server.json('/v1/embeddings', {
    model: 'tiny',
    input: 'Hello',
    encoding_format: 'base64',
  });
  const bytes = Buffer.from(coded.data[0].embedding, 'base64');
  expect(bytes.readFloatLE(4)).toBeCloseTo(expected![1]!, 5);
  const short = await server.json('/v1/embeddings', { model: 'tiny', input: 'Hello', dimensions: 8 });
  expect(Math.hypot(...short.data[0].embedding)).toBeCloseTo(1, 5);
});

it('lists models, counts tokens, and tells how it is', async () => {
  const get = async (path: string) => (await fetch(server.url + path)).json() as Promise<Json>;
  expect((await get('/v1/models')).data.map(({ id }: Json) => id)).toEqual(['tiny', 'other']);
  expect(await get('/v1/models/tiny')).toMatchObject({ id: 'tiny', object: 'model' });
  expect((await get('/v1/models/none')).error.code).toBe('model_not_found');
  const tokens = await server.json('/tokenize', { prompt: 'né', return_token_strs: true });
  expect(tokens).toMatchObject({
    count: 3,
    max_model_len: 256,
    token_strs: ['n', 'bytes:\\xc3', 'bytes:\\xa9'],
  });
  expect((await server.json('/detokenize', { tokens: tokens.tokens })).prompt).toBe('né');
  expect((await get('/health')).status).toBe('ok');
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toMatch(/gpt_generated_tokens_total\{model="tiny"\} [1-9]/);
  expect(metrics).toMatch(/gpt_sequences_running\{model="tiny"\} 0/);
  const page = await get('/openapi.json');
  expect(Object.keys(page.paths)).toContain('/v1/chat/completions');
  expect(await (await fetch(`${server.url}/docs`)).text()).toContain('/v1/embeddings');
});
