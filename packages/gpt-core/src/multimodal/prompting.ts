import {
  type Box,
  type DrawnMark,
  drawMarks,
  type GridMark,
  type Mark,
  type Point,
  type RawImage,
} from '@gpt-lineage/vision-clip';
import { InvalidArgumentError } from '../errors.js';
import { type PrepareChatOptions, type PreparedChat, prepareChat } from './chat.js';
import { MultimodalInputError } from './errors.js';
import { type ContentPart, isMessages, type MultimodalMessage } from './messages.js';
import type { MultimodalGPT } from './multimodal-gpt.js';
import type { MultimodalPrompt } from './prompt.js';

const text = (value: string): ContentPart => ({ type: 'text', text: value });
const picture = (image: RawImage): ContentPart => ({ type: 'image', image });

export interface InstructionOptions {
  /** How the answer is to look, e.g. `Answer in one word.` */
  readonly format?: string;
  /** Becomes a system message. */
  readonly system?: string;
}

/** Instruction following: images, what to do with them, and how the answer is to look. */
export function imageInstruction(
  images: readonly RawImage[],
  instruction: string,
  { format, system }: InstructionOptions = {},
): MultimodalMessage[] {
  const content = [...images.map(picture), text(format ? `${instruction} ${format}` : instruction)];
  return [...(system ? [{ role: 'system', content: system }] : []), { role: 'user', content }];
}

export interface GoodPerformanceOptions {
  /** What an expert of this would be good at: `counting things in an image`. Default: not said. */
  readonly expertise?: string;
  /** How to go about it: `count the apples row by row`. Default: step by step. */
  readonly procedure?: string;
}

/**
 * A question that asks for good performance and for the steps to it: "You are an expert in … Let's … to be sure we have
 * the right answer." Yang et al. 2023, "The Dawn of LMMs", section 3.1, after Zhou et al. 2022.
 */
export function conditionOnGoodPerformance(question: string, options: GoodPerformanceOptions = {}): string {
  const { expertise, procedure = 'think step by step' } = options;
  return [
    ...(expertise ? [`You are an expert in ${expertise}.`] : []),
    question,
    `Let's ${procedure}, to be sure that we have the right answer.`,
  ].join(' ');
}

/** Solved examples with images as earlier turns of the dialogue, then the question. */
export function fewShotMessages(
  examples: readonly {
    readonly images: readonly RawImage[];
    readonly question: string;
    readonly answer: string;
  }[],
  asked: { readonly images: readonly RawImage[]; readonly question: string },
): MultimodalMessage[] {
  return [
    ...examples.flatMap(({ images, question, answer }): MultimodalMessage[] => [
      ...imageInstruction(images, question),
      { role: 'assistant', content: answer },
    ]),
    ...imageInstruction(asked.images, asked.question),
  ];
}

/**
 * Several images with names to speak of them by.
 *
 * @param names one for each image. Default `Image 1`, `Image 2`, …
 */
export function compareImages(
  images: readonly RawImage[],
  question: string,
  names: readonly string[] = images.map((_, at) => `Image ${at + 1}`),
): MultimodalMessage[] {
  if (images.length < 2) throw new MultimodalInputError('images', 'must be at least two to be compared');
  if (names.length !== images.length) {
    throw new MultimodalInputError('names', `has ${names.length} entries for ${images.length} images`);
  }
  const shown = images.flatMap((image, at) => [text(`${names[at]}: `), picture(image), text('\n')]);
  return [{ role: 'user', content: [...shown, text(question)] }];
}

export interface MarkedPrompt {
  readonly messages: MultimodalMessage[];
  /** The image with the marks on it */
  readonly image: RawImage;
  /** What was drawn and where */
  readonly marks: readonly DrawnMark[];
}

export interface MarkedPromptOptions {
  /** Say in words as well what is marked and where, in thousandths of the sides. Default `false`. */
  readonly list?: boolean;
}

/**
 * A question about marks on an image: visual referring prompting (Yang et al. 2023, "The Dawn of LMMs", section 5).
 * `{1}`, `{2}`, … in the question become `the red circle`, `point 3`, …: the marks in their order.
 *
 * @throws {MultimodalInputError} the question speaks of a mark that is not there
 */
export async function markedPrompt(
  image: RawImage,
  marks: readonly Mark[],
  question: string,
  { list = false }: MarkedPromptOptions = {},
): Promise<MarkedPrompt> {
  const drawn = await drawMarks(image, marks);
  const asked = question.replace(/\{(\d+)\}/g, (_, digits: string) => {
    const mark = drawn.marks[Number(digits) - 1];
    if (!mark) {
      throw new MultimodalInputError(
        'question',
        `speaks of mark {${digits}}, and there are ${drawn.marks.length}`,
      );
    }
    return `the ${markName(mark)}`;
  });
  const listed = drawn.marks.map((mark) => `${markName(mark)} at ${corners(mark.relativeBox)}`).join('; ');
  const said = list && listed !== '' ? `Marks: ${listed}. ${asked}` : asked;
  const messages = [{ role: 'user', content: [picture(drawn.image), text(said)] }];
  return { messages, image: drawn.image, marks: drawn.marks };
}

