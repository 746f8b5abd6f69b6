import type { ScoreRequest } from '@gpt-lineage/gpt-core';
import { splitAtSpaces } from '../python-text.js';
import { rollingWindows } from '../requests/encode-pair.js';
import type { RollingTask } from '../tasks/task.js';
import { resolveText } from '../tasks/template.js';
import type { ItemContext, ItemMetric, ScoredItem, ScoringTools } from './scored-item.js';

const utf8 = new TextEncoder();

/** Word and byte perplexity and bits per byte of whole documents. */
export async function scoreRolling(
  task: RollingTask,
  contexts: readonly ItemContext[],
  { model, runner }: ScoringTools,
): Promise<ScoredItem[]> {
  const requests: ScoreRequest[] = [];
  const items: { text: string; counted: string; first: number; windows: number }[] = [];
  for (const { doc } of contexts) {
    const text = resolveText(task.text, doc, task.name);
    const windows = rollingWindows(await model.encode(text), model.contextLength, model.prefixTokenId);
    const counted = task.normaliseBy ? resolveText(task.normaliseBy, doc, task.name) : text;
    items.push({ text, counted, first: requests.length, windows: windows.length });
    requests.push(...windows);
  }
  const scores = await runner.score(requests);
  return items.map(({ text, counted, first, windows }): ScoredItem => {
    const logLikelihood = scores
      .slice(first, first + windows)
      .reduce((sum, score) => sum + score.logLikelihood, 0);
    const per = (denominator: number, unit: 'exp' | 'bits'): ItemMetric => ({
      perItem: logLikelihood,
      how: { kind: 'ratio', numerator: logLikelihood, denominator, unit },
      higherIsBetter: false,
    });
    const bytes = utf8.encode(counted).length;
    return {
      prompt: text,
      target: '',
      metrics: {
        // White space at either end counts as a word more, as in lm-evaluation-harness.
        word_perplexity: per(splitAtSpaces(counted).length, 'exp'),
        byte_perplexity: per(Math.max(1, bytes), 'exp'),
        bits_per_byte: per(Math.max(1, bytes), 'bits'),
      },
      outputs: [{ logLikelihood, windows }],
      truncated: false,
    };
  });
}
