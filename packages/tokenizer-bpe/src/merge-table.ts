import { InvalidVocabularyError } from './errors.js';

/** "This pair does not merge": above every rank. */
export const NO_MERGE = 0x7fffffff;

/** Above this many symbols the heap wins over scanning for the smallest rank. */
const HEAP_FROM = 160;
/** Scratch larger than this is given back after use. */
const KEEP_SCRATCH = 1 << 16;
const ID_LIMIT = 1 << 20;
const RANK_LIMIT = (1 << 24) - 1;

/**
 * The merges of a byte-pair encoding: which pair of ids becomes which id, and in what order.
 *
 * One open-addressing table on an `Int32Array`, two words per slot: `left (20 bits) | right (low 12)` and
 * `right (high 8) | rank (24)`. Ranks are positions in the merge list; a smaller rank merges first.
 */
export class MergeTable {
  /** `results[rank]`: the id a merge produces. */
  readonly results: Int32Array;
  /** Work space: fill the first `n` ids and `n - 1` ranks, then call `merge(n)`. */
  ids = new Int32Array(256);
  ranks = new Int32Array(256);
  readonly #slots: Int32Array;
  readonly #mask: number;

  /**
   * @param lefts left id of every merge, in rank order
   * @param rights right id of every merge
   * @param results id of the merged symbol; negative entries are skipped (a gap in the ranks)
   * @throws {InvalidVocabularyError} ids of 2^20 and more, more than 2^24 merges, the same pair twice
   */
  constructor(lefts: ArrayLike<number>, rights: ArrayLike<number>, results: Int32Array) {
    const count = results.length;
    if (count > RANK_LIMIT) throw new InvalidVocabularyError(`merges: ${count} are more than ${RANK_LIMIT}`);
    let size = 16;
    while (size < count * 2.5) size *= 2;
    const slots = new Int32Array(size * 2).fill(-1);
    const mask = size * 2 - 1;
    for (let rank = 0; rank < count; rank++) {
      if (results[rank]! < 0) continue;
      const left = lefts[rank]!;
      const right = rights[rank]!;
      if (left >= ID_LIMIT || right >= ID_LIMIT) {
        throw new InvalidVocabularyError(`merges: id ${Math.max(left, right)} is not below ${ID_LIMIT}`);
      }
      const first = left | (right << 20);
      const high = right >>> 12;
      let slot = slotOf(left, right) & mask;
      while (slots[slot + 1] !== -1) {
        if (slots[slot] === first && (slots[slot + 1]! & 0xff) === high) {
          throw new InvalidVocabularyError(
            `merges: the pair of ids (${left}, ${right}) is listed twice, at ranks ${slots[slot + 1]! >>> 8} and ${rank}`,
          );
        }
        slot = (slot + 2) & mask;
      }
      slots[slot] = first;
      slots[slot + 1] = high | (rank << 8);
    }
    this.results = results;
    this.#slots = slots;
    this.#mask = mask;
  }

  /** Rank of the merge of two ids, `NO_MERGE` when there is none. */
  rankOf(left: number, right: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    const first = left | (right << 20);
    let slot = slotOf(left, right) & mask;
    for (;;) {
      const second = slots[slot + 1]!;
      if (second === -1) return NO_MERGE;
      if (slots[slot] === first && (second & 0xff) === right >>> 12) return second >>> 8;
      slot = (slot + 2) & mask;
    }
  }

  /** Makes room for `n` symbols in `ids` and `ranks`. */
  reserve(n: number): void {
    if (this.ids.length >= n) return;
    let size = this.ids.length;
    while (size < n) size *= 2;
    this.ids = new Int32Array(size);
    this.ranks = new Int32Array(size);
  }

  /** Gives large work space back. */
  release(): void {
    if (this.ids.length <= KEEP_SCRATCH) return;
    this.ids = new Int32Array(256);
    this.ranks = new Int32Array(256);
  }

