/** Numbers pairs of ids in order of appearance: an open-addressing table that grows. */
export class PairIndex {
  lefts = new Int32Array(1 << 12);
  rights = new Int32Array(1 << 12);
  size = 0;
  #slots = new Int32Array(1 << 14);

  /** The number of a pair; a new pair gets the next one. */
  of(left: number, right: number): number {
    let slots = this.#slots;
    let mask = slots.length - 1;
    let slot = slotOf(left, right) & mask;
    for (;;) {
      const pair = slots[slot]! - 1;
      if (pair < 0) break;
      if (this.lefts[pair] === left && this.rights[pair] === right) return pair;
      slot = (slot + 1) & mask;
    }
    if (this.size === this.lefts.length) {
      this.lefts = grown(this.lefts);
      this.rights = grown(this.rights);
      slots = this.#slots = new Int32Array(slots.length * 2);
      mask = slots.length - 1;
      for (let pair = 0; pair < this.size; pair++) {
        slot = slotOf(this.lefts[pair]!, this.rights[pair]!) & mask;
        while (slots[slot] !== 0) slot = (slot + 1) & mask;
        slots[slot] = pair + 1;
      }
      slot = slotOf(left, right) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
    }
    const pair = this.size++;
    slots[slot] = pair + 1;
    this.lefts[pair] = left;
    this.rights[pair] = right;
    return pair;
  }
}

function slotOf(left: number, right: number): number {
  const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
  return hash ^ (hash >>> 15);
}

/** The same values with room for twice as many. */
export function grown<T extends Int32Array | Float64Array | Uint8Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(array.length * 2);
  larger.set(array as never);
  return larger;
}
