import { buckets } from './bands.js';
import { jaccard } from './shingles.js';
import type { UnionFind } from './union-find.js';

/** A verified pair, `a` < `b`. */
export interface Edge {
  a: number;
  b: number;
  similarity: number;
}

export interface VerifyOptions {
  threshold: number;
  /**
   * In one bucket, a document is compared with at most so many not (yet) connected to it. Bounds the work on huge
   * buckets of unlike documents; cut comparisons are counted, never silent.
   */
  maxComparisons: number;
}

/** Members of one cluster that later documents of a bucket are compared with. */
const maxRepresentatives = 8;

/**
 * Verified near-duplicates among the documents that share a band: for each bucket, each document is compared with
 * earlier ones of other clusters on their exact shingle sets, and joined in `clusters` when similar enough. Pairs
 * that `clusters` holds together already are skipped and a cluster is represented by its first few members, so a
 * bucket of n copies costs about n comparisons.
 *
 * @returns the edges that joined clusters, and how many comparisons `maxComparisons` cut
 */
export function verifyBand(
  keys: Uint32Array,
  members: Uint32Array,
  shinglesOf: (document: number) => Uint32Array,
  clusters: UnionFind,
  { threshold, maxComparisons }: VerifyOptions,
): { edges: Edge[]; comparisons: number; cut: number } {
  const edges: Edge[] = [];
  let comparisons = 0;
  let cut = 0;
  for (const bucket of buckets(keys, members)) {
    const seen: number[] = [];
    const representatives = new Map<number, number>();
    for (const document of bucket) {
      const shingles = shinglesOf(document);
      let compared = 0;
      for (let i = seen.length - 1; i >= 0; i--) {
        const other = seen[i]!;
        if (clusters.find(other) === clusters.find(document)) continue;
        if (compared === maxComparisons) {
          cut += i + 1;
          break;
        }
        const others = shinglesOf(other);
        // |A ∩ B| ≤ min, |A ∪ B| ≥ max: sizes alone rule most of the false candidates out.
        const bound = Math.min(others.length, shingles.length) / Math.max(others.length, shingles.length);
        if (bound < threshold) continue;
        compared++;
        comparisons++;
        const similarity = jaccard(others, shingles);
        if (similarity < threshold) continue;
        clusters.union(other, document);
        edges.push({ a: Math.min(other, document), b: Math.max(other, document), similarity });
      }
      const root = clusters.find(document);
      const known = representatives.get(root) ?? 0;
      if (known === maxRepresentatives) continue;
      representatives.set(root, known + 1);
      seen.push(document);
    }
  }
  return { edges, comparisons, cut };
}