  /** Fills `ranks` for the first `n` ids. */
  rankAll(n: number): void {
    const { ids, ranks } = this;
    for (let i = 0; i + 1 < n; i++) ranks[i] = this.rankOf(ids[i]!, ids[i + 1]!);
  }

  /**
   * Merges the first `n` ids in place: always the pair of smallest rank, the leftmost of equal ones, until none
   * is left. O(n²) with a tiny constant below 160 symbols, O(n log n) from there on.
   *
   * @returns how many ids are left
   */
  merge(n: number): number {
    return n < HEAP_FROM ? this.#mergeByScan(n) : this.#mergeByHeap(n);
  }

  #mergeByScan(n: number): number {
    const { ids, ranks, results } = this;
    let last = n - 1; // pairs are 0 … last - 1
    for (;;) {
      let best = NO_MERGE;
      let at = 0;
      for (let i = 0; i < last; i++) {
        const rank = ranks[i]!;
        if (rank < best) {
          best = rank;
          at = i;
        }
      }
      if (best === NO_MERGE) return last + 1;
      const merged = results[best]!;
      ids[at] = merged;
      last--;
      for (let i = at + 1; i <= last; i++) {
        ids[i] = ids[i + 1]!;
        ranks[i] = ranks[i + 1]!;
      }
      if (at > 0) ranks[at - 1] = this.rankOf(ids[at - 1]!, merged);
      if (at < last) ranks[at] = this.rankOf(merged, ids[at + 1]!);
    }
  }

  /** A binary heap of `rank · 2^28 + position` (exact in a double), stale entries dropped when they surface. */
  #mergeByHeap(n: number): number {
    const { ids, ranks, results } = this;
    const next = new Int32Array(n);
    const previous = new Int32Array(n);
    let heap = new Float64Array(Math.max(16, n + (n >> 1)));
    let size = 0;
    for (let i = 0; i < n; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
      if (i + 1 < n && ranks[i] !== NO_MERGE) heap[size++] = ranks[i]! * POSITIONS + i;
    }
    ranks[n - 1] = NO_MERGE;
    for (let i = (size >> 1) - 1; i >= 0; i--) siftDown(heap, i, size);

    while (size > 0) {
      const key = heap[0]!;
      const rank = Math.floor(key / POSITIONS);
      const at = key - rank * POSITIONS;
      if (ranks[at] !== rank) {
        heap[0] = heap[--size]!;
        siftDown(heap, 0, size);
        continue;
      }
      const merged = results[rank]!;
      const gone = next[at]!;
      const after = next[gone]!;
      ids[at] = merged;
      ranks[gone] = NO_MERGE;
      next[at] = after;
      if (after < n) previous[after] = at;
      const own = after < n ? this.rankOf(merged, ids[after]!) : NO_MERGE;
      ranks[at] = own;
      // The root is spent: let the pair to the right take its place, or the last entry.
      heap[0] = own !== NO_MERGE ? own * POSITIONS + at : heap[--size]!;
      siftDown(heap, 0, size);
      const before = previous[at]!;
      if (before >= 0) {
        const rankBefore = this.rankOf(ids[before]!, merged);
        ranks[before] = rankBefore;
        if (rankBefore !== NO_MERGE) {
          if (size === heap.length) {
            const larger = new Float64Array(size * 2);
            larger.set(heap);
            heap = larger;
          }
          heap[size] = rankBefore * POSITIONS + before;
          siftUp(heap, size++);
        }
      }
    }
    let kept = 0;
    for (let i = 0; i < n; i = next[i]!) ids[kept++] = ids[i]!;
    return kept;
  }
}

const POSITIONS = 2 ** 28;

function slotOf(left: number, right: number): number {
  const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
  return (hash ^ (hash >>> 15)) << 1;
}

function siftDown(heap: Float64Array, at: number, size: number): void {
  const key = heap[at]!;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= key) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = key;
}

function siftUp(heap: Float64Array, at: number): void {
  const key = heap[at]!;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]! <= key) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = key;
}
