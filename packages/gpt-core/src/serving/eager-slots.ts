import { EagerSession } from '../generation/eager-session.js';
import type { GPT } from '../model/gpt.js';
import type { SlotRead, Slots } from './slots.js';

/** Slots for models and machines without compiled steps: a decoding session each, one after the other. */
export class EagerSlots implements Slots {
  readonly count: number;
  readonly capacity: number;
  readonly #model: GPT;
  readonly #sessions: (EagerSession | undefined)[];
  /** Windows of banded layers overwrite what they have passed. */
  readonly #goesBack: boolean;

  constructor(model: GPT, count: number, capacity: number) {
    this.#model = model;
    this.count = count;
    this.capacity = capacity;
    this.#sessions = new Array<undefined>(count).fill(undefined);
    this.#goesBack = model.config.layerPattern.every(({ type }) => type !== 'banded');
  }

  length(slot: number): number {
    return this.#sessions[slot]?.length(0) ?? 0;
  }

  keep(slot: number, length: number): number {
    const now = this.length(slot);
    if (length > 0 && length >= now) return now;
    if (length > 0 && this.#goesBack) {
      this.#sessions[slot]!.rewind(now - length);
      return length;
    }
    this.#sessions[slot]?.dispose();
    this.#sessions[slot] = undefined;
    return 0;
  }

  copy(from: number, to: number, length: number): number {
    this.keep(to, 0);
    const source = this.#sessions[from];
    if (!source || (!this.#goesBack && length < this.length(from))) return 0;
    this.#sessions[to] = source.fork([0]);
    return this.keep(to, length);
  }

  longest(): number {
    return 256;
  }

  async extend({ slot, tokenIds }: SlotRead, all: boolean): Promise<Float32Array[]> {
    this.#sessions[slot] ??= new EagerSession(this.#model, this.capacity);
    return (await this.#sessions[slot].read([tokenIds], all))[0]!;
  }

  async advance(reads: readonly SlotRead[]): Promise<Float32Array[]> {
    const logits: Float32Array[] = [];
    for (const read of reads) logits.push((await this.extend(read, false))[0]!);
    return logits;
  }

  dispose(): void {
    for (const session of this.#sessions) session?.dispose();
    this.#sessions.fill(undefined);
  }
}
