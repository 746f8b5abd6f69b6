import { ConfigError } from '../errors.js';
import { forEachWord, wordHashes } from '../words.js';

/** Examples of one evaluation set. */
export interface EvaluationSet {
  name: string;
  /** Text of each example: question, context and answers together. */
  examples: readonly string[];
}

/** Where a training text holds an n-gram of an evaluation set. */
export interface Collision {
  /** Number of the gram, stable for the same sets. */
  gram: number;
  /** First word and one past the last. */
  firstWord: number;
  endWord: number;
}

/** GPT-3 clamps the n of a set to this range. */
const minN = 8;
const maxN = 13;

/**
 * Finds n-grams of evaluation sets in training text, as in GPT-3 (Brown et al. 2020, appendix C). Words are
 * lower-cased without punctuation.
 *
 * Two kinds of grams: all 13-grams of all sets, for cutting training text; and for judging each set's examples,
 * n-grams with that set's own n (the 5th percentile of its example lengths, between 8 and 13).
 */
export class ContaminationIndex {
  readonly sets: readonly EvaluationSet[];
  /** n used to judge each set. */
  readonly nOfSet: readonly number[];
  /** Number of grams; they are numbered from 0. */
  gramCount = 0;
  /** Grams of each example, per set; empty when the example is too short to judge. */
  readonly gramsOfExample: readonly (readonly Uint32Array[])[];
  /** 1 for grams that cut training text. */
  private cutting: Uint8Array = new Uint8Array(0);
  private readonly tables = new Map<number, GramTable>();
  private readonly cutN: number;

  constructor(sets: readonly EvaluationSet[], { n = maxN }: { n?: number } = {}) {
    if (!Number.isInteger(n) || n < 2)
      throw new ConfigError('n', `must be an integer from 2 on, received ${n}`);
    this.sets = sets;
    this.cutN = n;
    const cutting: number[] = [];
    const add = (length: number, key: number): number => {
      let table = this.tables.get(length);
      if (!table) {
        table = new GramTable();
        this.tables.set(length, table);
      }
      return table.add(key, () => this.gramCount++);
    };
    this.nOfSet = sets.map(({ examples }) => nFor(examples));
    this.gramsOfExample = sets.map(({ examples }, set) =>
      examples.map((text) => {
        const words = wordHashes(text);
        forEachGram(words, n, (key) => {
          cutting[add(n, key)] = 1;
        });
        // An example shorter than n is one gram of all its words, unless it is too short to mean anything.
        const own = Math.min(this.nOfSet[set]!, words.length);
        const grams = new Set<number>();
        if (own >= minN) forEachGram(words, own, (key) => grams.add(add(own, key)));
        return Uint32Array.from(grams);
      }),
    );
    this.cutting = Uint8Array.from({ length: this.gramCount }, (_, i) => cutting[i] ?? 0);
  }

  /** Grams that a text holds, each once, ascending. */
  gramsIn(text: string): Uint32Array {
    const found = new Set<number>();
    const words = wordHashes(text);
    for (const [n, table] of this.tables) {
      forEachGram(words, n, (key) => {
        const gram = table.get(key);
        if (gram !== undefined) found.add(gram);
      });
    }
    return Uint32Array.from(found).sort();
  }

  /** Collisions that cut, in text order. `ignored` leaves grams out (those too frequent to be a leak). */
  collisions(text: string, ignored: (gram: number) => boolean = () => false): Collision[] {
    const table = this.tables.get(this.cutN);
    const collisions: Collision[] = [];
    if (!table) return collisions;
    forEachGram(wordHashes(text), this.cutN, (key, at) => {
      const gram = table.get(key);
      if (gram === undefined || this.cutting[gram] !== 1 || ignored(gram)) return;
      collisions.push({ gram, firstWord: at, endWord: at + this.cutN });
    });
    return collisions;
  }
}

/** The 5th percentile of the lengths in words, clamped (GPT-3, appendix C). */
function nFor(examples: readonly string[]): number {
  const lengths = examples.map((text) => wordHashes(text).length).sort((a, b) => a - b);
  if (lengths.length === 0) return maxN;
  const percentile = lengths[Math.floor(0.05 * (lengths.length - 1))]!;
  return Math.min(maxN, Math.max(minN, percentile));
}

/** Calls `visit` with a 52-bit key per n-gram: two polynomial hashes, rolled from one gram to the next. */
function forEachGram(words: Uint32Array, n: number, visit: (key: number, at: number) => void): void {
  if (words.length < n) return;
  const a = 0x01000193;
  const b = 0x9e3779b1 | 0;
  let highA = 1;
  let highB = 1;
  for (let i = 1; i < n; i++) {
    highA = Math.imul(highA, a);
    highB = Math.imul(highB, b);
  }
  let hashA = 0;
  let hashB = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (i >= n) {
      const gone = words[i - n]!;
      hashA = (hashA - Math.imul(gone, highA)) | 0;
      hashB = (hashB - Math.imul(gone ^ 0x5bd1e995, highB)) | 0;
    }
    hashA = (Math.imul(hashA, a) + word) | 0;
    hashB = (Math.imul(hashB, b) + (word ^ 0x5bd1e995)) | 0;
    if (i >= n - 1) visit((hashA >>> 0) * 0x100000 + (hashB >>> 12), i - n + 1);
  }
}

/** Key to gram number, behind a bit table that turns away nearly all words of ordinary text. */
class GramTable {
  private readonly numbers = new Map<number, number>();
  private readonly bits = new Uint32Array(1 << 19);

  add(key: number, next: () => number): number {
    let number = this.numbers.get(key);
    if (number === undefined) {
      number = next();
      this.numbers.set(key, number);
      const bit = this.bit(key);
      this.bits[bit >>> 5]! |= 1 << (bit & 31);
    }
    return number;
  }

  get(key: number): number | undefined {
    const bit = this.bit(key);
    return (this.bits[bit >>> 5]! >>> (bit & 31)) & 1 ? this.numbers.get(key) : undefined;
  }

  private bit(key: number): number {
    const high = Math.floor(key / 0x100000);
    return (Math.imul(high ^ (key % 0x100000), 0x9e3779b1) >>> 8) & 0xffffff;
  }
}

/** Character range of each word; `wordHashes` numbers words the same way. */
export function wordRanges(text: string): { starts: Uint32Array; ends: Uint32Array } {
  const starts: number[] = [];
  const ends: number[] = [];
  forEachWord(text, (start, end) => {
    starts.push(start);
    ends.push(end);
  });
  return { starts: Uint32Array.from(starts), ends: Uint32Array.from(ends) };
}
