import type { ScoreRequest } from '@gpt-lineage/gpt-core';
import { encodePair } from '../requests/encode-pair.js';
import type { LogLikelihoodTask } from '../tasks/task.js';
import { resolveText } from '../tasks/template.js';
import { type ItemContext, meanMetric, type ScoredItem, type ScoringTools } from './scored-item.js';

/** Accuracy and perplexity of one continuation, counted per item (not per token), as LAMBADA does. */
export async function scoreLogLikelihood(
  task: LogLikelihoodTask,
  contexts: readonly ItemContext[],
  { model, runner }: ScoringTools,
): Promise<ScoredItem[]> {
  const items = contexts.map(({ doc, preamble }) => ({
    prompt: preamble + resolveText(task.prompt, doc, task.name),
    target: resolveText(task.target, doc, task.name),
  }));
  const requests: ScoreRequest[] = [];
  for (const { prompt, target } of items) requests.push(await encodePair(model, prompt, target));
  const scores = await runner.score(requests);
  return items.map(({ prompt, target }, index): ScoredItem => {
    const { logLikelihood, isGreedy } = scores[index]!;
    const { promptTokenIds, completionTokenIds } = requests[index]!;
    return {
      prompt,
      target,
      metrics: {
        acc: meanMetric(isGreedy),
        perplexity: { perItem: logLikelihood, how: { kind: 'exp-mean' }, higherIsBetter: false },
      },
      outputs: [{ logLikelihood, isGreedy }],
      truncated: promptTokenIds.length + completionTokenIds.length > model.contextLength + 1,
    };
  });
}
