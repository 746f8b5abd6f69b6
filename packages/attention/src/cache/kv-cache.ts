import * as tf from '@tensorflow/tfjs-core';
import { scope } from '../core/scope.js';
import { CacheError, ShapeMismatchError } from '../errors.js';
import type { Position } from '../options.js';
import { checkPositive } from '../validate.js';
import { appendToLayer, type CacheLayer, type LayerState } from './layer.js';
import type { CachedKeys } from './slots.js';

export interface KVCacheOptions {
  readonly batch: number;
  readonly nKvHead: number;
  readonly headDim: number;
  /** Default: `headDim`. */
  readonly valueDim?: number;
  readonly layers: readonly CacheLayer[];
  /**
   * `[batch]` int32: the position of each row's first real token. Earlier ones are padding on the left and stay hidden
   * in every call; `append` then also returns a `paddingMask`.
   */
  readonly starts?: tf.Tensor;
}

/**
 * Keys and values of the tokens so far, in buffers that are allocated once. Layers of `window` kind keep a ring of their
 * last positions only, however long the text grows.
 *
 * ```ts
 * const { key, value, positions } = cache.append(layer, newKey, newValue);       // every layer
 * const output = bandedAttention(query, key, value, { window, ...positions });   // any attention of this package
 * cache.advance(newTokens);                                                      // once per step, after the last layer
 * ```
 *
 * Positions are numbers by default. In a function that is captured once and run for every position, pass the position
 * as an int32 scalar: shapes then stay the same at every step, and masks are computed from it.
 *
 * The cache owns its buffers until `dispose`; what `append` returns is the caller's. Keys enter as they will be used:
 * rotate them (RoPE) before.
 */
export class KVCache {
  readonly batch: number;
  readonly nKvHead: number;
  readonly headDim: number;
  readonly valueDim: number;
  private readonly states: readonly LayerState[];
  private readonly starts: tf.Tensor | null;
  private held = 0;
  /** The longest the text has been: what a ring has overwritten up to. */
  private highest = 0;
  private disposed = false;

  constructor(options: KVCacheOptions) {
    const { batch, nKvHead, headDim, valueDim = headDim, layers, starts } = options;
    for (const [name, size] of Object.entries({ batch, nKvHead, headDim, valueDim }))
      checkPositive(name, size);
    checkPositive('layers.length', layers.length);
    if (starts !== undefined && (starts.rank !== 1 || starts.shape[0] !== batch)) {
      throw new ShapeMismatchError('starts', `[${batch}]`, starts.shape);
    }
    for (const spec of layers) {
      if (spec.kind === 'full') checkPositive('capacity', spec.capacity);
      else checkPositive('window', spec.window);
    }
    this.batch = batch;
    this.nKvHead = nKvHead;
    this.headDim = headDim;
    this.valueDim = valueDim;
    this.starts = starts === undefined ? null : keepCopy(starts);
    this.states = layers.map((spec) => {
      const slots = spec.kind === 'full' ? spec.capacity : spec.window + (spec.slack ?? 0);
      return {
        spec,
        slots,
        key: emptyBuffer([batch, nKvHead, slots, headDim]),
        value: emptyBuffer([batch, nKvHead, slots, valueDim]),
      };
    });
  }

  /** Tokens held: the position of the next one. */
  get length(): number {
    return this.held;
  }

  /** The most tokens that fit: the smallest capacity of the full layers, Infinity when all layers are rings. */
  get capacity(): number {
    return Math.min(
      ...this.states.map(({ spec }) => (spec.kind === 'full' ? spec.capacity : Number.POSITIVE_INFINITY)),
    );
  }

  /** Number of layers. */
  get nLayer(): number {
    return this.states.length;
  }

  /** Bytes of the buffers. */
  get bytes(): number {
    return this.states.reduce((sum, { key, value }) => sum + 4 * (key.size + value.size), 0);
  }

  /** The buffers, for `capture(fn, { variables })` and for snapshots. They stay the cache's. */
  get variables(): tf.Variable[] {
    return this.states.flatMap(({ key, value }) => [key, value]);
  }

  /**
   * Writes the new tokens of one layer and returns every key and value that they may see, themselves included.
   *
   * @param key `[batch, nKvHead, newTokens, headDim]`
   * @param value `[batch, nKvHead, newTokens, valueDim]`
   * @param position of the first new token. Default: `length`. An int32 scalar tensor keeps all shapes fixed
   * @returns tensors of the caller, and the `positions` to spread into the attention's options
   * @throws {CacheError} when the tokens do not fit, or after `dispose`
   */
  append(layer: number, key: tf.Tensor4D, value: tf.Tensor4D, position: Position = this.held): CachedKeys {
    const state = this.stateOf(layer);
    const count = this.checkNew(key, value);
    if (typeof position === 'number') this.checkFits(state, position, count);
    if (count > state.slots && (typeof position !== 'number' || state.spec.kind === 'full')) {
      throw new CacheError(
        `${count} new tokens do not fit the ${state.slots} slots of layer ${layer}; append them in smaller chunks`,
      );
    }
    return scope(() => {
      const cached = appendToLayer(state, key, value, position);
      if (this.starts === null) return cached;
      return { ...cached, positions: { ...cached.positions, paddingMask: this.paddingMask(cached) } };
    });
  }

  /** Counts `tokens` new tokens as held: call it once per step, when every layer has appended them. */
  advance(tokens: number): void {
    checkPositive('tokens', tokens);
    this.checkAlive();
    if (this.held + tokens > this.capacity) {
      throw new CacheError(`${this.held} + ${tokens} tokens exceed the capacity of ${this.capacity}`);
    }
    this.held += tokens;
    this.highest = Math.max(this.highest, this.held);
  }

