import { wordsOf } from '@gpt-lineage/gpt-core/node';

/** GPT-3 clamps the words per gram of a set to this range (Brown et al. 2020, appendix C). */
const [SHORTEST, LONGEST] = [8, 13];

/** An evaluation set on the lookout for its own n-grams. */
interface WatchedSet {
  readonly name: string;
  readonly n: number;
  /** Grams of each item; empty when the item is too short to tell. */
  readonly grams: readonly (readonly string[])[];
}

export interface OverlapSplit {
  readonly n: number;
  readonly clean: number[];
  readonly dirty: number[];
  readonly tooShort: number[];
}

/**
 * Finds n-grams of evaluation items in training documents. Memory grows with the evaluation sets and not with the
 * corpus; documents are given one after the other.
 *
 * n is the 5th percentile of a set's item lengths in words, between 8 and 13, as in GPT-3's appendix C. A gram that
 * stands in more than `maxDocuments` documents is a common phrase and no leak.
 */
export class NGramOverlap {
  readonly #sets: readonly WatchedSet[];
  readonly #maxDocuments: number;
  /** Gram to the number of documents that hold it. */
  readonly #counts = new Map<string, number>();
  readonly #lengths: readonly number[];
  /** The first two words of every gram. */
  readonly #heads: ReadonlySet<string>;
  documents = 0;

  /**
   * @param sets texts of the items of each set
   * @param options `n`: the same for all sets; `maxDocuments`: default 10
   */
  constructor(
    sets: Readonly<Record<string, readonly string[]>>,
    { n, maxDocuments = 10 }: { n?: number | undefined; maxDocuments?: number | undefined } = {},
  ) {
    this.#maxDocuments = maxDocuments;
    this.#sets = Object.entries(sets).map(([name, items]) => {
      const words = items.map(wordsOf);
      const size = n ?? usualLength(words.map(({ length }) => length));
      return { name, n: size, grams: words.map((item) => itemGrams(item, size, n !== undefined)) };
    });
    for (const { grams } of this.#sets)
      for (const item of grams) for (const gram of item) this.#counts.set(gram, 0);
    this.#heads = new Set([...this.#counts.keys()].map((gram) => gram.split(' ', 2).join(' ')));
    this.#lengths = [...new Set([...this.#counts.keys()].map((gram) => gram.split(' ').length))];
  }

  addDocument(text: string): void {
    this.documents += 1;
    const words = wordsOf(text);
    const seen = new Set<string>();
    for (const n of this.#lengths) {
      for (let start = 0; start + n <= words.length; start++) {
        // Two words decide nearly always that no gram begins here.
        if (!this.#heads.has(`${words[start]} ${words[start + 1]}`)) continue;
        const gram = words.slice(start, start + n).join(' ');
        if (this.#counts.has(gram)) seen.add(gram);
      }
    }
    for (const gram of seen) this.#counts.set(gram, this.#counts.get(gram)! + 1);
  }

  /** Items of each set by whether a document held one of their grams. */
  splits(): Record<string, OverlapSplit> {
    const leaked = (gram: string) => {
      const count = this.#counts.get(gram)!;
      return count > 0 && count <= this.#maxDocuments;
    };
    return Object.fromEntries(
      this.#sets.map(({ name, n, grams }) => {
        const split: OverlapSplit = { n, clean: [], dirty: [], tooShort: [] };
        grams.forEach((item, index) => {
          const kind = item.length === 0 ? 'tooShort' : item.some(leaked) ? 'dirty' : 'clean';
          split[kind].push(index);
        });
        return [name, split];
      }),
    );
  }
}

function usualLength(lengths: readonly number[]): number {
  const sorted = [...lengths].sort((a, b) => a - b);
  const percentile = sorted[Math.floor(0.05 * (sorted.length - 1))] ?? LONGEST;
  return Math.min(LONGEST, Math.max(SHORTEST, percentile));
}

/** An item shorter than n is one gram of all its words, unless it is too short to mean anything. */
function itemGrams(words: readonly string[], n: number, exact: boolean): string[] {
  const size = Math.min(n, words.length);
  if (size < (exact ? n : SHORTEST)) return [];
  const grams = new Set<string>();
  for (let start = 0; start + size <= words.length; start++)
    grams.add(words.slice(start, start + size).join(' '));
  return [...grams];
}
