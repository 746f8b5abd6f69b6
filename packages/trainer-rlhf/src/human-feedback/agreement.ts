import { TrainerDataError } from '../errors.js';
import type { RankingRecord } from './records.js';

/**
 * Cohen's kappa of two raters who labelled the same items: agreement beyond what their label frequencies give by chance.
 * 1 = always, 0 = as by chance, negative = less. 1 when both use one and the same label throughout.
 *
 * @param weights `'none'` (default), or for numeric labels `'linear'` or `'quadratic'` distances
 * @throws {TrainerDataError} unequal or empty lists; weights with labels that are no numbers
 */
export function cohenKappa<Label extends string | number | boolean>(
  first: readonly Label[],
  second: readonly Label[],
  { weights = 'none' as 'none' | 'linear' | 'quadratic' } = {},
): number {
  if (first.length !== second.length || first.length === 0) {
    throw new TrainerDataError(
      'second',
      `${second.length} labels for ${first.length}`,
      'give one label per item of each rater, at least one',
    );
  }
  if (weights !== 'none' && [...first, ...second].some((label) => typeof label !== 'number')) {
    throw new TrainerDataError('weights', weights, 'weighted kappa needs numeric labels');
  }
  const labels = [...new Set([...first, ...second])].sort((a, b) => Number(a) - Number(b));
  // As scikit-learn: the distance of two labels is that of their places in order.
  const place = new Map(labels.map((label, index) => [label, index]));
  const distance = (a: Label, b: Label) => {
    if (weights === 'none') return Number(a !== b);
    const steps = Math.abs(place.get(a)! - place.get(b)!);
    return weights === 'linear' ? steps : steps * steps;
  };
  const n = first.length;
  const share = (list: readonly Label[]) =>
    new Map(labels.map((label) => [label, list.filter((other) => other === label).length / n]));
  const [left, right] = [share(first), share(second)];
  let [observed, expected] = [0, 0];
  first.forEach((label, index) => {
    observed += distance(label, second[index]!) / n;
  });
  for (const a of labels) for (const b of labels) expected += left.get(a)! * right.get(b)! * distance(a, b);
  return expected === 0 ? 1 : 1 - observed / expected;
}

/**
 * Fleiss' kappa of any number of raters: `counts[item][category]` = how many raters put the item there. Every item needs
 * the same number of ratings, at least two.
 *
 * @throws {TrainerDataError} otherwise
 */
export function fleissKappa(counts: readonly (readonly number[])[]): number {
  const raters = counts[0]?.reduce((sum, count) => sum + count, 0) ?? 0;
  if (raters < 2)
    throw new TrainerDataError('counts', `${raters} ratings per item`, 'give at least two per item');
  const categories = counts[0]!.length;
  const totals = new Array<number>(categories).fill(0);
  let observed = 0;
  counts.forEach((row, item) => {
    const sum = row.reduce((total, count) => total + count, 0);
    if (sum !== raters || row.length !== categories) {
      throw new TrainerDataError(
        `counts[${item}]`,
        row.join(' '),
        `give ${categories} counts that sum to ${raters}`,
      );
    }
    row.forEach((count, category) => {
      totals[category]! += count;
    });
    observed += (row.reduce((total, count) => total + count * count, 0) - raters) / (raters * (raters - 1));
  });
  observed /= counts.length;
  const all = counts.length * raters;
  const expected = totals.reduce((sum, total) => sum + (total / all) ** 2, 0);
  return expected === 1 ? 1 : (observed - expected) / (1 - expected);
}

export interface PairwiseAgreement {
  /** Share of the compared pairs that two labellers order alike, a tie beside an order being half of one. */
  readonly agreement: number;
  /** Standard error of that share over prompts, which are independent; pairs of one prompt are not. */
  readonly standardError: number;
  readonly pairs: number;
  /** Prompts that at least two labellers ranked. */
  readonly prompts: number;
  /** The same against each labeller. */
  readonly byLabeler: Readonly<Record<string, { readonly agreement: number; readonly pairs: number }>>;
}

/**
 * How often labellers agree on which of two completions is better (InstructGPT §3.4: 72.6 ± 1.5 % among its training
 * labellers). Rankings are matched by prompt and completions; those of one labeller are not compared with each other.
 */
export function pairwiseAgreement(rankings: readonly RankingRecord[]): PairwiseAgreement {
  const groups = new Map<string, RankingRecord[]>();
  for (const ranking of rankings) {
    const key = JSON.stringify([ranking.prompt, [...ranking.completions].sort()]);
    groups.set(key, [...(groups.get(key) ?? []), ranking]);
  }
  const byLabeler = new Map<string, { sum: number; pairs: number }>();
  const perPrompt: { sum: number; pairs: number }[] = [];
  for (const group of groups.values()) {
    const own = { sum: 0, pairs: 0 };
    group.forEach((a, i) => {
      for (const b of group.slice(i + 1)) {
        if (a.labeler !== undefined && a.labeler === b.labeler) continue;
        for (const score of agreements(a, b)) {
          own.sum += score;
          own.pairs += 1;
          for (const labeler of [a.labeler, b.labeler]) {
            if (labeler === undefined) continue;
            const entry = byLabeler.get(labeler) ?? { sum: 0, pairs: 0 };
            byLabeler.set(labeler, { sum: entry.sum + score, pairs: entry.pairs + 1 });
          }
        }
      }
    });
    if (own.pairs > 0) perPrompt.push(own);
  }
  const pairs = perPrompt.reduce((sum, entry) => sum + entry.pairs, 0);
  const agreement = perPrompt.reduce((sum, entry) => sum + entry.sum, 0) / Math.max(1, pairs);
  const n = perPrompt.length;
  // Ratio estimator: pairs of one prompt are one cluster.
  const squares = perPrompt.reduce((sum, entry) => sum + (entry.sum - agreement * entry.pairs) ** 2, 0);
  return {
    agreement,
    standardError: n < 2 ? 0 : Math.sqrt((n / (n - 1)) * squares) / pairs,
    pairs,
    prompts: n,
    byLabeler: Object.fromEntries(
      [...byLabeler].map(([labeler, entry]) => [
        labeler,
        { agreement: entry.sum / entry.pairs, pairs: entry.pairs },
      ]),
    ),
  };
}

/** 1, ½ or 0 for each pair of completions. */
function agreements(a: RankingRecord, b: RankingRecord): number[] {
  const places = b.completions.map((completion, index) => ({ completion, rank: b.ranks[index]! }));
  // Equal completions are matched one to one.
  const other = a.completions.map((completion) => {
    const at = places.findIndex((place) => place.completion === completion);
    return places.splice(at, 1)[0]!.rank;
  });
  const scores: number[] = [];
  for (let i = 0; i < other.length; i++) {
    for (let j = i + 1; j < other.length; j++) {
      const [one, two] = [Math.sign(a.ranks[i]! - a.ranks[j]!), Math.sign(other[i]! - other[j]!)];
      scores.push(one === two ? 1 : one === 0 || two === 0 ? 0.5 : 0);
    }
  }
  return scores;
}
