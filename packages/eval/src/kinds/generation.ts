import { sentenceBleu } from '../metrics/bleu.js';
import { sentenceChrf } from '../metrics/chrf.js';
import { exactMatch, tokenF1 } from '../metrics/question-answering.js';
import { rouge } from '../metrics/rouge.js';
import { encodePair } from '../requests/encode-pair.js';
import { applyFilters, majority } from '../tasks/answer-filters.js';
import type { GenerationMetric, GenerationTask } from '../tasks/task.js';
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
  tools: ScoringTools,
): Promise<ScoredItem[]> {
  const prompts = contexts.map(({ doc, preamble }) => preamble + resolveText(task.prompt, doc, task.name));
  const votes = task.votes ?? 1;
  const completions = await tools.runner.generate(
    prompts.map((prompt) => ({
      prompt,
      stop: task.stop,
      maxTokens: task.maxTokens ?? 256,
      temperature: task.temperature ?? (votes > 1 ? 0.7 : 0),
      n: votes,
      seed: tools.seed,
    })),
  );
  const filters = Object.entries(task.filters ?? { none: [] });
  const answers = completions.map(({ texts }) =>
    filters.map(([name, steps]): [string, string] => [
      name,
      majority(texts.map((completion) => applyFilters(completion, steps))),
    ]),
  );
  // The judge reads the answer of the first filter.
  const verdicts = await judge(
    task,
    contexts,
    answers.map((named) => named[0]![1]),
    tools,
  );
  return contexts.map(({ doc }, index): ScoredItem => {
    const target = resolveField<string | readonly string[]>(task.target, doc, task.name);
    const targets = typeof target === 'string' ? [target] : target;
    const metrics: Record<string, ItemMetric> = {};
    const further = (scores: Readonly<Record<string, number>>, suffix: string) => {
      for (const [name, value] of Object.entries(scores))
        metrics[name + suffix] = meanMetric(value, !task.lowerIsBetter?.includes(name));
    };
    for (const [name, answer] of answers[index]!) {
      const suffix = filters.length === 1 && name === 'none' ? '' : `,${name}`;
      for (const metric of task.metrics)
        Object.assign(metrics, compare(metric, answer, targets, task, suffix));
      if (task.score) further(task.score(doc, answer), suffix);
    }
    const verdict = verdicts?.[index];
    if (verdict !== undefined) further(task.rubric!.score(doc, verdict), ',judge');
    return {
      prompt: prompts[index]!,
      target: targets.join(' | '),
      metrics,
      outputs: [
        ...completions[index]!.texts,
        Object.fromEntries(answers[index]!),
        ...(verdict === undefined ? [] : [{ judge: task.rubric!.choices[verdict] }]),
      ],
      truncated: completions[index]!.truncated,
    };
  });
}

/** Index of the choice that the judge finds most likely for each answer. */
async function judge(
  task: GenerationTask,
  contexts: readonly ItemContext[],
  answers: readonly string[],
  tools: ScoringTools,
): Promise<number[] | undefined> {
  const { rubric } = task;
  if (!rubric || !tools.judge) return undefined;
  const { model, runner } = tools.judge;
  const requests = await Promise.all(
    contexts.flatMap(({ doc }, index) => {
      const prompt = rubric.prompt(doc, answers[index]!);
      return rubric.choices.map((choice) => encodePair(model, prompt, ` ${choice}`));
    }),
  );
  const scores = await runner.score(requests);
  return contexts.map((_, index) => {
    const first = index * rubric.choices.length;
    const own = scores.slice(first, first + rubric.choices.length).map((score) => score.logLikelihood);
    return own.indexOf(Math.max(...own));
  });
}

function compare(
  metric: GenerationMetric,
  answer: string,
  targets: readonly string[],
  { normalise = [], bleuTokenizer: tokenizer }: GenerationTask,
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
      const cut = tokenizer ? { tokenizer } : {};
      const how = { kind: 'corpus', metric, prediction: answer, references: targets, ...cut } as const;
      const one =
        metric === 'bleu' ? sentenceBleu(answer, targets, cut).score : sentenceChrf(answer, targets);
      return { [`${metric}${suffix}`]: { perItem: one, how, higherIsBetter: true } };
    }
    default:
      return metric satisfies never;
  }
}
