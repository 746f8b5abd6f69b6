import { ConfigError } from '../errors.js';
import { GrowableNumbers } from '../growable.js';
import { chooseBands } from './bands.js';
import { exactDuplicates } from './exact-duplicates.js';
import { DiskFeatureStore, type FeatureStore, MemoryFeatureStore } from './feature-store.js';
import { type KeepPolicy, keepBest } from './keep-best.js';
import { verifyBand } from './near-duplicates.js';
import { jaccard } from './shingles.js';
import type { FeatureParameters, TextFeatures } from './text-features.js';
import { UnionFind } from './union-find.js';

export interface FuzzyOptions {
  /** Jaccard similarity of word 5-gram sets from which two texts are the same. Default 0.8. */
  threshold?: number;
  /** Length of the MinHash signature. Default 128. */
  permutations?: number;
  /** Words per shingle. Default 5. */
  ngram?: number;
  /** Probability of finding a pair exactly at the threshold; decides bands and rows. Default 0.97. */
  recall?: number;
  /** Comparisons per document and bucket; see the result's `cutComparisons`. Default 256. */
  maxComparisons?: number;
}

/** `fuzzy` options with defaults, and what follows from them. */
export interface FuzzyParameters extends FeatureParameters {
  threshold: number;
  maxComparisons: number;
}

/** @throws {ConfigError} for values that cannot work */
export function fuzzyParameters(options: FuzzyOptions, seed: number): FuzzyParameters {
  const { threshold = 0.8, permutations = 128, ngram = 5, recall = 0.97, maxComparisons = 256 } = options;
  for (const [name, value] of Object.entries({ permutations, ngram, maxComparisons })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new ConfigError(name, `must be a positive integer, received ${value}`);
    }
  }
  if (!(recall > 0 && recall < 1))
    throw new ConfigError('recall', `must be between 0 and 1, received ${recall}`);
  return {
    threshold,
    permutations,
    ngram,
    seed,
    maxComparisons,
    banding: chooseBands(threshold, permutations, recall),
  };
}

/** What becomes of one document. */
export interface DuplicateDecision {
  /** Number of the document, in the order they were added. */
  document: number;
  /** Number of the document that stays in its place. */
  duplicateOf: number;
  kind: 'exact' | 'fuzzy';
  /** Jaccard similarity to `duplicateOf`; may lie below the threshold where a chain of copies connects the two. */
  similarity: number;
}

/** Decisions and how they were reached. */
export interface DuplicateReport {
  documents: number;
  /** Documents to drop, ascending. */
  dropped: DuplicateDecision[];
  /** Sets of near-duplicates by number, members ascending, exact copies not included. */
  clusters: number[][];
  /** Exact Jaccard computations. */
  comparisons: number;
  /** Comparisons left out because of `maxComparisons`: above 0, raise it or look at the largest buckets. */
  cutComparisons: number;
}

export interface DeduplicationIndexOptions {
  fuzzy: FuzzyParameters | null;
  keep: KeepPolicy;
  /** Existing folder for the on-disk index. Default: in memory. */
  indexDirectory?: string | undefined;
}

/**
 * Collects features of documents in a first pass and then says which to drop. Holds no text: 36 bytes per document
 * in memory with the on-disk index, plus the keys of one band (4 bytes per document) while comparing.
 */
export class DeduplicationIndex {
  private readonly options: DeduplicationIndexOptions;
  private readonly store: FeatureStore;
  private readonly hashes = new GrowableNumbers<Uint32Array>((length) => new Uint32Array(length));
  private readonly lengths = new GrowableNumbers<Uint32Array>((length) => new Uint32Array(length));
  private readonly qualities = new GrowableNumbers<Float64Array>((length) => new Float64Array(length));

  constructor(options: DeduplicationIndexOptions) {
    this.options = options;
    const bands = options.fuzzy?.banding.bands ?? 0;
    this.store =
      options.indexDirectory !== undefined && options.fuzzy
        ? new DiskFeatureStore(options.indexDirectory, bands)
        : new MemoryFeatureStore(bands);
  }

  /** Documents are numbered in the order of these calls. */
  add({ hash, keys, shingles }: TextFeatures, length: number, quality = 0): void {
    const words = new Uint32Array(hash.buffer.slice(hash.byteOffset, hash.byteOffset + 16));
    for (const word of words) this.hashes.push(word);
    this.lengths.push(length);
    this.qualities.push(quality);
    if (this.options.fuzzy) this.store.add(keys, shingles);
  }

  /** Compares; call once, when every document was added. */
  finish(): DuplicateReport {
    const { fuzzy, keep } = this.options;
    const documents = this.lengths.length;
    const length = (document: number) => this.lengths.get(document);
    const quality = (document: number) => this.qualities.get(document);
    const dropped: DuplicateDecision[] = [];
    const isCopy = new Uint8Array(documents);
    for (const members of exactDuplicates(this.hashes.view())) {
      const kept = keepBest(members, keep, quality, length);
      for (const document of members) {
        if (document === kept) continue;
        isCopy[document] = 1;
        dropped.push({ document, duplicateOf: kept, kind: 'exact', similarity: 1 });
      }
    }
    const report: DuplicateReport = { documents, dropped, clusters: [], comparisons: 0, cutComparisons: 0 };
    if (fuzzy) {
      const members = new Uint32Array(documents).map((_, i) => i).filter((i) => isCopy[i] === 0);
      const clusters = new UnionFind(documents);
      const similarities = new Map<string, number>();
      for (let band = 0; band < fuzzy.banding.bands; band++) {
        const shingles = (document: number) => this.store.shingles(document);
        const result = verifyBand(this.store.bandKeys(band), members, shingles, clusters, fuzzy);
        for (const { a, b, similarity } of result.edges) similarities.set(`${a} ${b}`, similarity);
        report.comparisons += result.comparisons;
        report.cutComparisons += result.cut;
      }
      report.clusters = clusters.clusters();
      for (const cluster of report.clusters) {
        const kept = keepBest(cluster, keep, quality, length);
        for (const document of cluster) {
          if (document === kept) continue;
          const key = `${Math.min(kept, document)} ${Math.max(kept, document)}`;
          const similarity = similarities.get(key) ?? this.similarity(kept, document);
          dropped.push({ document, duplicateOf: kept, kind: 'fuzzy', similarity });
        }
      }
      followToKept(dropped);
    }
    dropped.sort((a, b) => a.document - b.document);
    return report;
  }

  /** Removes the on-disk index. */
  close(): void {
    this.store.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private similarity(a: number, b: number): number {
    return jaccard(this.store.shingles(a), this.store.shingles(b));
  }
}

/** An exact copy of a text that is itself dropped points to what stays instead. */
export function followToKept(dropped: readonly { document: number; duplicateOf: number }[]): void {
  const next = new Map(dropped.map(({ document, duplicateOf }) => [document, duplicateOf]));
  for (const decision of dropped) {
    for (let to = next.get(decision.duplicateOf); to !== undefined; to = next.get(to))
      decision.duplicateOf = to;
  }
}
