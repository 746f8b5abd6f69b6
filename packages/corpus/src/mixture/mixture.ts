import { ConfigError, MixtureStateError } from '../errors.js';
import { hash32, permute } from '../random.js';
import type { TokenArray } from '../shards/format.js';
import type { TokenShardReader } from '../shards/token-shard-reader.js';
import { nextSource } from './schedule.js';

/** Items by number: what a mixture draws from. */
export interface ItemList<T> {
  readonly length: number;
  get(index: number): T;
  /** Tokens (or another measure) of an item. */
  size(index: number): number;
}

interface SourceOptions {
  name: string;
  /** Share of the mixture, in any unit: weights are divided by their sum. Default: by size, see `temperature`. */
  weight?: number;
  /** Stop drawing from this source after so many passes. Default: no limit. */
  maxEpochs?: number;
}

/** A source of documents (or anything else). */
export interface DocumentSource<T> extends SourceOptions {
  documents: readonly T[] | ItemList<T>;
}

/** A source of token windows. */
export interface ShardSource extends SourceOptions {
  reader: Pick<TokenShardReader, 'tokenCount' | 'read' | 'fingerprint'>;
}

interface MixtureOptions {
  /** Decides the order of every source. Default 0. */
  seed?: number;
  /**
   * For sources without `weight`: share ∝ size^(1/temperature). 1 is proportional to size, larger is flatter
   * (Devlin's multilingual BERT, mT5). Default 1.
   */
  temperature?: number;
  /** Continue from {@link Mixture.state}. */
  state?: MixtureState;
}

export interface DocumentMixtureOptions<T> extends MixtureOptions {
  sources: readonly DocumentSource<T>[];
  /** Measure for weights. Default: characters of a string, `text` or `tokenIds` length of an object, else 1. */
  size?: (document: T) => number;
}

export interface WindowMixtureOptions extends MixtureOptions {
  sources: readonly ShardSource[];
  /** Tokens per window. A trainer takes its context length + 1: inputs and the shifted targets. */
  length: number;
  /** Tokens from one window to the next, and what a window counts for. Default `length`; trainers: context length. */
  stride?: number;
}

/** One drawn item. */
export interface MixtureItem<T> {
  item: T;
  source: string;
  /** Passes over the source completed before this item. */
  epoch: number;
  /** Number of the item within its source. */
  index: number;
  size: number;
}

/** A window of tokens. */
export interface TokenWindow {
  /** `[length]` */
  tokenIds: TokenArray;
  /** Index of its first token in the source's reader. */
  offset: number;
}

/** A position. Plain JSON, a few numbers, whatever the size of the data. */
export interface MixtureState {
  /** Of the sources, weights and seed that the position belongs to. */
  fingerprint: string;
  items: number[];
  tokens: number[];
}

export interface SourceReport {
  name: string;
  /** What was asked: weights divided by their sum. */
  weight: number;
  /** What came: share of all tokens drawn. */
  share: number;
  items: number;
  tokens: number;
  /** Passes over the source: tokens drawn / tokens of the source, exact at every whole pass. */
  epochs: number;
  /** Tokens of the source. */
  available: number;
}

interface Part<T> {
  name: string;
  weight: number;
  maxEpochs: number;
  list: ItemList<T>;
  /** Size of one pass. */
  available: number;
  /** Size of every item when they are all equal, else null. */
  itemSize: number | null;
}

/**
 * An endless, seeded sequence over weighted sources. Each source runs through a fresh shuffle per epoch; between
 * sources, the one furthest behind its share is next, so proportions hold to about one item at every point. The
 * order is a function of the seed and the position alone: {@link state} is a few counters, and restoring it costs
 * nothing.
 */
export class Mixture<T> implements Iterable<MixtureItem<T>> {
  private readonly parts: readonly Part<T>[];
  private readonly weights: readonly number[];
  private readonly seed: number;
  private readonly fingerprint: string;
  private items: number[];
  private tokens: number[];

  constructor(parts: readonly Part<T>[], seed: number, state?: MixtureState) {
    this.parts = parts;
    this.weights = parts.map(({ weight }) => weight);
    this.seed = seed;
    this.items = parts.map(() => 0);
    this.tokens = parts.map(() => 0);
    const described = parts.map((part) => [
      part.name,
      part.weight,
      Number.isFinite(part.maxEpochs) ? part.maxEpochs : -1,
      part.list.length,
      part.available,
    ]);
    this.fingerprint = hash32(seed, JSON.stringify(described)).toString(16).padStart(8, '0');
    if (state) this.restore(state);
  }

