import type { LanguageModel, ScoreRequest } from '@gpt-lineage/gpt-core';
import { stripEnd } from '../python-text.js';

/**
 * Token ids of a context and its continuation. Trailing white space of the context moves to the continuation, both are
 * encoded as one text and then cut where the context's own encoding ends, as lm-evaluation-harness does: the tokens
 * are those of natural text even where they would merge across the border.
 */
export async function encodePair(
  model: LanguageModel,
  context: string,
  continuation: string,
): Promise<ScoreRequest> {
  const head = stripEnd(context);
  const tail = context.slice(head.length) + continuation;
  if (head === '') return { promptTokenIds: [], completionTokenIds: await model.encode(tail) };
  const whole = await model.encode(head + tail);
  const prompt = await model.encode(head);
  return { promptTokenIds: prompt, completionTokenIds: whole.slice(prompt.length) };
}

/**
 * A text longer than the context as windows that together predict every token exactly once, each with as much left
 * context as fits (context length 1 between windows, as lm-evaluation-harness does). The first window starts from the
 * prefix token.
 */
export function rollingWindows(
  tokenIds: readonly number[],
  contextLength: number,
  prefixTokenId: number,
): ScoreRequest[] {
  const windows: ScoreRequest[] = [];
  if (tokenIds.length === 0) return windows;
  const first = Math.min(contextLength, tokenIds.length);
  windows.push({ promptTokenIds: [prefixTokenId], completionTokenIds: tokenIds.slice(0, first) });
  let predicted = first;
  while (predicted < tokenIds.length) {
    const end = Math.min(predicted + contextLength, tokenIds.length);
    const start = Math.max(0, end - contextLength - 1);
    windows.push({
      promptTokenIds: tokenIds.slice(start, predicted),
      completionTokenIds: tokenIds.slice(predicted, end),
    });
    predicted = end;
  }
  return windows;
}
