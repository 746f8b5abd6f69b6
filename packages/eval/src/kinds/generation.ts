import { exactMatch, tokenF1 } from '../metrics/question-answering.js';
import { rouge } from '../metrics/rouge.js';
import { applyFilters, majority } from '../tasks/answer-filters.js';
import type { AnswerFilter, GenerationMetric, GenerationTask } from '../tasks/task.js';
import { resolveField, resolveText } from '../tasks/template.js';
import {
  type ItemContext,
  type ItemMetric,
  meanMetric,
  type ScoredItem,
  type ScoringTools,
} from './scored-item.js';

/** Lets the model write, reads the answer through each named filter, and compares. */
export async function scoreGeneration(
  task: GenerationTask,
  contexts: readonly ItemContext[],
  { runner, seed }: ScoringTools,
): Promise<ScoredItem[]> {
  const prompts = contexts.map(({ doc, preamble }) => preamble + resolveText(task.prompt, doc, task.name));
  const votes = task.votes ?? 1;
  const completions = await runner.generate(
    prompts.map((prompt) => ({
      prompt,
      stop: task.stop,
      maxTokens: task.maxTokens ?? 256,
      temperature: task.temperature ?? (votes > 1 ? 0.7 : 0),
      n: votes,
      seed,
    })),
  );
  const filters = Object.entries(task.filters ?? { none: [] });
  return contexts.map(({ doc }, index): ScoredItem => {
    const target = resolveField<string | readonly string[]>(task.target, doc, task.name);
    const targets = typeof target === 'string' ? [target] : target;
    const answers = filters.map(([name, steps]): [string, string] => [
      name,
      majority(completions[index]!.map((completion) => applyFilters(completion, steps))),
    ]);
    const metrics: Record<string, ItemMetric> = {};
    for (const [name, answer] of answers) {
      const suffix = filters.length === 1 && name === 'none' ? '' : `,${name}`;
      for (const metric of task.metrics)
        Object.assign(metrics, compare(metric, answer, targets, task.normalise, suffix));
    }
    return {
      prompt: prompts[index]!,
      target: targets.join(' | '),
      metrics,
      outputs: [...completions[index]!, Object.fromEntries(answers)],
      truncated: false,
    };
  });
}

function compare(
  metric: GenerationMetric,
  answer: string,
  targets: readonly string[],
  normalise: readonly AnswerFilter[] = [],
  suffix: string,
): Record<string, ItemMetric> {
  switch (metric) {
    case 'exact_match': {
      const normalised = applyFilters(answer, normalise);
      const right = targets.some((target) => applyFilters(target, normalise) === normalised);
      return { [`exact_match${suffix}`]: meanMetric(right) };
    }
    case 'squad_exact_match':
      return { [`squad_exact_match${suffix}`]: meanMetric(exactMatch(answer, targets)) };
    case 'f1':
      return { [`f1${suffix}`]: meanMetric(tokenF1(answer, targets)) };
    case 'rouge': {
      const scores = rouge(answer, targets[0] ?? '');
      return Object.fromEntries(
        Object.entries(scores).map(([name, score]) => [`${name}${suffix}`, meanMetric(score.fmeasure)]),
      );
    }
    case 'bleu':
    case 'chrf': {
      const how = { kind: 'corpus', metric, prediction: answer, references: targets } as const;
      return { [`${metric}${suffix}`]: { perItem: Number.NaN, how, higherIsBetter: true } };
    }
    default:
      return metric satisfies never;
  }
}
