import type { ScoreRequest } from '@gpt-lineage/gpt-core';
import {
  type ChoiceNormalisation,
  choiceScore,
  pickChoice,
  type ScoredChoice,
} from '../metrics/multiple-choice.js';
import { softmax } from '../metrics/softmax.js';
import { encodePair } from '../requests/encode-pair.js';
import { choiceContinuation, choicesOf, targetIndex } from '../tasks/prompt.js';
import type { MultipleChoiceTask } from '../tasks/task.js';
import { resolveText } from '../tasks/template.js';
import {
  type ItemContext,
  type ItemMetric,
  meanMetric,
  type ScoredItem,
  type ScoringTools,
} from './scored-item.js';

/** What the reports call each normalisation. */
const METRIC_NAMES: Record<ChoiceNormalisation, string> = {
  sum: 'acc',
  character: 'acc_norm',
  byte: 'acc_bytes',
  token: 'acc_token',
  unconditional: 'acc_mutual_info',
};

interface Prepared {
  readonly context: ItemContext;
  readonly prompt: string;
  readonly choices: readonly string[];
  readonly target: number;
  /** Where this item's requests start; unconditional ones follow the conditional ones. */
  readonly first: number;
}

/** Picks the choice with the largest (normalised) log-likelihood. */
export async function scoreMultipleChoice(
  task: MultipleChoiceTask,
  contexts: readonly ItemContext[],
  { model, runner }: ScoringTools,
): Promise<ScoredItem[]> {
  const normalisations = task.normalisations ?? ['sum', 'character'];
  const unconditional = normalisations.includes('unconditional');
  const requests: ScoreRequest[] = [];
  const items: Prepared[] = [];
  for (const context of contexts) {
    const { doc, preamble } = context;
    const choices = choicesOf(task, doc);
    const first = requests.length;
    const prompt = task.ending ? preamble : preamble + resolveText(task.prompt, doc, task.name);
    for (const choice of choices) {
      const before = task.ending
        ? preamble + resolveText(task.prompt, { ...doc, choice }, task.name)
        : prompt;
      const scored = task.ending
        ? resolveText(task.ending, doc, task.name)
        : choiceContinuation(task, choice);
      requests.push(await encodePair(model, before, scored));
    }
    if (unconditional) {
      for (const choice of choices)
        requests.push(await encodePair(model, '', choiceContinuation(task, choice)));
    }
    items.push({ context, prompt, choices, target: targetIndex(task, doc), first });
  }
  const scores = await runner.score(requests);
  return items.map(({ context, prompt, choices, target, first }): ScoredItem => {
    const scored = choices.map((text, index): ScoredChoice => {
      const plain = scores[first + choices.length + index];
      return {
        text,
        logLikelihood: scores[first + index]!.logLikelihood,
        tokens: requests[first + index]!.completionTokenIds.length,
        ...(unconditional && plain ? { unconditionalLogLikelihood: plain.logLikelihood } : {}),
      };
    });
    const metrics: Record<string, ItemMetric> = {};
    for (const normalisation of normalisations) {
      metrics[METRIC_NAMES[normalisation]] = meanMetric(pickChoice(scored, normalisation) === target);
    }
    if (task.anyChoice) {
      const written = choices.some((_, index) => scores[first + index]!.isGreedy);
      metrics.exact_match = meanMetric(written);
    }
    const predicted = pickChoice(scored, normalisations[0]);
    for (const metric of task.classMetrics ?? []) {
      metrics[metric] = {
        perItem: Number.NaN,
        how: { kind: 'classes', metric, predicted, target, classes: choices.length },
        higherIsBetter: true,
      };
    }
    const probabilities = softmax(scored.map(({ logLikelihood }) => logLikelihood));
    if (task.trueChoices) {
      // TruthfulQA's second score: the probability that all true answers have together.
      const right = task.trueChoices(context.doc);
      metrics.mc2 = meanMetric(right.reduce((sum, index) => sum + (probabilities[index] ?? 0), 0));
    }
    return {
      prompt,
      target: choices[target]!,
      metrics,
      ...(task.anyChoice ? {} : { probabilities: { values: probabilities, target } }),
      outputs: scored.map((choice) => ({
        ...choice,
        score: choiceScore(choice, normalisations[0] ?? 'sum'),
      })),
      truncated: requests
        .slice(first, first + choices.length)
        .some(
          (request) =>
            request.promptTokenIds.length + request.completionTokenIds.length > model.contextLength + 1,
        ),
    };
  });
}
