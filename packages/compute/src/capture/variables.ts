import type { Variable } from '@tensorflow/tfjs-core';
import { engine } from './engine.js';
import { type HostArray, type Meta, toHostArray } from './graph.js';
import { graphBackend, graphDtype, type StoredData } from './graph-backend.js';

/** Where an executor keeps variables. `key` is the same for one variable in every store. */
export interface VariableStore {
  write(key: number, values: HostArray, meta: Meta): void;
  read(key: number, meta: Meta): HostArray;
  free(key: number): void;
  /** `read` into memory that is there already. */
  readInto?(key: number, meta: Meta, target: HostArray): void;
  /** A variable's memory, for its next value to be written into; where values lie in arrays that no one else has. */
  own?(key: number): HostArray;
}

let nextKey = 1;
const slots = new Map<Variable, Slot>();

/**
 * Keeps one `tf.Variable` coherent between the eager side and executors. The eager side announces itself by the
 * variable's `dataId`, which changes with every `assign`; executors by `version`.
 */
class Slot implements StoredData {
  readonly key = nextKey++;
  readonly meta: Meta;
  private readonly variable: Variable;
  private dataId: object | undefined;
  private version = 0;
  private readonly copies = new Map<VariableStore, number>();

  constructor(variable: Variable) {
    this.variable = variable;
    this.meta = { shape: variable.shape, dtype: graphDtype(variable.dtype, `variable ${variable.name}`) };
  }

  /** Changes whenever the variable's value does. */
  revision(): number {
    if (this.dataId !== this.variable.dataId) {
      this.version += 1;
      this.dataId = this.variable.dataId as object;
    }
    return this.version;
  }

  /** The current value, wherever it lives. */
  current(): HostArray {
    return toHostArray(
      this.meta.dtype,
      engine().readSync(this.variable.dataId as object) as ArrayLike<number>,
    );
  }

  /**
   * Brings `store` up to date before a run.
   *
   * @returns the bytes that the eager side let go of
   */
  push(store: VariableStore): number {
    const { variable } = this;
    this.revision();
    if (this.copies.get(store) === this.version) return 0;
    if (!this.refresh(store)) store.write(this.key, this.current(), this.meta);
    this.copies.set(store, this.version);
    if (graphBackend().owns(variable.dataId as object)) return 0;
    this.dataId = graphBackend().adopt(variable, this);
    return 4 * variable.size;
  }

  /** Copies the value from the store that has it over an older one in `store`, without an array in between. */
  private refresh(store: VariableStore): boolean {
    if (!this.copies.has(store) || store.own === undefined) return false;
    for (const [holder, version] of this.copies) {
      if (version !== this.version || holder.readInto === undefined) continue;
      holder.readInto(this.key, this.meta, store.own(this.key));
      return true;
    }
    return false;
  }

  /** Records that a run left a new value in `store`. */
  updated(store: VariableStore): void {
    this.version += 1;
    for (const other of this.copies.keys()) if (other !== store) this.copies.set(other, -1);
    this.copies.set(store, this.version);
    // The eager side fetched the old value, or assigned during the run: it gets the new one when it asks.
    if (!graphBackend().owns(this.variable.dataId as object)) {
      this.dataId = graphBackend().adopt(this.variable, this);
    }
  }

  read(): HostArray {
    for (const [store, version] of this.copies) {
      if (version === this.version) return store.read(this.key, this.meta);
    }
    throw new Error(`variable ${this.variable.name} has no current value`);
  }

  release(): void {
    queueMicrotask(() => {
      if (this.variable.isDisposed) this.free();
    });
  }

  free(): void {
    for (const store of this.copies.keys()) store.free(this.key);
    this.copies.clear();
    slots.delete(this.variable);
  }

  leave(store: VariableStore): void {
    this.copies.delete(store);
  }

  get disposed(): boolean {
    return this.variable.isDisposed;
  }
}

export function slotOf(variable: Variable): Slot {
  let slot = slots.get(variable);
  if (slot === undefined) {
    slot = new Slot(variable);
    slots.set(variable, slot);
  }
  return slot;
}

/** Frees native copies of variables that were disposed after the eager side had taken them back. */
export function sweepVariables(): void {
  for (const slot of slots.values()) if (slot.disposed) slot.free();
}
