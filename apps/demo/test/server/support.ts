import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteTokenizer, GPT, initCompute } from '@gpt-lineage/gpt-core';
import { type RunningServer, startServer } from '../../src/server/app.js';
import type { ServerOptions } from '../../src/server/options.js';

/** What came over the wire: looked at, not typed. */
export type Json = ReturnType<typeof JSON.parse>;

/** Small models with random weights: what is tested is the server. */
export class TestServer {
  readonly folder: string;
  readonly server: RunningServer;

  private constructor(folder: string, server: RunningServer) {
    this.folder = folder;
    this.server = server;
  }

  static async start(options: Partial<ServerOptions> = {}, contextLength = 256): Promise<TestServer> {
    await initCompute();
    const folder = await mkdtemp(join(tmpdir(), 'gpt-demo-test-'));
    const tokenizer = new ByteTokenizer();
    const shape = { vocabSize: tokenizer.vocabSize, contextLength, nLayer: 2, nHead: 2, nEmbd: 32 };
    for (const [name, seed] of [
      ['tiny', 1],
      ['other', 2],
    ] as const) {
      const model = GPT.create({ ...shape, initializerRange: 0.3 }, { seed, tokenizer });
      await model.save(join(folder, name));
      model.dispose();
    }
    const card = { title: 'Tiny', description: 'Random weights' };
    await writeFile(join(folder, 'tiny/model-card.json'), JSON.stringify(card));
    const server = await startServer({
      models: [{ path: join(folder, 'tiny') }, { path: join(folder, 'other') }],
      port: 0,
      logLevel: 'silent',
      ...options,
    });
    return new TestServer(folder, server);
  }

  get url(): string {
    return this.server.url;
  }

  post(
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    return fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal ? { signal } : {}),
    });
  }

  async json(path: string, body: unknown, status = 200): Promise<Json> {
    const response = await this.post(path, body);
    const answer = await response.json();
    if (response.status !== status) {
      throw new Error(`${path}: status ${response.status}, not ${status}: ${JSON.stringify(answer)}`);
    }
    return answer;
  }

  /** Waits until no model generates. */
  idle(): Promise<void> {
    return this.#until((running) => running === 0);
  }

  /** Waits until a model generates. */
  busy(): Promise<void> {
    return this.#until((running) => running > 0);
  }

  async #until(reached: (running: number) => boolean): Promise<void> {
    for (;;) {
      let running = 0;
      for await (const { engine } of this.server.registry.loaded()) {
        running += engine.stats.active + engine.stats.waiting;
      }
      if (reached(running)) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<void> {
    await this.server.close(1000);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Data of server-sent events, `[DONE]` included as text. */
export function events(text: string): Json[] {
  return text
    .split('\n\n')
    .flatMap((block) => block.split('\n').filter((line) => line.startsWith('data: ')))
    .map((line) => line.slice(6))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
}
