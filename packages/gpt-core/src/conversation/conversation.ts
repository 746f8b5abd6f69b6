import { SegmentMemory } from '@gpt-lineage/attention';
import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { generateStream, type StreamEvent } from '../generation/generate.js';
import type { GenerateOptions } from '../generation/options.js';
import type { GPT } from '../model/gpt.js';

/**
 * A dialogue of any length with a model that has segment memory (Dai et al. 2019, Transformer-XL): every turn is read
 * once, and what later turns know of it is what the layers remember. Owns its memory; the model stays its owner's.
 */
export class Conversation {
  readonly #model: GPT;
  readonly #memory: SegmentMemory;
  #tokens = 0;

  /** @throws {InvalidArgumentError} a model without memory */
  constructor(model: GPT) {
    const { memoryLength, nLayer } = model.config;
    if (memoryLength === 0) {
      throw new InvalidArgumentError(
        'model.config.memoryLength',
        0,
        'a conversation needs a model that was trained with segment memory',
      );
    }
    this.#model = model;
    this.#memory = new SegmentMemory({ nLayer, memoryLength });
  }

  /** Tokens read and said so far. */
  get length(): number {
    return this.#tokens;
  }

  /** Takes a text of any length in, without an answer. */
  read(text: string | readonly number[]): void {
    const tokenIds = typeof text === 'string' ? this.#model.encode(text) : text;
    const { contextLength } = this.#model.config;
    for (let start = 0; start < tokenIds.length; start += contextLength) {
      const segment = tokenIds.slice(start, start + contextLength);
      const { logits, lastHiddenState } = this.#model.forward([segment], {
        memory: this.#memory,
        logits: 'none',
      });
      tf.dispose([logits, lastHiddenState]);
      this.#tokens += segment.length;
    }
  }

  /**
   * Reads a turn and answers it, token by token. What was said is remembered when the loop ends, also when it is left
   * early.
   */
  async *reply(
    text: string | readonly number[],
    options: Omit<GenerateOptions, 'n' | 'bestOf' | 'numBeams'> = {},
  ): AsyncGenerator<StreamEvent, void, undefined> {
    const tokenIds = typeof text === 'string' ? this.#model.encode(text) : [...text];
    const { contextLength, nLayer } = this.#model.config;
    const { maxTokens = 64 } = options;
    // The turn's last part stays beside the answer in one segment; what comes before goes to memory first.
    const room = Math.max(1, contextLength - Math.min(maxTokens, Math.floor(contextLength / 2)));
    const before = tokenIds.length > room ? Math.ceil((tokenIds.length - room) / room) * room : 0;
    if (before > 0) this.read(tokenIds.slice(0, before));
    const prompt = tokenIds.slice(before);
    const memory = Array.from({ length: nLayer }, (_, layer) => this.#memory.read(layer));
    const known = memory.some((state) => state !== null);
    const said: number[] = [];
    try {
      const events = generateStream(
        this.#model,
        [prompt],
        { ...options, contextOverflow: 'stop' },
        known ? memory : undefined,
      );
      for await (const event of events) {
        said.push(event.tokenId);
        yield event;
      }
    } finally {
      this.read([...prompt, ...said]);
    }
  }

  /** Forgets everything. */
  reset(): void {
    this.#memory.clear();
    this.#tokens = 0;
  }

  dispose(): void {
    this.#memory.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
