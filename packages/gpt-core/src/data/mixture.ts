import { DataError } from './errors.js';
import { uniform } from './random.js';
import type { Json, SourceEpochs, TokenBatch, TokenSource } from './token-batch.js';

export interface MixturePart {
  readonly source: TokenSource;
  /** Share of the rows drawn from this source; the weights are divided by their sum. */
  readonly weight: number;
}

/**
 * GPT-3's training mixture: share of training tokens per source (Language Models are Few-Shot Learners,
 * table 2.2). The printed shares sum to 1.01 by rounding.
 */
export const gpt3MixtureWeights = {
  commonCrawl: 0.6,
  webText2: 0.22,
  books1: 0.08,
  books2: 0.08,
  wikipedia: 0.03,
} as const;

/**
 * Rows from several sources in given shares, regardless of the sources' sizes: a small source with a large
 * weight is repeated, and `epochs()` says how often.
 *
 * @throws {DataError} when no part is given, a weight is not positive, or the parts do not fit together
 */
export function mixtureSource(parts: readonly MixturePart[], options: { seed?: number; name?: string } = {}): TokenSource {
  const { seed = 0, name = 'mixture' } = options;
  const first = parts[0]?.source;
  if (!first) throw new DataError('A mixture needs at least one part.');
  for (const { source, weight } of parts) {
    if (!(weight > 0 && Number.isFinite(weight)))
      throw new DataError(`The weight of "${source.name}" is ${weight}: give a positive number.`, { where: source.name });
    if (source.contextLength !== first.contextLength)
      throw new DataError(
        `"${source.name}" has a context of ${source.contextLength} tokens, "${first.name}" one of ${first.contextLength}: build all parts with the same contextLength.`,
        { where: source.name },
      );
    if (source.tokenizerFingerprint !== first.tokenizerFingerprint)
      throw new DataError(
        `"${source.name}" and "${first.name}" were encoded by different tokenizers: encode all parts with one.`,
        { where: source.name },
      );
  }
  if (new Set(parts.map((part) => part.source.name)).size !== parts.length)
    throw new DataError('Two parts of the mixture have the same name: give each source its own name.');
  const total = parts.reduce((sum, part) => sum + part.weight, 0);
  let drawn = 0;
  const pick = (draw: number): number => {
    let left = uniform(seed, draw, 23) * total;
    for (let i = 0; i < parts.length - 1; i++) {
      left -= parts[i]!.weight;
      if (left < 0) return i;
    }
    return parts.length - 1;
  };
  return {
    name,
    contextLength: first.contextLength,
    ...mixedBytesPerToken(parts, total),
    ...(first.tokenizerFingerprint !== undefined && { tokenizerFingerprint: first.tokenizerFingerprint }),
    ...(first.vocabSize !== undefined && { vocabSize: first.vocabSize }),
    async next(batchSize) {
      const chosen = Array.from({ length: batchSize }, (_, row) => pick(drawn + row));
      drawn += batchSize;
      const batches: (TokenBatch | undefined)[] = [];
      for (let i = 0; i < parts.length; i++) {
        const rows = chosen.filter((part) => part === i).length;
        batches.push(rows > 0 ? await parts[i]!.source.next(rows) : undefined);
      }
      return interleave(batches, chosen, first.contextLength);
    },
    get position(): Json {
      return { drawn, parts: Object.fromEntries(parts.map(({ source }) => [source.name, source.position])) };
    },
    seek(position) {
      const saved = position as { drawn?: number; parts?: Record<string, Json> } | null;
      for (const { source } of parts) {
        const part = saved?.parts?.[source.name];
        if (part === undefined || typeof saved?.drawn !== 'number')
          throw new DataError(
            `The checkpoint holds no position of the source "${source.name}": resume with the sources the run was started with.`,
            { where: source.name },
          );
        source.seek(part);
      }
      drawn = saved?.drawn ?? 0;
    },
    epochs(): readonly SourceEpochs[] {
      return parts.flatMap(({ source }) => source.epochs());
    },
  };
}

function mixedBytesPerToken(parts: readonly MixturePart[], total: number): { bytesPerToken?: number } {
  let bytes = 0;
  for (const { source, weight } of parts) {
    if (source.bytesPerToken === undefined) return {};
    bytes += (source.bytesPerToken * weight) / total;
  }
  return { bytesPerToken: bytes };
}

/** Puts the rows of several batches in the order in which their sources were chosen. */
function interleave(
  batches: readonly (TokenBatch | undefined)[],
  chosen: readonly number[],
  length: number,
): TokenBatch {
  const size = chosen.length * length;
  const segmented = batches.some((batch) => batch?.segmentIds);
  const tokenIds = new Int32Array(size);
  const labels = new Int32Array(size);
  const segmentIds = segmented ? new Int32Array(size) : undefined;
  const taken = batches.map(() => 0);
  chosen.forEach((part, row) => {
    const batch = batches[part]!;
    const from = taken[part]!++ * length;
    tokenIds.set(batch.tokenIds.subarray(from, from + length), row * length);
    labels.set(batch.labels.subarray(from, from + length), row * length);
    if (segmentIds && batch.segmentIds)
      segmentIds.set(batch.segmentIds.subarray(from, from + length), row * length);
  });
  return { batchSize: chosen.length, length, tokenIds, labels, ...(segmentIds && { segmentIds }) };
}
