import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ByteTokenizer,
  endpointLanguageModel,
  GPT,
  type LanguageModel,
  localLanguageModel,
} from '../../src/index.js';

const tokenizer = new ByteTokenizer();
let gpt: GPT;
let local: LanguageModel;
let server: Server;
let baseUrl: string;
/** Answers to give before the real one. */
let faults: ((response: import('node:http').ServerResponse) => void)[] = [];
let requests = 0;
let atOnce = 0;
let mostAtOnce = 0;

beforeAll(async () => {
  await tf.setBackend('cpu');
  gpt = GPT.create(
    { vocabSize: 257, contextLength: 32, nLayer: 1, nHead: 2, nEmbd: 16 },
    { tokenizer, seed: 4 },
  );
  local = localLanguageModel(gpt);
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => {
      text += part;
    });
    request.on('end', async () => {
      requests += 1;
      const fault = faults.shift();
      if (fault) return fault(response);
      atOnce += 1;
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      const answer = await respond(request.url!, JSON.parse(text));
      atOnce -= 1;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(() => {
  server.close();
  gpt.dispose();
});

/** The legacy completions protocol, as lm-evaluation-harness and OpenAI clients expect it. */
async function respond(url: string, body: unknown): Promise<unknown> {
  if (url === '/v1/chat/completions') {
    const { messages } = body as { messages: { content: string }[] };
    return {
      choices: [{ index: 0, message: { content: `echo ${messages[0]!.content}` }, finish_reason: 'stop' }],
    };
  }
  const {
    prompt,
    max_tokens,
    temperature,
    echo,
    n = 1,
    seed,
  } = body as {
    prompt: (string | number[])[];
    max_tokens: number;
    temperature: number;
    echo?: boolean;
    n?: number;
    seed?: number;
  };
  const options = {
    maxTokens: max_tokens,
    temperature,
    n,
    logprobs: 1,
    promptLogprobs: true,
    seed: seed ?? 0,
  };
  const results = await gpt.generate(prompt, options);
  const choices = results.flatMap((result) =>
    result.choices.map((choice) => {
      const ids = echo ? [...result.promptTokenIds, ...choice.tokenIds] : choice.tokenIds;
      const logProbs = echo ? [...result.promptLogProbs!, ...choice.logProbs] : choice.logProbs;
      return {
        text: choice.text,
        finish_reason: choice.finishReason === 'length' ? 'length' : 'stop',
        logprobs: { tokens: ids.map(String), token_logprobs: logProbs, top_logprobs: ids.map(() => null) },
      };
    }),
  );
  // Out of order, as a concurrent server may answer.
  return { choices: choices.map((choice, index) => ({ ...choice, index })).reverse() };
}

describe('endpointLanguageModel', () => {
  it('scores and completes as the model behind it', async () => {
    const remote = endpointLanguageModel({ baseUrl, model: 'm', tokenizer, contextLength: 32, batchSize: 2 });
    const pairs = [
      { promptTokenIds: tokenizer.encode('abc'), completionTokenIds: tokenizer.encode('de') },
      { promptTokenIds: [], completionTokenIds: tokenizer.encode('xyz') },
      { promptTokenIds: tokenizer.encode('q'), completionTokenIds: tokenizer.encode('r') },
    ];
    const [own, theirs] = [await local.score(pairs), await remote.score(pairs)];
    theirs.forEach((score, i) => {
      expect(score.logLikelihood).toBeCloseTo(own[i]!.logLikelihood, 4);
    });
    const options = { maxTokens: 5, n: 2, seed: 7 };
    const texts = (lists: readonly (readonly { text: string }[])[]) =>
      lists.map((l) => l.map(({ text }) => text));
    expect(texts(await remote.complete(['ab', 'c', 'd'], options))).toEqual(
      texts(await local.complete(['ab', 'c', 'd'], options)),
    );
  });

  it('tries again after overload, faults and broken answers, and gives up in the end', async () => {
    const remote = endpointLanguageModel({ baseUrl, model: 'm', tokenizer, backoffMs: 1, retries: 3 });
    const fail = (status: number) => (response: import('node:http').ServerResponse) => {
      response.writeHead(status, { 'retry-after': '0' });
      response.end('{"error":{"message":"too busy"}}');
    };
    requests = 0;
    faults = [fail(429), fail(503), (response) => response.destroy()];
    await remote.complete(['a'], { maxTokens: 1 });
    expect(requests).toBe(4);
    faults = [fail(500), fail(500), fail(500), fail(500)];
    await expect(remote.complete(['a'])).rejects.toThrow(/HTTP 500: too busy \(4 attempts\)/);
    requests = 0;
    faults = [fail(401)];
    await expect(remote.complete(['a'])).rejects.toMatchObject({ status: 401, code: 'gpt-core/endpoint' });
    expect(requests).toBe(1);
  });

  it('keeps to its concurrency, and stops when told to', async () => {
    const remote = endpointLanguageModel({ baseUrl, model: 'm', tokenizer, batchSize: 1, concurrency: 2 });
    mostAtOnce = 0;
    await remote.complete(['a', 'b', 'c', 'd', 'e', 'f'], { maxTokens: 2 });
    expect(mostAtOnce).toBeLessThanOrEqual(2);
    const abort = new AbortController();
    const pending = remote.complete(['a', 'b', 'c'], { maxTokens: 4, signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(pending).rejects.toThrow('enough');
  });

  it('chats', async () => {
    const remote = endpointLanguageModel({ baseUrl: `${baseUrl}/`, model: 'm', tokenizer, kind: 'chat' });
    expect((await remote.complete(['hi']))[0]![0]!.text).toBe('echo hi');
    await expect(remote.score([])).rejects.toThrow(/cannot score/);
    expect(() => endpointLanguageModel({ baseUrl: 'localhost', model: 'm', tokenizer })).toThrow(/"baseUrl"/);
  });
});