  /**
   * Forgets every token from position `length` on, for rejected drafts and edited prompts. A full ring can go back by
   * its `slack` only.
   *
   * @throws {CacheError} when `length` is not in 0 … `this.length`, or a ring no longer holds what it would need
   */
  rewind(length: number): void {
    this.checkAlive();
    if (!Number.isInteger(length) || length < 0 || length > this.held) {
      throw new CacheError(`rewind to ${length} is not possible: the cache holds 0 … ${this.held}`);
    }
    for (const { spec, slots } of this.states) {
      if (spec.kind === 'full' || this.highest <= slots || length === 0) continue;
      if (this.highest - length > slots - spec.window) {
        throw new CacheError(
          `a ring of ${slots} slots for a window of ${spec.window} can rewind by ${slots - spec.window} tokens, not from ${this.highest} to ${length}; give the layer more slack`,
        );
      }
    }
    this.held = length;
    if (length === 0) this.highest = 0;
  }

  /**
   * A cache of its own with the same contents.
   *
   * @param rows which row of this cache each row of the new one copies; `[0, 0, 0]` starts three samples from one
   *   prompt. Default: all rows in order
   */
  fork(rows?: readonly number[]): KVCache {
    this.checkAlive();
    if (rows !== undefined) this.checkRows(rows);
    return scope(() => {
      const starts = this.starts === null ? {} : { starts: pickRows(this.starts, rows) };
      const fork = new KVCache({
        batch: rows?.length ?? this.batch,
        nKvHead: this.nKvHead,
        headDim: this.headDim,
        valueDim: this.valueDim,
        layers: this.states.map(({ spec }) => spec),
        ...starts,
      });
      fork.states.forEach((state, i) => {
        state.key.assign(pickRows(this.states[i]!.key, rows) as tf.Tensor4D);
        state.value.assign(pickRows(this.states[i]!.value, rows) as tf.Tensor4D);
      });
      fork.held = this.held;
      fork.highest = this.highest;
      return fork;
    });
  }

  /** Row r becomes a copy of row `rows[r]`, in place: what beam search does after each step. */
  reorder(rows: readonly number[]): void {
    this.checkAlive();
    this.checkRows(rows);
    if (rows.length !== this.batch) {
      throw new CacheError(
        `reorder needs ${this.batch} rows, received ${rows.length}; use fork to change the batch`,
      );
    }
    scope(() => {
      for (const buffer of this.variables) (buffer as tf.Variable).assign(pickRows(buffer, rows));
    });
  }

  /** Frees the buffers. Calling it again does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    tf.dispose(this.variables);
    this.starts?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** `[batch, keyLength]`: 1 from each row's first real token on. */
  private paddingMask({ key, firstPosition, positions }: CachedKeys): tf.Tensor2D {
    const keyLength = key.shape[2];
    const at = positions.keyPositions ?? tf.range(firstPosition, firstPosition + keyLength, 1, 'int32');
    const starts = tf.reshape(this.starts!, [this.batch, 1]);
    return tf.cast(tf.greaterEqual(tf.reshape(at, [1, keyLength]), starts), 'float32') as tf.Tensor2D;
  }

  private stateOf(layer: number): LayerState {
    this.checkAlive();
    const state = this.states[layer];
    if (!state) throw new CacheError(`layer must be in 0 … ${this.states.length - 1}, received ${layer}`);
    return state;
  }

  private checkNew(key: tf.Tensor4D, value: tf.Tensor4D): number {
    const count = key.shape[2];
    const fits = (x: tf.Tensor4D, features: number) =>
      x.rank === 4 &&
      x.shape[0] === this.batch &&
      x.shape[1] === this.nKvHead &&
      x.shape[2] === count &&
      x.shape[3] === features;
    const expected = (features: number) => `[${this.batch}, ${this.nKvHead}, newTokens ≥ 1, ${features}]`;
    if (!fits(key, this.headDim) || count === 0) {
      throw new ShapeMismatchError('key', expected(this.headDim), key.shape);
    }
    if (!fits(value, this.valueDim))
      throw new ShapeMismatchError('value', expected(this.valueDim), value.shape);
    return count;
  }

  private checkFits({ spec }: LayerState, position: number, count: number): void {
    if (!Number.isInteger(position) || position < 0) {
      throw new CacheError(`position must be an integer ≥ 0 or an int32 scalar tensor, received ${position}`);
    }
    if (position > this.held) {
      throw new CacheError(
        `position ${position} leaves a gap: the cache holds ${this.held} tokens; call advance after each step`,
      );
    }
    if (spec.kind === 'full' && position + count > spec.capacity) {
      throw new CacheError(
        `${position} + ${count} tokens exceed the capacity of ${spec.capacity}; make a larger cache or drop old tokens`,
      );
    }
  }

  private checkRows(rows: readonly number[]): void {
    if (rows.length === 0) throw new CacheError('rows must name at least one row');
    for (const row of rows) {
      if (!Number.isInteger(row) || row < 0 || row >= this.batch) {
        throw new CacheError(`rows must be in 0 … ${this.batch - 1}, received ${row}`);
      }
    }
  }

  private checkAlive(): void {
    if (this.disposed) throw new CacheError('this cache was disposed');
  }
}

function emptyBuffer(shape: [number, number, number, number]): tf.Variable<tf.Rank.R4> {
  return tf.tidy(() => tf.variable(tf.zeros(shape), false)) as tf.Variable<tf.Rank.R4>;
}

function keepCopy(x: tf.Tensor): tf.Tensor {
  return tf.keep(tf.clone(x));
}

function pickRows(x: tf.Tensor, rows: readonly number[] | undefined): tf.Tensor {
  return rows === undefined ? tf.clone(x) : tf.gather(x, tf.tensor1d([...rows], 'int32'), 0);
}
