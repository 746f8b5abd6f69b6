/** A typed array that grows: what holds one number per document for millions of them. */
export class GrowableNumbers<T extends Uint32Array | Float64Array> {
  length = 0;
  private data: T;
  private readonly make: (length: number) => T;

  constructor(make: (length: number) => T) {
    this.make = make;
    this.data = make(1024);
  }

  push(value: number): void {
    if (this.length === this.data.length) {
      const larger = this.make(this.data.length * 2);
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.length++] = value;
  }

  get(index: number): number {
    return this.data[index]!;
  }

  /** What was pushed; shares memory, valid until the next push. */
  view(): T {
    return this.data.subarray(0, this.length) as T;
  }
}