  /** @returns the next item, or undefined when every source reached its `maxEpochs` */
  next(): MixtureItem<T> | undefined {
    const which = nextSource(this.weights, this.tokens, (source) => this.nextSize(source));
    if (which < 0) return undefined;
    const part = this.parts[which]!;
    const drawn = this.items[which]!;
    const epoch = Math.floor(drawn / part.list.length);
    const index = this.indexAt(which, drawn);
    const size = part.list.size(index);
    const item = part.list.get(index);
    this.items[which] = drawn + 1;
    this.tokens[which] = this.tokens[which]! + size;
    return { item, source: part.name, epoch, index, size };
  }

  /** The next `count` items; fewer at the very end. */
  take(count: number): MixtureItem<T>[] {
    const result: MixtureItem<T>[] = [];
    while (result.length < count) {
      const item = this.next();
      if (!item) break;
      result.push(item);
    }
    return result;
  }

  *[Symbol.iterator](): Generator<MixtureItem<T>> {
    for (let item = this.next(); item; item = this.next()) yield item;
  }

  /** The exact position: a mixture of the same sources and seed restored to it goes on with the same items. */
  state(): MixtureState {
    return { fingerprint: this.fingerprint, items: [...this.items], tokens: [...this.tokens] };
  }

  /** @throws {MixtureStateError} when the state belongs to other sources, weights or another seed */
  restore(state: MixtureState): void {
    const fits = state.items?.length === this.parts.length && state.tokens?.length === this.parts.length;
    if (state.fingerprint !== this.fingerprint || !fits) {
      throw new MixtureStateError(
        `the saved position belongs to mixture ${state.fingerprint}, this one is ${this.fingerprint}: ` +
          'sources, sizes, weights and seed must be the same',
      );
    }
    this.items = [...state.items];
    this.tokens = [...state.tokens];
  }

  report(): SourceReport[] {
    const total = this.tokens.reduce((sum, value) => sum + value, 0);
    const totalWeight = this.weights.reduce((sum, value) => sum + value, 0);
    return this.parts.map((part, i) => ({
      name: part.name,
      weight: part.weight / totalWeight,
      share: total === 0 ? 0 : this.tokens[i]! / total,
      items: this.items[i]!,
      tokens: this.tokens[i]!,
      epochs: this.tokens[i]! / part.available,
      available: part.available,
    }));
  }

  private nextSize(source: number): number | null {
    const part = this.parts[source]!;
    const drawn = this.items[source]!;
    if (drawn >= part.maxEpochs * part.list.length) return null;
    return part.itemSize ?? part.list.size(this.indexAt(source, drawn));
  }

  private indexAt(source: number, drawn: number): number {
    const { list, name } = this.parts[source]!;
    const epoch = Math.floor(drawn / list.length);
    return permute(drawn % list.length, list.length, hash32(this.seed, name, epoch));
  }
}

/**
 * Mixes sources by weight: documents with `documents`, token windows with `reader`.
 *
 * @throws {ConfigError} for an empty source, a negative weight, a name used twice, or shards of different tokenizers
 */
export function mixture(options: WindowMixtureOptions): Mixture<TokenWindow>;
export function mixture<T>(options: DocumentMixtureOptions<T>): Mixture<T>;
export function mixture<T>(
  options: WindowMixtureOptions | DocumentMixtureOptions<T>,
): Mixture<TokenWindow> | Mixture<T> {
  const { sources, seed = 0, temperature = 1, state } = options;
  if (!Array.isArray(sources) || sources.length === 0)
    throw new ConfigError('sources', 'at least one is needed');
  if (!(temperature > 0)) throw new ConfigError('temperature', `must be positive, received ${temperature}`);
  if (!Number.isSafeInteger(seed)) throw new ConfigError('seed', `must be an integer, received ${seed}`);
  const names = new Set<string>();
  for (const { name, weight, maxEpochs } of sources) {
    if (names.has(name)) throw new ConfigError('sources', `the name '${name}' is used twice`);
    names.add(name);
    if (weight !== undefined && !(Number.isFinite(weight) && weight >= 0)) {
      throw new ConfigError(`sources.${name}.weight`, `must be a number ≥ 0, received ${weight}`);
    }
    if (maxEpochs !== undefined && !(maxEpochs > 0)) {
      throw new ConfigError(`sources.${name}.maxEpochs`, `must be positive, received ${maxEpochs}`);
    }
  }
  if ('length' in options) {
    const lists = options.sources.map((source) => windowList(source, options.length, options.stride));
    const fingerprints = new Set(options.sources.map(({ reader }) => reader.fingerprint).filter(Boolean));
    if (fingerprints.size > 1) {
      throw new ConfigError('sources', `made with different tokenizers: ${[...fingerprints].join(', ')}`);
    }
    return new Mixture(describe(options.sources, lists, temperature), seed, state);
  }
  const measure = options.size ?? defaultSize;
  const lists = options.sources.map(({ documents }) => documentList(documents, measure));
  return new Mixture(describe(options.sources, lists, temperature), seed, state);
}

