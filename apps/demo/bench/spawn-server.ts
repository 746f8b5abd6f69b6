import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EngineStats } from '@gpt-lineage/gpt-core';
import type { ServerOptions } from '../src/server/options.js';

export interface ServerProcess {
  readonly url: string;
  state(): Promise<{ tensors: number; rss: number; stats: (EngineStats & { id: string })[] }>;
  stop(): Promise<void>;
}

/** A server in a child process. */
export async function spawnServer(options: ServerOptions): Promise<ServerProcess> {
  const child: ChildProcess = fork(fileURLToPath(new URL('./serve.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx', '--conditions=@gpt-lineage/source'],
  });
  child.send(options);
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return {
    url,
    state: async () => {
      child.send('state');
      const [state] = await once(child, 'message');
      return state;
    },
    stop: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

export interface Streamed {
  readonly status: number;
  readonly tokens: number;
  readonly firstTokenMs: number;
  readonly durationMs: number;
  /** It ended as streams end. */
  readonly complete: boolean;
}

/** One streaming client: reads a completion to its end. */
export async function streamCompletion(url: string, body: object): Promise<Streamed> {
  const started = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  let firstTokenMs = Number.NaN;
  let text = '';
  if (response.status === 200) {
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      if (Number.isNaN(firstTokenMs)) firstTokenMs = performance.now() - started;
      text = (text + decoder.decode(chunk, { stream: true })).slice(-2000);
    }
  } else await response.arrayBuffer();
  const tokens = Number(/"completion_tokens":(\d+)/.exec(text)?.[1] ?? 0);
  return {
    status: response.status,
    tokens,
    firstTokenMs,
    durationMs: performance.now() - started,
    complete: text.endsWith('data: [DONE]\n\n'),
  };
}
