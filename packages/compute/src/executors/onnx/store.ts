import { type HostArray, hostArray, type Meta, sizeOf } from '../../capture/graph.js';
import type { VariableStore } from '../../capture/variables.js';
import { fillsGivenMemory } from './runtime.js';

/** Variables that programs update, as host arrays that the runtime reads and writes in place of copying. */
class OnnxStore implements VariableStore {
  private readonly values = new Map<number, HostArray>();
  /** A buffer of ours that no one reads any more, to write the next value into. */
  private readonly spare = new Map<number, HostArray>();
  private readonly owned = new WeakSet<HostArray>();

  get(key: number): HostArray {
    return this.values.get(key)!;
  }

  write(key: number, values: HostArray): void {
    this.values.set(key, values);
  }

  read(key: number): HostArray {
    return this.get(key).slice();
  }

  free(key: number): void {
    this.values.delete(key);
    this.spare.delete(key);
  }

  /** Where the new value of a variable may go. */
  target(key: number, meta: Meta): HostArray | undefined {
    if (!fillsGivenMemory()) return undefined;
    const spare = this.spare.get(key);
    this.spare.delete(key);
    return spare ?? hostArray(meta.dtype, sizeOf(meta.shape));
  }

  /** The value in memory that no one else has, so that it may be overwritten. */
  own(key: number): HostArray {
    let values = this.get(key);
    if (!this.owned.has(values)) {
      values = values.slice();
      this.owned.add(values);
      this.values.set(key, values);
    }
    return values;
  }

  advance(key: number, values: HostArray): void {
    this.owned.add(values);
    const old = this.get(key);
    // Memory that came from outside may still be someone's; ours is free to reuse.
    if (this.owned.has(old)) this.spare.set(key, old);
    this.values.set(key, values);
  }
}

/** The one that all programs share. */
export const onnxStore = new OnnxStore();
