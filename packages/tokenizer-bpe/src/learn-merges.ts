import { TrainingAbortedError } from './errors.js';
import { grown, PairIndex } from './pair-index.js';

/** Distinct words as symbol ids, and how often each occurs. */
export interface TrainingWords {
  /** The symbols of all words, one word after the other. */
  symbols: Int32Array;
  /** Word `i` is `symbols[offsets[i] … offsets[i + 1])`. */
  offsets: Int32Array;
  /** Doubles: 32-bit counts overflow on large corpora and silently spoil the vocabulary. */
  counts: Float64Array;
}

export interface TrainingProgress {
  phase: 'count' | 'merge';
  /** UTF-16 units read, or merges learned. */
  done: number;
  /** Merges wanted; unknown while counting. */
  total?: number;
}

export interface LearnMergesOptions {
  /** What each symbol id stands for; the ids that are learned are appended. */
  tokens: string[];
  /** Stop at this many tokens. */
  vocabSize: number;
  /** Pairs that occur less often are not merged. */
  minFrequency: number;
  /** Merged tokens stay shorter than this many symbols, but for pairs of single symbols (as in Hugging Face's trainer). */
  maxTokenLength?: number | undefined;
  onProgress?: ((progress: TrainingProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface LearnedMerges {
  lefts: number[];
  rights: number[];
  /** The id each merge makes: a new one, or that of an equal token that was there. */
  results: number[];
}

/** How long to work before letting others run, in milliseconds. */
const SLICE_MS = 40;

/**
 * Learns byte-pair merges (Sennrich et al. 2016, algorithm 1): again and again the most frequent pair of neighbours,
 * counted over all words, becomes one symbol. Of equally frequent pairs the one with the smaller left id goes first,
 * then the one with the smaller right id.
 *
 * Counts are exact at every step. Every symbol position is in the list of the pair that begins there, so a merge
 * touches only the places where it happens.
 *
 * @throws {TrainingAbortedError} when `signal` fires
 */
export async function learnMerges(words: TrainingWords, options: LearnMergesOptions): Promise<LearnedMerges> {
  const { tokens, vocabSize, maxTokenLength = Number.POSITIVE_INFINITY } = options;
  const learner = new Learner(words, tokens, maxTokenLength);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: LearnedMerges = { lefts: [], rights: [], results: [] };
  const total = Math.max(0, vocabSize - tokens.length);
  const least = Math.max(1, options.minFrequency);
  let pause = Date.now() + SLICE_MS;
  while (tokens.length < vocabSize) {
    const pair = learner.mostFrequent();
    if (pair < 0 || learner.counts[pair]! < least) break;
    const left = learner.pairs.lefts[pair]!;
    const right = learner.pairs.rights[pair]!;
    const token = tokens[left]! + tokens[right]!;
    let id = ids.get(token);
    if (id === undefined) {
      id = tokens.push(token) - 1;
      ids.set(token, id);
    }
    merges.lefts.push(left);
    merges.rights.push(right);
    merges.results.push(id);
    learner.merge(pair, id);
    if (Date.now() > pause) {
      options.onProgress?.({ phase: 'merge', done: merges.lefts.length, total });
      await new Promise((resolve) => setTimeout(resolve));
      if (options.signal?.aborted)
        throw new TrainingAbortedError('training was aborted', { cause: options.signal.reason });
      pause = Date.now() + SLICE_MS;
    }
  }
  options.onProgress?.({ phase: 'merge', done: merges.lefts.length, total });
  return merges;
}

class Learner {
  readonly pairs = new PairIndex();
  /** Weighted occurrences of every pair. */
  counts = new Float64Array(this.pairs.lefts.length);
  readonly #symbols: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #weights: Float64Array;
  readonly #wordOf: Int32Array;
  /** The pair that begins at a position, -1 for none; positions of one pair are linked both ways. */
  readonly #pairAt: Int32Array;
  readonly #listNext: Int32Array;
  readonly #listPrevious: Int32Array;
  #heads = new Int32Array(this.pairs.lefts.length).fill(-1);
  /** Symbols in a token. */
  readonly #lengths: number[];
  readonly #maxLength: number;
  /** A max-heap of pairs by the count they had when they were entered; counts that fell since are corrected on top. */
  #heap = new Int32Array(1 << 12);
  #heapCounts = new Float64Array(1 << 12);
  #heapSize = 0;
  /** Pairs whose count rose since the heap was last told. */
  readonly #risen: number[] = [];
  #marked = new Uint8Array(this.pairs.lefts.length);

  constructor({ symbols, offsets, counts }: TrainingWords, tokens: readonly string[], maxLength: number) {
    const { length } = symbols;
    this.#symbols = symbols;
    this.#weights = counts;
    this.#lengths = tokens.map(() => 1);
    this.#maxLength = maxLength;
    this.#next = new Int32Array(length);
    this.#previous = new Int32Array(length);
    this.#wordOf = new Int32Array(length);
    this.#pairAt = new Int32Array(length).fill(-1);
    this.#listNext = new Int32Array(length);
    this.#listPrevious = new Int32Array(length);
    for (let word = 0; word < counts.length; word++) {
      const end = offsets[word + 1]!;
      for (let i = offsets[word]!; i < end; i++) {
        this.#wordOf[i] = word;
        this.#previous[i] = i === offsets[word] ? -1 : i - 1;
        this.#next[i] = i + 1 === end ? -1 : i + 1;
        if (i + 1 < end) this.#add(i, symbols[i]!, symbols[i + 1]!, counts[word]!);
      }
    }
    this.#enterRisen();
  }

  /** The pair to merge next, -1 when there is none. */
  mostFrequent(): number {
    while (this.#heapSize > 0) {
      const pair = this.#heap[0]!;
      const count = this.counts[pair]!;
      if (this.#heapCounts[0] === count) return pair;
      if (count > 0) this.#heapCounts[0] = count;
      else {
        this.#heapSize--;
        this.#heap[0] = this.#heap[this.#heapSize]!;
        this.#heapCounts[0] = this.#heapCounts[this.#heapSize]!;
      }
      this.#siftDown(0);
    }
    return -1;
  }

  /** Replaces every occurrence of the pair by `id`. */
  merge(pair: number, id: number): void {
    const symbols = this.#symbols;
    const next = this.#next;
    const previous = this.#previous;
    const left = this.pairs.lefts[pair]!;
    const right = this.pairs.rights[pair]!;
    this.#lengths[id] ??= this.#lengths[left]! + this.#lengths[right]!;
    let places: number[] = [];
    for (let at = this.#heads[pair]!; at >= 0; at = this.#listNext[at]!) places.push(at);
    // In a run of one symbol the pairs overlap: merge from the left.
    if (left === right) places = places.sort((a, b) => a - b);
    for (const at of places) {
      if (this.#pairAt[at] !== pair) continue; // gone with its left neighbour
      const weight = this.#weights[this.#wordOf[at]!]!;
      const gone = next[at]!;
      const before = previous[at]!;
      const after = next[gone]!;
      this.#remove(at, weight);
      if (before >= 0) this.#remove(before, weight);
      if (after >= 0) {
        this.#remove(gone, weight);
        previous[after] = at;
      }
      next[at] = after;
      symbols[at] = id;
      if (before >= 0) this.#addIfShort(before, symbols[before]!, id, weight);
      if (after >= 0) this.#addIfShort(at, id, symbols[after]!, weight);
    }
    this.#enterRisen();
  }

  #addIfShort(at: number, left: number, right: number, weight: number): void {
    if (this.#lengths[left]! + this.#lengths[right]! < this.#maxLength) this.#add(at, left, right, weight);
  }

  #add(at: number, left: number, right: number, weight: number): void {
    const pair = this.pairs.of(left, right);
    if (pair >= this.counts.length) {
      const { length } = this.counts;
      this.counts = grown(this.counts);
      this.#heads = grown(this.#heads).fill(-1, length);
      this.#marked = grown(this.#marked);
    }
    if (this.#marked[pair] === 0) {
      this.#marked[pair] = 1;
      this.#risen.push(pair);
    }
    this.counts[pair]! += weight;
    const head = this.#heads[pair]!;
    this.#pairAt[at] = pair;
    this.#listNext[at] = head;
    this.#listPrevious[at] = -1;
    if (head >= 0) this.#listPrevious[head] = at;
    this.#heads[pair] = at;
  }

  #remove(at: number, weight: number): void {
    const pair = this.#pairAt[at]!;
    if (pair < 0) return;
    this.counts[pair]! -= weight;
    const after = this.#listNext[at]!;
    const before = this.#listPrevious[at]!;
    if (before >= 0) this.#listNext[before] = after;
    else this.#heads[pair] = after;
    if (after >= 0) this.#listPrevious[after] = before;
    this.#pairAt[at] = -1;
  }

  #enterRisen(): void {
    for (const pair of this.#risen) {
      this.#marked[pair] = 0;
      const count = this.counts[pair]!;
      if (count <= 0) continue;
      if (this.#heapSize === this.#heap.length) {
        this.#heap = grown(this.#heap);
        this.#heapCounts = grown(this.#heapCounts);
      }
      let at = this.#heapSize++;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!this.#isAbove(pair, count, this.#heap[parent]!, this.#heapCounts[parent]!)) break;
        this.#heap[at] = this.#heap[parent]!;
        this.#heapCounts[at] = this.#heapCounts[parent]!;
        at = parent;
      }
      this.#heap[at] = pair;
      this.#heapCounts[at] = count;
    }
    this.#risen.length = 0;
  }

  #siftDown(at: number): void {
    const heap = this.#heap;
    const counts = this.#heapCounts;
    const size = this.#heapSize;
    const pair = heap[at]!;
    const count = counts[at]!;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (
        child + 1 < size &&
        this.#isAbove(heap[child + 1]!, counts[child + 1]!, heap[child]!, counts[child]!)
      ) {
        child++;
      }
      if (!this.#isAbove(heap[child]!, counts[child]!, pair, count)) break;
      heap[at] = heap[child]!;
      counts[at] = counts[child]!;
      at = child;
    }
    heap[at] = pair;
    counts[at] = count;
  }

  #isAbove(pair: number, count: number, other: number, otherCount: number): boolean {
    if (count !== otherCount) return count > otherCount;
    const { lefts, rights } = this.pairs;
    const left = lefts[pair]! - lefts[other]!;
    return left !== 0 ? left < 0 : rights[pair]! < rights[other]!;
  }
}
