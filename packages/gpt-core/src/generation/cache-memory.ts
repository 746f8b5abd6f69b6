/** Numbers that are kept, 16 MB: more memory would be missed elsewhere while nothing is generated. */
const mostNumbers = 1 << 22;

/** Arrays for keys and values that one session leaves to the next: allocating them anew keeps the garbage collector busy. */
export class CacheMemory {
  #free: Float32Array[] = [];
  #size = 0;

  /** An array of this length, whatever it may hold. */
  take(length: number): Float32Array {
    const at = this.#free.findIndex((array) => array.length === length);
    if (at < 0) return new Float32Array(length);
    const [array] = this.#free.splice(at, 1);
    this.#size -= length;
    return array!;
  }

  /** Nobody uses these arrays any more. The oldest make room for them. */
  give(arrays: readonly Float32Array[]): void {
    for (const array of arrays) {
      this.#free.push(array);
      this.#size += array.length;
    }
    while (this.#size > mostNumbers) this.#size -= this.#free.shift()!.length;
  }

  clear(): void {
    this.#free = [];
    this.#size = 0;
  }
}
