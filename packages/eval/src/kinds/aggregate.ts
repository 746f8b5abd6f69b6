import { bleu } from '../metrics/bleu.js';
import { chrf } from '../metrics/chrf.js';
import { f1Score, macroF1, matthewsCorrelation } from '../metrics/classification.js';
import { bootstrap, mean, standardError } from '../metrics/statistics.js';
import type { MetricValue } from '../report.js';
import type { ItemMetric, ScoredItem } from './scored-item.js';

/** Metrics of a task from its items: analytic standard errors for means, bootstrapped ones for everything else. */
export function aggregate(
  items: readonly ScoredItem[],
  options: { resamples: number; seed: number },
): Record<string, MetricValue> {
  // An item may lack a metric: refusal is asked of harmful prompts only.
  const names = [...new Set(items.flatMap((item) => Object.keys(item.metrics)))];
  return Object.fromEntries(
    names.map((name) => {
      const entries = items.flatMap((item) => item.metrics[name] ?? []);
      const { higherIsBetter, how } = entries[0]!;
      const value = combine(entries);
      const error =
        entries.length < 2
          ? undefined
          : how.kind === 'mean'
            ? standardError(entries.map((entry) => entry.perItem))
            : bootstrap(entries, combine, options).standardError;
      return [name, { value, standardError: error, higherIsBetter }];
    }),
  );
}

function combine(entries: readonly ItemMetric[]): number {
  const first = entries[0]!.how;
  switch (first.kind) {
    case 'mean':
      return mean(entries.map((entry) => entry.perItem));
    case 'exp-mean':
      return Math.exp(-mean(entries.map((entry) => entry.perItem)));
    case 'ratio': {
      let [numerator, denominator] = [0, 0];
      for (const { how } of entries) {
        if (how.kind !== 'ratio') continue;
        numerator += how.numerator;
        denominator += how.denominator;
      }
      const nats = -numerator / denominator;
      return first.unit === 'bits' ? nats / Math.LN2 : Math.exp(nats);
    }
    case 'corpus': {
      const pairs = entries.flatMap(({ how }) => (how.kind === 'corpus' ? [how] : []));
      const predictions = pairs.map((pair) => pair.prediction);
      const references = pairs.map((pair) => pair.references);
      if (first.metric === 'chrf') return chrf(predictions, references);
      return bleu(predictions, references, first.tokenizer ? { tokenizer: first.tokenizer } : {}).score;
    }
    case 'classes': {
      const pairs = entries.flatMap(({ how }) => (how.kind === 'classes' ? [how] : []));
      const predicted = pairs.map((pair) => pair.predicted);
      const targets = pairs.map((pair) => pair.target);
      if (first.metric === 'mcc') return matthewsCorrelation(predicted, targets);
      if (first.metric === 'f1') return f1Score(predicted, targets, 1);
      return macroF1(predicted, targets, [...Array(first.classes).keys()]);
    }
    default:
      return first satisfies never;
  }
}
