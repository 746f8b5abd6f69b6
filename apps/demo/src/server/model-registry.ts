import { BatchEngine, GPT, initCompute, MultimodalGPT } from '@gpt-lineage/gpt-core';
import { ChatPrompt, readChatTemplate } from './chat-prompt.js';
import { ApiError } from './errors.js';
import { type ModelCard, readModelCard } from './model-card.js';
import type { ModelSource } from './options.js';

/** A model that answers requests. */
export interface ServedModel {
  readonly card: ModelCard;
  readonly gpt: GPT;
  readonly engine: BatchEngine;
  readonly chat: ChatPrompt;
  /** The same model with its image encoder */
  readonly sees: MultimodalGPT | undefined;
}

interface Entry {
  readonly card: ModelCard;
  readonly created: number;
  loading: Promise<ServedModel> | undefined;
}

/** Checkpoint folders by name; a model is loaded when it is first asked for. */
export class ModelRegistry {
  readonly #entries = new Map<string, Entry>();
  readonly #engineOptions: { readonly slots: number; readonly maxWaiting: number };

  private constructor(engineOptions: { readonly slots: number; readonly maxWaiting: number }) {
    this.#engineOptions = engineOptions;
  }

  /** @throws {Error} a folder that is no checkpoint, or a name twice */
  static async open(
    sources: readonly ModelSource[],
    engineOptions: { readonly slots: number; readonly maxWaiting: number },
  ): Promise<ModelRegistry> {
    const registry = new ModelRegistry(engineOptions);
    for (const { path, name } of sources) await registry.add(path, name);
    return registry;
  }

  async add(path: string, name?: string): Promise<ModelCard> {
    const card = await readModelCard(path, name);
    if (this.#entries.has(card.id))
      throw new Error(`Two models are called ${card.id}: give one another name.`);
    this.#entries.set(card.id, { card, created: Math.floor(Date.now() / 1000), loading: undefined });
    return card;
  }

  get cards(): ModelCard[] {
    return [...this.#entries.values()].map(({ card }) => card);
  }

  get list(): { readonly card: ModelCard; readonly created: number }[] {
    return [...this.#entries.values()];
  }

  /** Models in memory */
  async *loaded(): AsyncGenerator<ServedModel> {
    for (const { loading } of this.#entries.values()) {
      const model = await loading?.catch(() => undefined);
      if (model) yield model;
    }
  }

  /** @throws {ApiError} 404: no such model */
  card(name: string): ModelCard {
    const entry = this.#entries.get(name);
    if (entry) return entry.card;
    const names = this.cards.map(({ id }) => id).join(', ') || 'none';
    throw new ApiError(
      404,
      'model_not_found',
      `The model ${JSON.stringify(name)} does not exist; there are: ${names}.`,
      {
        param: 'model',
      },
    );
  }

  /**
   * A language model, loaded if need be.
   *
   * @param name default: the first that generates text
   * @throws {ApiError} 404: no such model; 400: one that does not generate text
   */
  async get(name?: string): Promise<ServedModel> {
    const first = this.cards.find(({ kind }) => kind !== 'clip')?.id;
    const card = this.card(name ?? first ?? '');
    if (card.kind === 'clip') {
      throw new ApiError(400, 'invalid_value', `The model ${card.id} does not generate text.`, {
        param: 'model',
      });
    }
    const entry = this.#entries.get(card.id)!;
    entry.loading ??= this.#load(card);
    try {
      return await entry.loading;
    } catch (error) {
      entry.loading = undefined;
      throw error;
    }
  }

  async #load(card: ModelCard): Promise<ServedModel> {
    await initCompute();
    const sees = card.kind === 'multimodal' ? await MultimodalGPT.load(card.path) : undefined;
    const gpt = sees?.gpt ?? (await GPT.load(card.path));
    const engine = new BatchEngine(gpt, this.#engineOptions);
    const template = sees?.template ?? (await readChatTemplate(card.path, gpt.tokenizer));
    return { card, gpt, engine, chat: new ChatPrompt(gpt, template), sees };
  }

  /** Waits for running requests up to `graceMs`, then ends them, and frees the models. */
  async close(graceMs: number): Promise<void> {
    for await (const { engine, gpt, sees } of this.loaded()) {
      const late = setTimeout(() => void engine.dispose(), graceMs);
      await engine.close();
      clearTimeout(late);
      await engine.dispose();
      (sees ?? gpt).dispose();
    }
    this.#entries.clear();
  }
}