function describe<T>(
  sources: readonly SourceOptions[],
  lists: readonly ItemList<T>[],
  temperature: number,
): Part<T>[] {
  const given = sources.filter(({ weight }) => weight !== undefined).length;
  if (given !== 0 && given !== sources.length) {
    throw new ConfigError('sources', 'give every source a weight, or none (then size decides)');
  }
  const parts = sources.map((source, i): Part<T> => {
    const list = lists[i]!;
    if (list.length === 0) throw new ConfigError(`sources.${source.name}`, 'is empty');
    const uniform = list instanceof WindowList;
    let available = 0;
    for (let k = 0; k < list.length; k++) {
      const size = list.size(k);
      if (!(Number.isFinite(size) && size >= 0)) {
        throw new ConfigError(`sources.${source.name}`, `item ${k} has size ${size}; sizes are numbers ≥ 0`);
      }
      available += size;
      if (uniform) {
        available = size * list.length;
        break;
      }
    }
    if (available === 0) throw new ConfigError(`sources.${source.name}`, 'all its items have size 0');
    return {
      name: source.name,
      weight: source.weight ?? available ** (1 / temperature),
      maxEpochs: source.maxEpochs ?? Number.POSITIVE_INFINITY,
      list,
      available,
      itemSize: uniform ? list.size(0) : null,
    };
  });
  if (parts.every(({ weight }) => weight === 0)) throw new ConfigError('sources', 'every weight is 0');
  return parts;
}

/** Windows of equal size over a reader; the last is moved back so that it ends with the last token. */
class WindowList implements ItemList<TokenWindow> {
  readonly length: number;
  private readonly reader: ShardSource['reader'];
  private readonly windowLength: number;
  private readonly stride: number;

  constructor(reader: ShardSource['reader'], windowLength: number, stride: number) {
    this.reader = reader;
    this.windowLength = windowLength;
    this.stride = stride;
    this.length = Math.max(1, Math.ceil((reader.tokenCount - (windowLength - stride)) / stride));
  }

  get(index: number): TokenWindow {
    const offset = Math.min(index * this.stride, this.reader.tokenCount - this.windowLength);
    return { tokenIds: this.reader.read(offset, this.windowLength), offset };
  }

  size(): number {
    return this.stride;
  }
}

function windowList(source: ShardSource, length: number, stride = length): ItemList<TokenWindow> {
  if (!Number.isInteger(length) || length < 1) {
    throw new ConfigError('length', `must be a positive integer, received ${length}`);
  }
  if (!Number.isInteger(stride) || stride < 1 || stride > length) {
    throw new ConfigError('stride', `must be an integer from 1 to length, received ${stride}`);
  }
  if (source.reader.tokenCount < length) {
    throw new ConfigError(
      `sources.${source.name}`,
      `holds ${source.reader.tokenCount} tokens, fewer than one window of ${length}`,
    );
  }
  return new WindowList(source.reader, length, stride);
}

function documentList<T>(documents: readonly T[] | ItemList<T>, size: (document: T) => number): ItemList<T> {
  if (!Array.isArray(documents)) return documents as ItemList<T>;
  return {
    length: documents.length,
    get: (index) => documents[index] as T,
    size: (index) => size(documents[index] as T),
  };
}

function defaultSize(document: unknown): number {
  if (typeof document === 'string') return document.length;
  if (typeof document === 'object' && document !== null) {
    const { text, tokenIds } = document as { text?: unknown; tokenIds?: unknown };
    if (typeof tokenIds === 'object' && tokenIds !== null && 'length' in tokenIds)
      return Number(tokenIds.length);
    if (typeof text === 'string') return text.length;
  }
  return 1;
}
