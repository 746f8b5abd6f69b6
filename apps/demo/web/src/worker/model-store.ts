import {
  type ChatTemplate,
  type CheckpointReader,
  Conversation,
  chatML,
  GPT,
  harmony,
  humanAssistant,
  templateFromTokenizerConfig,
} from '@gpt-lineage/gpt-core';
import { checkpointReader, type LoadProgress } from './checkpoint-reader.js';

export interface LoadedModel {
  readonly model: GPT;
  readonly template: ChatTemplate | undefined;
}

let base = '';
const models = new Map<string, Promise<LoadedModel>>();
const readers = new Map<string, CheckpointReader>();
const conversations = new Map<string, Conversation>();

/** Where checkpoints are: an absolute URL with a trailing slash. */
export function setBase(url: string): void {
  base = url;
}

export const folderOf = (id: string): string => `${base}checkpoints/${encodeURIComponent(id)}/`;

let listed: Promise<ReadonlyMap<string, readonly string[]>> | undefined;

/** What is in a folder, as the server lists it: asking for a file that is not there would be an error in the console. */
export async function filesOf(id: string): Promise<readonly string[] | undefined> {
  listed ??= fetch(`${base}api/models`)
    .then((response) => response.json() as Promise<{ id: string; files?: readonly string[] }[]>)
    .then((cards) => new Map(cards.flatMap((card) => (card.files ? [[card.id, card.files]] : []))))
    .catch(() => new Map());
  return (await listed).get(id);
}

/** Files of a checkpoint, each fetched once in this worker. */
export function readerOf(id: string, onProgress?: LoadProgress): CheckpointReader {
  let reader = readers.get(id);
  if (!reader) {
    reader = remembering(checkpointReader(folderOf(id), () => filesOf(id), onProgress));
    readers.set(id, reader);
  }
  return reader;
}

function remembering(reader: CheckpointReader): CheckpointReader {
  const texts = new Map<string, ReturnType<CheckpointReader['readText']>>();
  let weights: ReturnType<CheckpointReader['openWeights']> | undefined;
  return {
    path: reader.path,
    readText: (name) => {
      const text = texts.get(name) ?? reader.readText(name);
      texts.set(name, text);
      text.catch(() => texts.delete(name));
      return text;
    },
    openWeights: () => {
      weights ??= reader.openWeights();
      weights.catch(() => {
        weights = undefined;
      });
      return weights.then((file) => file && { ...file, close: async () => {} });
    },
  };
}

/** A model of the server, its weights fetched when first asked for. */
export function loadModel(id: string, onProgress?: LoadProgress): Promise<LoadedModel> {
  let entry = models.get(id);
  if (!entry) {
    entry = read(id, onProgress);
    models.set(id, entry);
    entry.catch(() => models.delete(id));
  }
  return entry;
}

async function read(id: string, onProgress?: LoadProgress): Promise<LoadedModel> {
  const reader = readerOf(id, onProgress);
  const model = await GPT.load(reader);
  const config = JSON.parse((await reader.readText('tokenizer_config.json')) ?? '{}') as {
    gpt_lineage?: { template?: string; stop?: readonly string[] };
  };
  const named = [chatML, humanAssistant, harmony].find(({ name }) => name === config.gpt_lineage?.template);
  const written = named ?? templateFromTokenizerConfig(config);
  const template = written && { ...written, stop: config.gpt_lineage?.stop ?? written.stop };
  return { model, template };
}

/** Text that a model reads for a dialogue; `Human: … Assistant: …` where the checkpoint has no template. */
export function renderChat(
  { template }: LoadedModel,
  messages: readonly { role: string; content: string }[],
): { prompt: string; stop: readonly string[] } {
  if (template)
    return { prompt: template.render(messages, { addGenerationPrompt: true }), stop: template.stop };
  return {
    prompt: humanAssistant.render(messages, { addGenerationPrompt: true }),
    stop: humanAssistant.stop,
  };
}

/** A dialogue that lives in a model's segment memory. */
export async function conversationOf(id: string, name: string): Promise<Conversation> {
  const key = `${id} ${name}`;
  const { model } = await loadModel(id);
  const known = conversations.get(key) ?? new Conversation(model);
  conversations.set(key, known);
  return known;
}

export function forgetConversation(name: string): void {
  for (const [key, conversation] of conversations) {
    if (!key.endsWith(` ${name}`)) continue;
    conversation.dispose();
    conversations.delete(key);
  }
}
