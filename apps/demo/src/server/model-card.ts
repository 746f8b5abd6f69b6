import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { configFromHuggingFace, describe, type GPTConfig } from '@gpt-lineage/gpt-core';
import { openSafetensors } from '@gpt-lineage/vision-clip/safetensors/node';

/** What the model list says about a checkpoint folder, without loading it. */
export interface ModelCard {
  readonly id: string;
  readonly path: string;
  readonly kind: 'gpt' | 'clip' | 'multimodal';
  readonly config: GPTConfig | Readonly<Record<string, unknown>>;
  readonly parameters: number;
  readonly tokenizer: string;
  readonly title: string;
  readonly description: string;
  /** What lies in the folder, so that a browser does not ask for what is not there. */
  readonly files: readonly string[];
}

/** @throws {Error} the folder has no `config.json` */
export async function readModelCard(path: string, name = basename(path)): Promise<ModelCard> {
  const openClip = await readJson(join(path, 'open_clip_config.json'));
  const raw = ((await readJson(join(path, 'config.json'))) ??
    (openClip ? { ...(openClip as object), model_type: 'clip' } : undefined)) as
    | Record<string, unknown>
    | undefined;
  if (!raw) throw new Error(`${path} is no checkpoint folder: it has no config.json.`);
  const card = ((await readJson(join(path, 'model-card.json'))) ?? {}) as {
    title?: string;
    description?: string;
  };
  const tokenizer = (await readJson(join(path, 'tokenizer.json'))) as
    | { model?: { type?: string } }
    | undefined;
  const common = {
    id: name,
    path,
    tokenizer: tokenizer?.model?.type ?? 'none',
    title: card.title ?? name,
    description: card.description ?? '',
    files: await readdir(path),
  };
  if (openClip || raw.model_type === 'clip') {
    const weights = join(path, openClip ? 'open_clip_model.safetensors' : 'model.safetensors');
    return { ...common, kind: 'clip', config: raw, parameters: await countParameters(weights) };
  }
  const { config } = configFromHuggingFace(raw, join(path, 'config.json'));
  return {
    ...common,
    kind: config.vision ? 'multimodal' : 'gpt',
    config,
    parameters: describe(config).parameters,
  };
}

async function countParameters(path: string): Promise<number> {
  const file = await openSafetensors(path).catch(() => undefined);
  if (!file) return 0;
  try {
    return [...file.tensors.values()].reduce((sum, { size }) => sum + size, 0);
  } finally {
    await file.close();
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
