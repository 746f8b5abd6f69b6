/** Disjoint sets over 0 … size − 1 (path halving, the smaller number leads: independent of the order of unions). */
export class UnionFind {
  private readonly parents: Uint32Array;

  constructor(size: number) {
    this.parents = Uint32Array.from({ length: size }, (_, i) => i);
  }

  find(item: number): number {
    const { parents } = this;
    while (parents[item] !== item) {
      parents[item] = parents[parents[item]!]!;
      item = parents[item]!;
    }
    return item;
  }

  /** @returns true when the two were in different sets */
  union(a: number, b: number): boolean {
    const x = this.find(a);
    const y = this.find(b);
    if (x === y) return false;
    if (x < y) this.parents[y] = x;
    else this.parents[x] = y;
    return true;
  }

  /** Sets of two and more, members ascending, by their smallest member. */
  clusters(): number[][] {
    const byRoot = new Map<number, number[]>();
    for (let item = 0; item < this.parents.length; item++) {
      const root = this.find(item);
      if (root === item) continue;
      const cluster = byRoot.get(root) ?? [root];
      cluster.push(item);
      byRoot.set(root, cluster);
    }
    return [...byRoot.values()].sort((a, b) => a[0]! - b[0]!);
  }
}
