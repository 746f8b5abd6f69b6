import { ConfigError } from '../errors.js';
import { hash32, permute } from '../random.js';
import { nextSource } from './schedule.js';

/** A source by the lengths of its documents. */
export interface PlannedSource {
  name: string;
  /** Share of the mixture; undefined: by size. */
  weight: number | undefined;
  maxEpochs: number | undefined;
  /** Tokens of each document. */
  lengths: ArrayLike<number>;
}

/** A stretch of one document. */
export interface PlannedPiece {
  source: number;
  document: number;
  start: number;
  length: number;
  /** False for the first piece of a document. */
  continues: boolean;
}

export interface PlanOptions {
  seed: number;
  /** Tokens to draw. Default: as many as the sources hold. */
  tokens?: number | undefined;
  temperature?: number | undefined;
  /** Longest piece; null: documents stay whole. */
  pieceTokens: number | null;
}

/** What was asked of a source, and what the plan draws from it. */
export interface SourceQuota {
  name: string;
  /** Weights divided by their sum. */
  weight: number;
  available: number;
  /** Tokens drawn: the plan draws exactly these. */
  tokens: number;
  epochs: number;
}

/**
 * Tokens per source: the weights' shares of the total, exactly (largest remainders), with `maxEpochs` respected and
 * what it cuts off shared among the others.
 */
export function planQuotas(
  sources: readonly PlannedSource[],
  options: Omit<PlanOptions, 'pieceTokens'>,
): SourceQuota[] {
  const available = sources.map(({ lengths }) => sum(lengths));
  const given = sources.filter(({ weight }) => weight !== undefined).length;
  if (given !== 0 && given !== sources.length) {
    throw new ConfigError('sources', 'give every source a weight, or none (then size decides)');
  }
  const temperature = options.temperature ?? 1;
  const weights = sources.map(
    ({ weight }, i) => (weight ?? available[i]! ** (1 / temperature)) * (available[i]! > 0 ? 1 : 0),
  );
  const totalWeight = sum(weights);
  const total = options.tokens ?? sum(available);
  if (totalWeight === 0) {
    if (total === 0)
      return sources.map(({ name }) => ({ name, weight: 0, available: 0, tokens: 0, epochs: 0 }));
    throw new ConfigError('sources', 'no source with a weight above 0 has tokens left after filtering');
  }
  const caps = sources.map(({ maxEpochs }, i) =>
    Math.floor((maxEpochs ?? Number.POSITIVE_INFINITY) * available[i]!),
  );
  const capped = new Set<number>();
  let shares: number[] = [];
  for (;;) {
    const fixed = sum([...capped].map((i) => caps[i]!));
    const rest = sum(weights.filter((_, i) => !capped.has(i)));
    shares = weights.map((weight, i) =>
      capped.has(i) ? caps[i]! : rest === 0 ? 0 : ((total - fixed) * weight) / rest,
    );
    const over = shares.findIndex((share, i) => !capped.has(i) && share > caps[i]!);
    if (over < 0) break;
    for (const [i, share] of shares.entries()) if (!capped.has(i) && share > caps[i]!) capped.add(i);
  }
  const tokens = roundToSum(shares);
  return sources.map(({ name }, i) => ({
    name,
    weight: weights[i]! / totalWeight,
    available: available[i]!,
    tokens: tokens[i]!,
    epochs: available[i] === 0 ? 0 : tokens[i]! / available[i]!,
  }));
}

/**
 * The order of a whole training mixture. Every source is read in a fresh shuffle per epoch, its documents cut into
 * pieces that stay in order; sources take turns so that the proportions hold all along, and each ends on its quota to
 * the token.
 */
export function* planMixture(
  sources: readonly PlannedSource[],
  quotas: readonly SourceQuota[],
  { seed, pieceTokens }: Pick<PlanOptions, 'seed' | 'pieceTokens'>,
): Generator<PlannedPiece> {
  const weights = quotas.map(({ tokens }) => tokens);
  const drawn = quotas.map(() => 0);
  const cursors = sources.map(({ lengths, name }, source) => {
    let epoch = 0;
    let position = -1;
    let document = 0;
    let start = 0;
    const advance = () => {
      do {
        position++;
        if (position === lengths.length) {
          position = 0;
          epoch++;
        }
        document = permute(position, lengths.length, hash32(seed, 'documents', name, epoch));
      } while (lengths[document] === 0);
      start = 0;
    };
    if (quotas[source]!.tokens > 0) advance();
    return {
      next(): PlannedPiece {
        const rest = lengths[document]! - start;
        const length = Math.min(rest, pieceTokens ?? rest, quotas[source]!.tokens - drawn[source]!);
        return { source, document, start, length, continues: start > 0 };
      },
      take(length: number): void {
        start += length;
        if (start === lengths[document]) advance();
      },
    };
  });
  for (;;) {
    const source = nextSource(weights, drawn, (i) =>
      drawn[i]! < weights[i]! ? cursors[i]!.next().length : null,
    );
    if (source < 0) return;
    const piece = cursors[source]!.next();
    yield piece;
    drawn[source]! += piece.length;
    cursors[source]!.take(piece.length);
  }
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

/** Whole numbers with the same sum (rounded), by largest remainders. */
function roundToSum(values: readonly number[]): number[] {
  const floors = values.map(Math.floor);
  const missing = Math.round(sum(values)) - sum(floors);
  const order = values
    .map((value, i) => ({ i, remainder: value - floors[i]! }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  for (const { i } of order.slice(0, missing)) floors[i]!++;
  return floors;
}
