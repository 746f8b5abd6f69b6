import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import {
  ByteTokenizer,
  endpointLanguageModel,
  GPT,
  initCompute,
  type LanguageModel,
  localLanguageModel,
  type Tokenizer,
  tokenizerFromJSON,
  tokenizerFromVocabulary,
} from '@gpt-lineage/gpt-core';
import type { Command } from 'commander';
import { UsageError } from '../errors.js';
import { wholeNumber } from './flags.js';

export interface ModelFlags {
  model: string;
  modelName?: string;
  tokenizer?: string;
  contextLength?: number;
  chat?: boolean;
  apiKeyEnv: string;
  backend?: string;
}

export interface LoadedModel {
  readonly model: LanguageModel;
  /** Hash of a local model's files; `undefined` for an endpoint. */
  readonly identity?: string;
  readonly parameters?: number;
  dispose(): void;
}

/** The flags that say which model; the same for every command that needs one. */
export function modelFlags(command: Command): Command {
  return command
    .requiredOption('--model <DIR|openai:URL>', 'checkpoint folder, or openai:http://host:8000/v1')
    .option('--model-name <name>', 'of an endpoint: which of its models (default: its first)')
    .option(
      '--tokenizer <path>',
      "of an endpoint: the model's own tokenizer.json, or the folder that holds it",
    )
    .option('--context-length <n>', 'of an endpoint (default: 2048)', wholeNumber(1))
    .option('--chat', 'of an endpoint: chat completions; generation tasks only')
    .option('--api-key-env <NAME>', 'environment variable with the key of an endpoint', 'OPENAI_API_KEY')
    .option('--backend <name>', 'TensorFlow.js backend');
}

export async function loadModel(flags: ModelFlags): Promise<LoadedModel> {
  return flags.model.startsWith('openai:') ? loadEndpoint(flags) : loadLocal(flags);
}

async function loadLocal({ model: directory, backend }: ModelFlags): Promise<LoadedModel> {
  const files = await readdir(directory).catch((cause) => {
    throw new UsageError('--model', directory, 'give a checkpoint folder, or openai:URL', { cause });
  });
  await initCompute(backend === undefined ? {} : { prefer: backend as never });
  const gpt = await GPT.load(directory);
  return {
    model: localLanguageModel(gpt, { name: basename(resolve(directory)) }),
    identity: await hashFiles(
      files
        .filter((file) => /\.(safetensors|json|bin|txt)$/u.test(file))
        .map((file) => join(directory, file)),
    ),
    parameters: gpt.parameterCount,
    dispose: () => gpt.dispose(),
  };
}

/** One hash of several files: names do not count, contents do. */
async function hashFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of [...paths].sort()) {
    if (!(await stat(path)).isFile()) continue;
    hash.update(`${basename(path)}\u0000`);
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  }
  return hash.digest('hex').slice(0, 16);
}

async function loadEndpoint(flags: ModelFlags): Promise<LoadedModel> {
  const baseUrl = flags.model.slice('openai:'.length).replace(/\/+$/u, '');
  const apiKey = process.env[flags.apiKeyEnv];
  const tokenizer = await endpointTokenizer(flags);
  const model = endpointLanguageModel({
    baseUrl,
    model: flags.modelName ?? (await firstModel(baseUrl, apiKey)),
    tokenizer,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(flags.contextLength === undefined ? {} : { contextLength: flags.contextLength }),
    kind: flags.chat ? 'chat' : 'completions',
  });
  return { model, dispose: () => undefined };
}

async function endpointTokenizer({ tokenizer: path, chat }: ModelFlags): Promise<Tokenizer> {
  if (path === undefined) {
    // Bytes only over-count what fits the context; scores would be wrong.
    if (chat) return new ByteTokenizer();
    throw new UsageError(
      '--tokenizer',
      path,
      "scoring counts tokens: give the model's tokenizer.json or its folder",
    );
  }
  const read = (file: string) =>
    readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined;
      throw new UsageError('--tokenizer', path, `cannot be read (${cause.message})`, { cause });
    });
  const isFolder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  const json = await read(isFolder ? join(path, 'tokenizer.json') : path);
  if (json !== undefined) return tokenizerFromJSON(JSON.parse(json));
  const [vocab, merges] = [await read(join(path, 'vocab.json')), await read(join(path, 'merges.txt'))];
  if (vocab !== undefined && merges !== undefined) return tokenizerFromVocabulary(JSON.parse(vocab), merges);
  throw new UsageError('--tokenizer', path, 'holds neither tokenizer.json nor vocab.json with merges.txt');
}

async function firstModel(baseUrl: string, apiKey: string | undefined): Promise<string> {
  const fail = (problem: string, cause?: unknown) =>
    new UsageError('--model-name', undefined, `${baseUrl}/models ${problem}; name the model`, { cause });
  const response = await fetch(`${baseUrl}/models`, {
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.timeout(20_000),
  }).catch((cause: Error) => {
    throw fail(`does not answer (${cause.message})`, cause);
  });
  const body = (await response.json().catch(() => undefined)) as { data?: { id?: unknown }[] } | undefined;
  const id = body?.data?.[0]?.id;
  if (!response.ok || typeof id !== 'string') throw fail(`answers ${response.status} without a model`);
  return id;
}
