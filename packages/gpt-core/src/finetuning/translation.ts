import { DataError } from '../data/errors.js';
import type { TrainingExample } from '../data/packing.js';
import { completionExample, type MaskTokenizer } from './loss-masks.js';

/** A sentence in several languages, by language name. */
export type ParallelSentence = Readonly<Record<string, string>>;

/**
 * The prompt of GPT-2's translation experiment (Language Models are Unsupervised Multitask Learners, section 3.7):
 * pairs `source = target` for context, then `source =`.
 */
export function translationPrompt(
  source: string,
  context: readonly (readonly [source: string, target: string])[] = [],
): string {
  return [...context.map(([from, to]) => `${from} = ${to}\n`), `${source} =`].join('');
}

/**
 * Training examples from a parallel corpus, `Translate to French: … →`, with the loss on the translation alone.
 *
 * @throws {DataError} naming the sentence that lacks a language
 */
export function translationExamples(
  tokenizer: MaskTokenizer,
  sentences: readonly ParallelSentence[],
  direction: { readonly from: string; readonly to: string },
): TrainingExample[] {
  const { from, to } = direction;
  return sentences.map((sentence, index) => {
    const [source, target] = [sentence[from], sentence[to]];
    if (!source || !target)
      throw new DataError(`Sentence ${index} has no ${source ? to : from}: give both languages.`, {
        where: `sentence ${index}`,
      });
    return completionExample(tokenizer, `Translate to ${to}: ${source}\n`, target);
  });
}
