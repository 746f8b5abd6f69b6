import * as tf from '@tensorflow/tfjs-core';
import { CacheError, ShapeMismatchError } from '../errors.js';
import { checkPositive } from '../validate.js';

/** The same values, cut off from the gradient. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  const stop = tf.customGrad((input) => ({
    value: tf.clone(input as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
  }));
  return stop(x) as T;
}

export interface SegmentMemoryOptions {
  readonly nLayer: number;
  /** The most positions kept per layer. Any number at evaluation, whatever training used. */
  readonly memoryLength: number;
}

/**
 * Transformer-XL's segment-level recurrence: each layer's hidden states of the last positions, read by the next segment
 * without gradient. Dai et al. 2019, §3.2. Empty at the start, not zeros: zeros would be keys.
 *
 * ```ts
 * const extended = memory.extend(layer, hidden); // keys and values of this layer come from `extended`, queries from `hidden`
 * ```
 *
 * The memory owns what it keeps until `dispose` or `clear`.
 */
export class SegmentMemory {
  readonly nLayer: number;
  /** The most positions kept; may be changed between segments, e.g. longer at evaluation. */
  memoryLength: number;
  private states: (tf.Tensor3D | null)[];
  private disposed = false;

  constructor({ nLayer, memoryLength }: SegmentMemoryOptions) {
    checkPositive('nLayer', nLayer);
    checkPositive('memoryLength', memoryLength);
    this.nLayer = nLayer;
    this.memoryLength = memoryLength;
    this.states = Array<null>(nLayer).fill(null);
  }

  /** Positions held by a layer. */
  lengthOf(layer: number): number {
    return this.stateOf(layer)?.shape[1] ?? 0;
  }

  /** The kept states of a layer, `[batch, length, nEmbd]`, still the memory's; null when empty. */
  read(layer: number): tf.Tensor3D | null {
    return this.stateOf(layer);
  }

  /**
   * Memory and segment of a layer in one tensor, and the segment remembered for the next call.
   *
   * @param hidden `[batch, length, nEmbd]`, the layer's input
   * @returns `[batch, memory + length, nEmbd]`, the caller's; gradients reach `hidden` only
   * @throws {ShapeMismatchError} when batch or nEmbd differ from the memory's
   */
  extend(layer: number, hidden: tf.Tensor3D): tf.Tensor3D {
    const old = this.stateOf(layer);
    if (hidden.rank !== 3) throw new ShapeMismatchError('hidden', '[batch, length, nEmbd]', hidden.shape);
    if (old && (old.shape[0] !== hidden.shape[0] || old.shape[2] !== hidden.shape[2])) {
      throw new ShapeMismatchError('hidden', `[${old.shape[0]}, length, ${old.shape[2]}]`, hidden.shape);
    }
    const extended = tf.tidy(() => (old ? tf.concat([old, hidden], 1) : tf.clone(hidden)));
    this.states[layer] = tf.tidy(() => {
      const [batch, length, nEmbd] = extended.shape;
      const kept = Math.min(length, this.memoryLength);
      return tf.keep(stopGradient(tf.slice(extended, [0, length - kept, 0], [batch, kept, nEmbd])));
    });
    old?.dispose();
    return extended;
  }

  /** An independent memory with the same contents. */
  fork(): SegmentMemory {
    this.checkAlive();
    const fork = new SegmentMemory({ nLayer: this.nLayer, memoryLength: this.memoryLength });
    fork.states = this.states.map((state) => (state ? tf.keep(tf.clone(state)) : null));
    return fork;
  }

  /** Forgets everything: the next segment starts a new text. */
  clear(): void {
    this.checkAlive();
    for (const state of this.states) state?.dispose();
    this.states = Array<null>(this.nLayer).fill(null);
  }

  /** Frees the kept states. Calling it again does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.clear();
    this.disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private stateOf(layer: number): tf.Tensor3D | null {
    this.checkAlive();
    const state = this.states[layer];
    if (state === undefined) {
      throw new CacheError(`layer must be in 0 … ${this.nLayer - 1}, received ${layer}`);
    }
    return state;
  }

  private checkAlive(): void {
    if (this.disposed) throw new CacheError('this memory was disposed');
  }
}
