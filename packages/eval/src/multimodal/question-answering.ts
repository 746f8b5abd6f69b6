import type { MultimodalGPT, MultimodalMessage } from '@gpt-lineage/gpt-core';
import { meanMetric, type ScoredItem } from '../kinds/scored-item.js';
import { exactMatch, tokenF1 } from '../metrics/question-answering.js';
import { softmax } from '../metrics/softmax.js';
import type { Image } from './image-text-model.js';

/** A question about images. */
export interface VisualQuestion {
  readonly images: readonly Image[];
  readonly question: string;
  /** Choices, of which `answer` is the index; or free text with the right answers. */
  readonly choices?: readonly string[];
  readonly answer: number | readonly string[];
  readonly category?: string;
}

/** What answering needs of a model; gpt-core's `MultimodalGPT` has it. */
export type MultimodalModel = Pick<MultimodalGPT, 'prepareChat' | 'score' | 'chat'>;

export interface VisualQuestionOptions {
  /** Of a written answer, default 32. */
  readonly maxTokens?: number;
  /** Leave the images out: what the model would say without seeing (its text-only twin). Default `false`. */
  readonly withoutImages?: boolean;
  readonly signal?: AbortSignal;
}

const messageOf = ({ images, question }: VisualQuestion, blind: boolean): MultimodalMessage[] => [
  {
    role: 'user',
    content: [
      ...(blind ? [] : images.map((image) => ({ type: 'image' as const, image }))),
      { type: 'text' as const, text: question },
    ],
  },
];

/** Answers questions about images: the likeliest choice, or what greedy decoding writes. */
export async function scoreVisualQuestions(
  model: MultimodalModel,
  questions: readonly VisualQuestion[],
  { maxTokens = 32, withoutImages = false, signal }: VisualQuestionOptions = {},
): Promise<ScoredItem[]> {
  const scored: ScoredItem[] = [];
  for (const question of questions) {
    signal?.throwIfAborted();
    const messages = messageOf(question, withoutImages);
    scored.push(
      question.choices === undefined
        ? await written(model, question, messages, maxTokens)
        : await chosen(model, question, question.choices, messages),
    );
  }
  return scored;
}

async function chosen(
  model: MultimodalModel,
  { question, answer }: VisualQuestion,
  choices: readonly string[],
  messages: readonly MultimodalMessage[],
): Promise<ScoredItem> {
  const prompt = await model.prepareChat(messages);
  const [scores] = await model.score([prompt], [choices]);
  const logLikelihoods = scores!.map(({ logLikelihood }) => logLikelihood);
  const normed = logLikelihoods.map((value, at) => value / Math.max(1, choices[at]!.length));
  const best = (values: readonly number[]) => values.indexOf(Math.max(...values));
  return {
    prompt: question,
    target: choices[Number(answer)] ?? '',
    metrics: {
      acc: meanMetric(best(logLikelihoods) === answer),
      acc_norm: meanMetric(best(normed) === answer),
    },
    probabilities: { values: softmax(logLikelihoods), target: Number(answer) },
    outputs: choices.map((text, at) => ({ text, logLikelihood: logLikelihoods[at] })),
    truncated: false,
  };
}

async function written(
  model: MultimodalModel,
  { question, answer }: VisualQuestion,
  messages: readonly MultimodalMessage[],
  maxTokens: number,
): Promise<ScoredItem> {
  const { text } = await model.chat(messages, { maxTokens, temperature: 0 });
  const answers = answer as readonly string[];
  return {
    prompt: question,
    target: answers.join(' | '),
    metrics: {
      exact_match: meanMetric(exactMatch(text.trim(), answers)),
      f1: meanMetric(tokenF1(text, answers)),
    },
    outputs: [text],
    truncated: false,
  };
}
