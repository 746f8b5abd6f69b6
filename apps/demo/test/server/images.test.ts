import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteTokenizer, initCompute, MultimodalGPT } from '@gpt-lineage/gpt-core';
import { CLIP, defaultLogitScale } from '@gpt-lineage/vision-clip';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningServer, startServer } from '../../src/server/app.js';

let folder: string;
let server: RunningServer;
let model: MultimodalGPT;
beforeAll(async () => {
  await initCompute();
  folder = await mkdtemp(join(tmpdir(), 'gpt-demo-images-'));
  const tokenizer = new ByteTokenizer();
  const vision = {
    kind: 'vit',
    imageSize: 16,
    patchSize: 8,
    nEmbd: 12,
    nLayer: 2,
    nHead: 2,
    nInner: 24,
  } as const;
  const clip = CLIP.create(
    {
      embedDim: 8,
      vision: { ...vision, activation: 'quick', layerNormEpsilon: 1e-5 },
      logitScaleInit: defaultLogitScale,
    },
    { seed: 3 },
  );
  const shape = { contextLength: 160, nLayer: 2, nHead: 2, nEmbd: 16, initializerRange: 0.3 };
  model = MultimodalGPT.create(
    { vocabSize: tokenizer.vocabSize, ...shape, vision: { projector: 'mlp' } },
    { clip, seed: 5, tokenizer },
  );
  await model.save(join(folder, 'sees'));
  server = await startServer({ models: [{ path: join(folder, 'sees') }], port: 0, logLevel: 'silent' });
});
afterAll(async () => {
  await server.close(1000);
  model.dispose();
  await rm(folder, { recursive: true, force: true });
});

// A red pixel
const png =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
const messages = (url: string) => [
  {
    role: 'user' as const,
    content: [
      { type: 'text' as const, text: 'What?' },
      { type: 'image_url' as const, image_url: { url } },
    ],
  },
];

it('answers questions about images, whole and in pieces', async () => {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const body = { model: 'sees', messages: messages(png), max_tokens: 12, temperature: 0 };
  const whole = await client.chat.completions.create(body);
  const expected = await model.chat(messages(png), { maxTokens: 12, temperature: 0 });
  expect(whole.choices[0]!.message.content).toBe(expected.text);
  expect(whole.usage!.prompt_tokens).toBe(expected.promptTokenIds.length);
  let text = '';
  for await (const { choices } of await client.chat.completions.create({ ...body, stream: true })) {
    text += choices[0]?.delta.content ?? '';
  }
  expect(text).toBe(expected.text);
  // The same model answers text in the shared batch.
  const plain = await client.completions.create({ model: 'sees', prompt: 'a', max_tokens: 3 });
  expect(plain.usage!.completion_tokens).toBe(3);
});

it('refuses images that it cannot read, by name, and fetches none', async () => {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  for (const url of ['data:image/png;base64,AAAA', 'http://127.0.0.1:1/x.png', 'file:///etc/passwd']) {
    const failure = await client.chat.completions.create({ model: 'sees', messages: messages(url) }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(OpenAI.BadRequestError);
    expect((failure as InstanceType<typeof OpenAI.BadRequestError>).param).toBe(
      'messages[0].content[1].image_url.url',
    );
  }
});
