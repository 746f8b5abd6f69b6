import { mkdirSync } from 'node:fs';
import type { Document } from '../document.js';
import { ConfigError } from '../errors.js';
import { WorkerPool } from '../worker-pool.js';
import type { Banding } from './bands.js';
import { DeduplicationIndex, type FuzzyOptions, fuzzyParameters } from './deduplication-index.js';
import type { KeepPolicy } from './keep-best.js';
import { type PartOptions, type PartUnit, partsOf, removeParts } from './repeated-parts.js';
import { type FeatureParameters, featureExtractor, type TextFeatures } from './text-features.js';

/** A text, or an object that has one. */
export type Deduplicable = string | { id?: string; text: string; quality?: number };

export interface DeduplicateOptions extends FuzzyOptions {
  /** Find near-duplicates (MinHash LSH, verified). Default true; false: exact copies only. */
  fuzzy?: boolean;
  /**
   * Also remove paragraphs or lines that occurred in an earlier document (or earlier in the same one), in documents
   * that stay. Default: none.
   */
  parts?: PartUnit | PartOptions;
  /** Which of a set of duplicates stays. Default `best`: highest `quality`, then longest, then first. */
  keep?: KeepPolicy;
  /** Folder for an on-disk index: memory then holds the documents given, not their features. Default: in memory. */
  indexDirectory?: string;
  /** Threads that compute signatures. Default 0: this one. */
  workers?: number;
  /** Of the MinHash orders. Default 0. */
  seed?: number;
  signal?: AbortSignal;
}

/** One document that was dropped. */
export interface DroppedDuplicate {
  /** `id` of the document, or its position for documents without. */
  id: string;
  /** Position in the input. */
  index: number;
  duplicateOf: { id: string; index: number };
  kind: 'exact' | 'fuzzy';
  /** Jaccard similarity to the kept document. */
  similarity: number;
}

export interface DeduplicationResult<T> {
  /** What stays, in input order. With `parts`, their text may be shorter than it was. */
  kept: T[];
  dropped: DroppedDuplicate[];
  /** Near-duplicate sets as positions in the input. */
  clusters: number[][];
  /** Paragraphs or lines removed, the characters in them, and documents that were left empty by that (not kept). */
  removedParts: { count: number; characters: number; emptied: number };
  parameters: { threshold: number; permutations: number; ngram: number; banding: Banding } | null;
  comparisons: number;
  /** Above 0: some comparisons in huge buckets were left out, see `maxComparisons`. */
  cutComparisons: number;
}

const batchSize = 256;

/**
 * Removes exact and near-duplicate documents. Near-duplicates are found by MinHash LSH over word 5-grams (Broder
 * 1997; Lee et al. 2022, "Deduplicating Training Data Makes Language Models Better"), verified by exact Jaccard
 * similarity, and clustered by union-find; one document of each cluster stays.
 *
 * @param documents strings or `{ id?, text, quality? }`
 * @throws {ConfigError} for an option that cannot work
 */
export async function deduplicate<T extends Deduplicable = Document>(
  documents: Iterable<T> | AsyncIterable<T>,
  options: DeduplicateOptions = {},
): Promise<DeduplicationResult<T>> {
  const { fuzzy = true, keep = 'best', seed = 0, workers = 0, signal, indexDirectory } = options;
  if (!['best', 'longest', 'first'].includes(keep)) {
    throw new ConfigError('keep', `must be 'best', 'longest' or 'first', received '${keep}'`);
  }
  const parameters = fuzzy ? fuzzyParameters(options, seed) : null;
  if (indexDirectory !== undefined) mkdirSync(indexDirectory, { recursive: true });
  using index = new DeduplicationIndex({ fuzzy: parameters, keep, indexDirectory });
  const all: T[] = [];
  const add = (batch: readonly T[], features: readonly TextFeatures[]) => {
    for (const [i, document] of batch.entries()) {
      const quality = typeof document === 'string' ? 0 : (document.quality ?? 0);
      index.add(features[i]!, textOf(document).length, quality);
      all.push(document);
    }
  };
  await extractFeatures(documents, parameters, workers, add, signal);
  const report = index.finish();
  const gone = new Set(report.dropped.map(({ document }) => document));
  const idOf = (position: number) => {
    const document = all[position]!;
    return typeof document === 'string' ? String(position) : (document.id ?? String(position));
  };
  let kept = all.filter((_, position) => !gone.has(position));
  const removedParts = { count: 0, characters: 0, emptied: 0 };
  if (options.parts) {
    const part: PartOptions = typeof options.parts === 'string' ? { unit: options.parts } : options.parts;
    kept = removeRepeatedParts(kept, part, removedParts);
  }
  return {
    kept,
    dropped: report.dropped.map(({ document, duplicateOf, kind, similarity }) => ({
      id: idOf(document),
      index: document,
      duplicateOf: { id: idOf(duplicateOf), index: duplicateOf },
      kind,
      similarity,
    })),
    clusters: report.clusters,
    removedParts,
    parameters: parameters && {
      threshold: parameters.threshold,
      permutations: parameters.permutations,
      ngram: parameters.ngram,
      banding: parameters.banding,
    },
    comparisons: report.comparisons,
    cutComparisons: report.cutComparisons,
  };
}

const textOf = (document: Deduplicable): string => (typeof document === 'string' ? document : document.text);

/**
 * Features of a stream of documents, in its order, with at most two batches per worker in flight.
 */
export async function extractFeatures<T extends Deduplicable>(
  documents: Iterable<T> | AsyncIterable<T>,
  parameters: FeatureParameters | null,
  workers: number,
  add: (batch: readonly T[], features: readonly TextFeatures[]) => void,
  signal?: AbortSignal,
): Promise<void> {
  const pool = workers > 0 ? new WorkerPool(workers) : undefined;
  const extract = featureExtractor(parameters);
  const inFlight: { batch: T[]; features: Promise<TextFeatures[]> }[] = [];
  const take = async () => {
    const { batch, features } = inFlight.shift()!;
    add(batch, await features);
  };
  const submit = async (batch: T[]) => {
    signal?.throwIfAborted();
    if (!pool)
      return add(
        batch,
        batch.map((document) => extract(textOf(document))),
      );
    const features = pool.run<TextFeatures[]>({ kind: 'features', texts: batch.map(textOf), parameters });
    features.catch(() => {}); // Seen when its turn comes.
    inFlight.push({ batch, features });
    if (inFlight.length >= 2 * workers) await take();
  };
  try {
    let batch: T[] = [];
    for await (const document of documents) {
      batch.push(document);
      if (batch.length === batchSize) {
        await submit(batch);
        batch = [];
      }
    }
    if (batch.length > 0) await submit(batch);
    while (inFlight.length > 0) await take();
  } finally {
    await pool?.close();
  }
}

function removeRepeatedParts<T extends Deduplicable>(
  documents: readonly T[],
  options: PartOptions,
  removed: { count: number; characters: number; emptied: number },
): T[] {
  const seen = new Set<number>();
  return documents.flatMap((document) => {
    const text = textOf(document);
    const repeated = new Set<number>();
    for (const { index, hash } of partsOf(text, options)) {
      if (seen.has(hash)) repeated.add(index);
      else seen.add(hash);
    }
    if (repeated.size === 0) return [document];
    const rest = removeParts(text, options.unit, repeated);
    removed.count += repeated.size;
    removed.characters += text.length - rest.length;
    if (rest.trim() === '') {
      removed.emptied++;
      return [];
    }
    return [(typeof document === 'string' ? rest : { ...(document as object), text: rest }) as T];
  });
}
