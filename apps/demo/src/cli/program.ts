import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GptLineageError } from '@gpt-lineage/gpt-core';
import { Command, InvalidArgumentError } from 'commander';
import { type RunningServer, startServer } from '../server/app.js';
import type { ModelSource } from '../server/options.js';

interface ServeFlags {
  readonly model: readonly string[];
  readonly addModel: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly apiKey: readonly string[];
  readonly corsOrigin: readonly string[];
  readonly slots: number;
  readonly maxWaiting: number;
  readonly maxTokens: number;
  readonly timeLimit: number;
  readonly logLevel: string;
  readonly runs?: string;
}

/** The command line `gpt-demo`. @returns the exit status */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = new Command('gpt-demo')
    .description('Web app and OpenAI-compatible server for GPT Lineage models')
    .exitOverride();
  program
    .command('serve', { isDefault: true })
    .description('answer requests until interrupted')
    .option('--model <folder...>', 'checkpoint folders, or folder=name (default: those of the app)', [])
    .option('--add-model <folder...>', 'checkpoint folders besides those of the app', [])
    .option('--host <address>', 'address to listen on; 0.0.0.0 is every network', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0: any', whole, 8000)
    .option('--api-key <key...>', 'requests must carry one of these (default: $GPT_DEMO_API_KEY)', [])
    .option('--cors-origin <origin...>', 'web pages elsewhere that may call; * is all of them', [])
    .option('--slots <n>', 'sequences decoded together, per model', whole, 8)
    .option('--max-waiting <n>', 'sequences that may wait; more are answered with status 429', whole, 256)
    .option('--max-tokens <n>', 'longest answer', whole, 4096)
    .option('--time-limit <seconds>', 'longest time for an answer', whole, 600)
    .option('--runs <folder>', 'where training jobs keep their runs')
    .option('--log-level <level>', 'silent, error, warn, info or debug', 'info')
    .action(serve);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    const { code, exitCode } = error as { code?: string; exitCode?: number };
    if (code?.startsWith('commander.')) return exitCode ?? 1;
    const own = GptLineageError.isInstance(error) || error instanceof Error;
    console.error(own ? `gpt-demo: ${(error as Error).message}` : error);
    return 1;
  }
}

async function serve(flags: ServeFlags): Promise<void> {
  const environment = process.env.GPT_DEMO_API_KEY;
  const apiKeys = flags.apiKey.length > 0 ? flags.apiKey : environment ? [environment] : [];
  const open = !['127.0.0.1', 'localhost', '::1'].includes(flags.host);
  if (open && apiKeys.length === 0) {
    console.error(`gpt-demo: ${flags.host} can be reached from elsewhere; consider --api-key.`);
  }
  const models = [
    ...(flags.model.length > 0 ? flags.model.map(modelSource) : await bundledModels()),
    ...flags.addModel.map(modelSource),
  ];
  const server = await startServer({
    ...flags,
    apiKeys,
    models,
    corsOrigins: flags.corsOrigin,
    webRoot: fileURLToPath(new URL('web/', import.meta.url)),
    runsRoot: resolve(flags.runs ?? 'runs/demo'),
  });
  console.log(
    `gpt-demo answers at ${server.url} (${models.map(({ name }) => name).join(', ') || 'no models'})`,
  );
  console.log(`  OpenAI base URL ${server.url}/v1 · API description ${server.url}/docs`);
  const hangUp = talkToParent(server);
  await new Promise<void>((done, fail) => {
    let signals = 0;
    const stop = () => {
      signals += 1;
      if (signals > 1) process.exit(130); // asked twice: at once
      console.log('gpt-demo: finishing what runs; once more to stop at once');
      server.close().then(done, fail);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
  hangUp();
}

/**
 * A script that started the server hears its address, and may hand over models that it trained meanwhile; when it is gone,
 * so is the server. @returns ends the talk, which would keep the process alive
 */
function talkToParent({ url, registry }: RunningServer): () => void {
  process.send?.({ url });
  process.on('message', ({ model }: { model?: string }) => {
    if (model === undefined) return;
    registry.add(model).then(
      ({ id }) => console.log(`gpt-demo: ${id} can be talked to`),
      (error: Error) => console.error(`gpt-demo: ${error.message}`),
    );
  });
  const orphaned = () => process.kill(process.pid, 'SIGTERM');
  process.on('disconnect', orphaned);
  return () => {
    process.off('disconnect', orphaned);
    if (process.connected) process.disconnect();
  };
}

/** `folder` or `folder=name` */
export function modelSource(text: string): Required<ModelSource> {
  const at = text.lastIndexOf('=');
  const path = resolve(at > 0 ? text.slice(0, at) : text);
  return { path, name: at > 0 ? text.slice(at + 1) : basename(path) };
}

/** Checkpoints that came with the app. */
async function bundledModels(): Promise<Required<ModelSource>[]> {
  const folder = join(dirname(fileURLToPath(import.meta.url)), '../checkpoints');
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) =>
      ['config.json', 'open_clip_config.json'].some((file) => existsSync(join(folder, name, file))),
    )
    .sort()
    .map((name) => ({ path: join(folder, name), name }));
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError('It must be a whole number.');
}
