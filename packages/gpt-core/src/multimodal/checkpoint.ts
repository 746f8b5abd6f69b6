import type { CLIP } from '@gpt-lineage/vision-clip';
import type { CheckpointReader, CheckpointWriter } from '../checkpoint/files.js';
import { CheckpointError } from '../errors.js';
import { GPT, type LoadOptions } from '../model/gpt.js';
import {
  type ChatTemplate,
  chatML,
  harmony,
  humanAssistant,
  jinjaTemplate,
  templateFromTokenizerConfig,
} from '../prompting/chat-template.js';
import type { MultimodalGPT } from './multimodal-gpt.js';

export interface LoadMultimodalOptions extends LoadOptions {
  /** The encoder, for a folder that was saved without one. The model owns it from now on. */
  readonly clip?: CLIP;
  /** In place of the stored template. */
  readonly template?: ChatTemplate;
}

export interface SaveMultimodalOptions {
  /** `copy` (default) writes the encoder beside the language model; `none` leaves it to the caller of `load`. */
  readonly encoder?: 'copy' | 'none';
  /** How the encoder's weights are stored. Default `F32`. */
  readonly encoderDtype?: 'F32' | 'F16' | 'BF16';
  readonly maxShardBytes?: number;
}

/**
 * Which encoder a checkpoint was saved with stands in the metadata of its weights file, so that both change in one
 * step; the encoder's folder is named by its content.
 */
const encoderKey = 'image_encoder';
const templateFile = 'tokenizer_config.json';
const builtIn: readonly ChatTemplate[] = [chatML, humanAssistant, harmony];

export async function saveMultimodal(
  folder: string,
  model: MultimodalGPT,
  { encoder = 'copy', encoderDtype = 'F32', maxShardBytes }: SaveMultimodalOptions,
): Promise<void> {
  const { directoryWriter } = await import('../checkpoint/directory.node.js');
  const { keepOnlyEncoder, writeEncoder } = await import('./encoder-folder.node.js');
  const writer = await directoryWriter(folder);
  const name = encoder === 'none' ? 'none' : await writeEncoder(folder, model.clip, encoderDtype);
  await writer.writeText(templateFile, `${JSON.stringify(templateJson(model.template), null, 2)}\n`);
  const withEncoder: CheckpointWriter = {
    ...writer,
    writeWeights: (tensors, metadata, shardBytes) =>
      writer.writeWeights(tensors, { ...metadata, [encoderKey]: name }, shardBytes),
  };
  await model.gpt.save(withEncoder, maxShardBytes === undefined ? {} : { maxShardBytes });
  await keepOnlyEncoder(folder, name);
}

export async function loadMultimodal(
  folder: string,
  options: LoadMultimodalOptions,
): Promise<{ gpt: GPT; clip: CLIP; template: ChatTemplate }> {
  const { clip: given, template: _, ...loading } = options;
  const { directoryReader } = await import('../checkpoint/directory.node.js');
  const { openEncoder } = await import('./encoder-folder.node.js');
  const reader = await directoryReader(folder);
  const name = await encoderName(reader);
  const template = await readTemplate(reader);
  if (!given && name === 'none') {
    throw new CheckpointError(folder, 'was saved without its image encoder: give it with the option clip');
  }
  const clip = given ?? (await openEncoder(folder, name));
  try {
    const gpt = await GPT.load(reader, loading);
    if (gpt.config.vision) return { gpt, clip, template };
    gpt.dispose();
    throw new CheckpointError(folder, 'is a language model without vision: load it with GPT.load');
  } catch (error) {
    if (!given) clip.dispose();
    throw error;
  }
}

async function encoderName(reader: CheckpointReader): Promise<string> {
  const weights = await reader.openWeights().catch((cause: Error) => {
    throw new CheckpointError(reader.path, cause.message, { cause });
  });
  if (!weights) throw new CheckpointError(reader.path, 'has no model.safetensors');
  try {
    const stored = weights.metadata.get(encoderKey) ?? (await sharded(reader));
    if (stored === undefined) {
      throw new CheckpointError(
        reader.path,
        'names no image encoder: it was not saved by MultimodalGPT.save',
      );
    }
    // The name becomes a path: nothing but what writeEncoder makes.
    if (stored !== 'none' && !/^vision-[0-9a-f]{8}$/.test(stored)) {
      throw new CheckpointError(
        reader.path,
        `names the image encoder ${JSON.stringify(stored.slice(0, 40))}`,
      );
    }
    return stored;
  } finally {
    await weights.close();
  }
}

/** Sharded checkpoints have their metadata in the index. */
async function sharded(reader: CheckpointReader): Promise<string | undefined> {
  const text = await reader.readText('model.safetensors.index.json');
  if (text === undefined) return undefined;
  const value = (JSON.parse(text) as { metadata?: Record<string, unknown> } | null)?.metadata?.[encoderKey];
  return typeof value === 'string' ? value : undefined;
}

function templateJson(template: ChatTemplate): object {
  return {
    ...(template.source === undefined ? {} : { chat_template: template.source }),
    gpt_lineage: { template: template.name, stop: template.stop },
  };
}

async function readTemplate(reader: CheckpointReader): Promise<ChatTemplate> {
  const text = await reader.readText(templateFile);
  if (text === undefined) return chatML;
  const path = `${reader.path}/${templateFile}`;
  let json: { chat_template?: unknown; gpt_lineage?: { template?: unknown; stop?: unknown } } | null;
  try {
    json = JSON.parse(text) as typeof json;
  } catch (cause) {
    throw new CheckpointError(path, `is not JSON (${(cause as Error).message})`, { cause });
  }
  const { template, stop } = json?.gpt_lineage ?? {};
  if (typeof json?.chat_template === 'string' && Array.isArray(stop)) {
    return jinjaTemplate(json.chat_template, { stop: stop.filter((entry) => typeof entry === 'string') });
  }
  return builtIn.find(({ name }) => name === template) ?? templateFromTokenizerConfig(json) ?? chatML;
}
