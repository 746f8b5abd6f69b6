import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type GPT, parseJsonl, parseJsonlTexts } from '@gpt-lineage/gpt-core';
import type { Demonstration } from '../src/index.js';
import { seededOrder } from '../src/trainers/seeded-order.js';

const folder = new URL('../data/', import.meta.url);
const read = (name: string) => gunzipSync(readFileSync(new URL(name, folder))).toString('utf8');

/** Public-domain novels and tales, and a blog about government software: plain text, no dialogue format. */
export function pretrainingTexts(): string[] {
  const books = readdirSync(new URL('books/', folder))
    .filter((name) => name.endsWith('.gz'))
    .sort()
    // The books are hard-wrapped; a paragraph becomes a line.
    .flatMap((name) => chaptersOf(read(`books/${name}`).replaceAll(/([^\n])\n(?=[^\n])/gu, '$1 ')));
  return [...books, ...parseJsonlTexts(read('18f_blog.jsonl.gz'))].map(plain);
}

/** Pieces of some 8,000 characters, cut between paragraphs. */
function chaptersOf(text: string): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const paragraph of text.split(/\n{2,}/u)) {
    piece += `${paragraph.trim()}\n\n`;
    if (piece.length > 8000) {
      pieces.push(piece);
      piece = '';
    }
  }
  return piece ? [...pieces, piece] : pieces;
}

/** Typographic quotes and dashes as typed ones: a small vocabulary should not learn each twice. */
export const plain = (text: string): string =>
  text
    .replaceAll(/[\u2018\u2019]/gu, "'")
    .replaceAll(/[\u201c\u201d]/gu, '"')
    .replaceAll(/[\u2013\u2014]/gu, '-')
    .replaceAll('\u2026', '...')
    .replaceAll('\u00a0', ' ');

export interface Comparison {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

const ASSISTANT = '\n\nAssistant:';

/** The comparisons of HH-RLHF harmless-base (its public test split), the last answer apart from what led to it. */
export function comparisons(): Comparison[] {
  return [...parseJsonl(read('harmless-base-test.jsonl.gz'))].flatMap(([, row]) => {
    const { chosen, rejected } = row as { chosen: string; rejected: string };
    const cut = (text: string) => {
      const at = text.lastIndexOf(ASSISTANT) + ASSISTANT.length;
      return [plain(text.slice(0, at)), plain(text.slice(at))] as const;
    };
    const [prompt, better] = cut(chosen);
    const [other, worse] = cut(rejected);
    return prompt === other ? [{ prompt, chosen: better, rejected: worse }] : []; // a few differ earlier
  });
}

/** Drops the oldest turns until the prompt fits. */
export function shortPrompt(prompt: string, fits: (prompt: string) => boolean): string | undefined {
  let rest = prompt;
  while (!fits(rest)) {
    const next = rest.indexOf('\n\nHuman:', 2);
    if (next < 0) return undefined;
    rest = rest.slice(next);
  }
  return rest;
}

/** Short question-answer pairs of Dolly in the format of the dialogues. */
export function instructions(longest = 400): Demonstration[] {
  return [...parseJsonl(read('dolly_no_context.jsonl.gz'))].flatMap(([, row]) => {
    const { instruction, output } = row as { instruction: string; output: string };
    if (instruction.length > 200 || output.length > longest || output.trim() === '') return [];
    return [
      {
        prompt: `\n\nHuman: ${plain(instruction.trim())}${ASSISTANT}`,
        completion: ` ${plain(output.trim())}`,
      },
    ];
  });
}

export const FOLDS = 5;

/**
 * The comparisons in five parts. Dialogues that begin with the same turn are in the same part: several comparisons come
 * from one dialogue. Every step of a run holds out the same part, whatever the lengths it can use.
 */
export function comparisonFolds(): Comparison[][] {
  const openings = new Map<string, Comparison[]>();
  for (const comparison of comparisons()) {
    const opening = comparison.prompt.split('\n\nAssistant:', 1)[0]!;
    openings.set(opening, [...(openings.get(opening) ?? []), comparison]);
  }
  const groups = [...openings.values()];
  const folds = Array.from({ length: FOLDS }, (): Comparison[] => []);
  seededOrder(groups.length, 5, 77).forEach((group, at) => {
    folds[at % FOLDS]!.push(...groups[group]!);
  });
  return folds;
}

/** All but one part to train on, and that part. */
export function heldOutFold(fold: number): { training: Comparison[]; heldOut: Comparison[] } {
  const folds = comparisonFolds();
  return { training: folds.filter((_, at) => at !== fold).flat(), heldOut: folds[fold]! };
}

/** The comparisons with their oldest turns dropped and their answers cut, so that all fit the model's context. */
export function fitting(
  list: readonly Comparison[],
  model: GPT,
  { promptTokens = 128, answerTokens = 100 } = {},
): Comparison[] {
  const cut = (answer: string) => model.tokenizer!.decode(model.encode(answer).slice(0, answerTokens));
  return list.flatMap(({ prompt, chosen, rejected }) => {
    const short = shortPrompt(prompt, (text) => model.encode(text).length <= promptTokens);
    return short === undefined ? [] : [{ prompt: short, chosen: cut(chosen), rejected: cut(rejected) }];
  });
}

/** The last turn that asked, or its end when it is longer. Every comparison fits; answers are cut at the end. */
export function shortened(
  list: readonly Comparison[],
  model: GPT,
  { promptTokens = 40, answerTokens = 160 } = {},
): Comparison[] {
  const pieces = (text: string, from: number, to?: number) =>
    model.tokenizer!.decode(model.encode(text).slice(from, to));
  return list.map(({ prompt, chosen, rejected }) => ({
    prompt: pieces(prompt.slice(prompt.lastIndexOf('\n\nHuman:')), -promptTokens),
    chosen: pieces(chosen, 0, answerTokens),
    rejected: pieces(rejected, 0, answerTokens),
  }));
}