/** What to call a mark in a sentence. */
export function markName({ kind, color, label, number, text: written }: DrawnMark): string {
  if (label !== undefined) return `${kind} "${label}"`;
  if (kind === 'point' && number !== undefined) return `point ${number}`;
  if (kind === 'text' && written !== undefined) return `text "${written}"`;
  return kind === 'grid' ? 'grid' : `${color} ${kind}`;
}

function corners({ x, y, width, height }: Box): string {
  const thousandths = [x, y, x + width, y + height].map((share) => Math.round(share * 1000));
  return `[${thousandths.join(', ')}]`;
}

/** A question that is answered with a place, over an image with a grid of named cells. */
export async function gridPrompt(
  image: RawImage,
  question: string,
  grid: Omit<GridMark, 'kind'> = { columns: 4, rows: 4, coordinates: 'cells' },
): Promise<MarkedPrompt> {
  const { columns = 10, rows = 10, coordinates = 'pixels' } = grid;
  const how: Record<string, string> = {
    cells: `The image has a grid of ${columns} columns (A, B, …) and ${rows} rows (1, 2, …). Answer with a cell such as A1.`,
    pixels: 'The grid shows pixels from the top left. Answer with x, y.',
    thousandths: 'The grid shows thousandths of the sides from the top left. Answer with x, y.',
    none: 'Answer with x, y in pixels from the top left.',
  };
  const marked = await markedPrompt(image, [{ kind: 'grid', ...grid }], question);
  const content = [picture(marked.image), text(`${how[coordinates]} ${question}`)];
  return { ...marked, messages: [{ role: 'user', content }] };
}

/**
 * The place that an answer names, in pixels: the middle of the cell for `cells`.
 *
 * @param size of the image
 * @returns `undefined` when the answer names no place inside the image
 */
export function parsePlace(
  answer: string,
  size: { readonly width: number; readonly height: number },
  { columns = 10, rows = 10, coordinates = 'pixels' }: Omit<GridMark, 'kind'> = {},
): Point | undefined {
  if (coordinates === 'cells') {
    const cell = /\b([A-Z]{1,2})(\d{1,3})\b/i.exec(answer);
    if (!cell) return undefined;
    const column = [...cell[1]!.toUpperCase()].reduce(
      (sum, letter) => sum * 26 + letter.charCodeAt(0) - 64,
      0,
    );
    const row = Number(cell[2]);
    if (column > columns || row < 1 || row > rows) return undefined;
    return [((column - 0.5) * size.width) / columns, ((row - 0.5) * size.height) / rows];
  }
  const pair = /(-?\d+(?:\.\d+)?)\D+?(-?\d+(?:\.\d+)?)/.exec(answer);
  if (!pair) return undefined;
  const scale = coordinates === 'thousandths' ? [size.width / 1000, size.height / 1000] : [1, 1];
  const [x, y] = [Number(pair[1]) * scale[0]!, Number(pair[2]) * scale[1]!];
  return x < 0 || y < 0 || x > size.width || y > size.height ? undefined : [x, y];
}

export interface Choice {
  readonly answer: string;
  readonly index: number;
  /** Of each choice given that it is one of them; they sum to 1. */
  readonly probabilities: readonly number[];
  /** Nats */
  readonly logLikelihoods: readonly number[];
}

export interface ChooseOptions {
  /** `sum` compares log-likelihoods, `mean` those per token, so that long choices are not at a loss. Default `sum`. */
  readonly normalize?: 'sum' | 'mean';
  readonly prepare?: PrepareChatOptions;
}

/**
 * A constrained answer: the most likely of the given ones, after a prompt or as the reply to messages.
 *
 * @throws {InvalidArgumentError} fewer than two choices
 */
export async function chooseAnswer(
  model: MultimodalGPT,
  question: MultimodalPrompt | readonly MultimodalMessage[],
  choices: readonly string[],
  { normalize = 'sum', prepare }: ChooseOptions = {},
): Promise<Choice> {
  if (choices.length < 2) throw new InvalidArgumentError('choices', choices, 'give at least two answers');
  const prompt = isMessages(question) ? await prepareChat(model, question, prepare) : question;
  const [scores] = await model.score([prompt as PreparedChat], [choices]);
  const logLikelihoods = scores!.map(({ logLikelihood }) => logLikelihood);
  const values = scores!.map(({ logLikelihood, tokenLogProbs }) =>
    normalize === 'mean' ? logLikelihood / tokenLogProbs.length : logLikelihood,
  );
  const best = Math.max(...values);
  const weights = values.map((value) => Math.exp(value - best));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const index = values.indexOf(best);
  return {
    answer: choices[index]!,
    index,
    probabilities: weights.map((weight) => weight / total),
    logLikelihoods,
  };
}
