import { DataError } from './errors.js';
import type { SourceTokenizer } from './text-source.js';
import { utf8Length } from './text-source.js';
import type { TokenSource, ValidationSource } from './token-batch.js';
import { arrayStore, compactTokenIds } from './token-store.js';
import { hash32 } from './random.js';
import { type WindowOptions, windowSource, windowValidation } from './window-source.js';

export interface DocumentSourceOptions
  extends Omit<WindowOptions, 'bytesPerToken' | 'tokenizerFingerprint' | 'vocabSize' | 'documentEnd'> {
  /** Id written after every document (GPT-2's `<|endoftext|>`). */
  documentEnd: number;
  /**
   * `true` (default): attention stays inside a document and positions restart with each. `false`: windows
   * are one stream, as GPT-2 and GPT-3 were trained.
   */
  separateDocuments?: boolean;
  /** Share of the documents that is held out, chosen by `seed`. Default 0.1. */
  validationFraction?: number;
}

/**
 * Whole documents, joined by an end-of-document token and cut into full windows. The held-out documents are
 * whole ones, so nothing of them is seen in training.
 *
 * @throws {DataError} when there is no text, or too little for one window
 */
export function documentSource(
  documents: Iterable<string>,
  tokenizer: SourceTokenizer,
  options: DocumentSourceOptions,
): { readonly train: TokenSource; readonly validation: ValidationSource | undefined } {
  const { documentEnd, separateDocuments = true, validationFraction = 0.1, name = 'documents', ...rest } = options;
  const parts = { train: newPart(), validation: newPart() };
  let index = 0;
  for (const document of documents) {
    const held = hash32(options.seed ?? 0, index++, 11) / 2 ** 32 < validationFraction;
    const part = held ? parts.validation : parts.train;
    part.bytes += utf8Length(document);
    const tokenIds = tokenizer.encode(document);
    part.chunks.push(compactTokenIds(tokenIds, tokenizer.vocabSize));
    part.tokens += tokenIds.length + 1;
  }
  if (parts.train.tokens === 0)
    throw new DataError(`${name} holds no documents to train on: give at least one text.`, { where: name });
  const windows = (part: Part, partName: string) =>
    [
      arrayStore(join(part, documentEnd, tokenizer.vocabSize)),
      {
        ...rest,
        name: partName,
        bytesPerToken: part.bytes / part.tokens,
        vocabSize: Math.max(tokenizer.vocabSize, documentEnd + 1),
        ...(separateDocuments && { documentEnd }),
        ...(tokenizer.fingerprint !== undefined && { tokenizerFingerprint: tokenizer.fingerprint }),
      },
    ] as const;
  return {
    train: windowSource(...windows(parts.train, name)),
    validation:
      parts.validation.tokens === 0
        ? undefined
        : windowValidation(...windows(parts.validation, `the held-out documents of ${name}`)),
  };
}

interface Part {
  chunks: (Uint16Array | Uint32Array)[];
  tokens: number;
  bytes: number;
}

function newPart(): Part {
  return { chunks: [], tokens: 0, bytes: 0 };
}

function join(part: Part, documentEnd: number, vocabSize: number): Uint16Array | Uint32Array {
  const small = Math.max(vocabSize, documentEnd + 1) <= 2 ** 16;
  const joined = small ? new Uint16Array(part.tokens) : new Uint32Array(part.tokens);
  let at = 0;
  for (const chunk of part.chunks) {
    joined.set(chunk, at);
    at += chunk.length;
    joined[at++] = documentEnd;
  }
  return joined;
}

/**
 * The texts of a JSONL file: one object a line with the text in `field`.
 *
 * @throws {DataError} naming the line that is not JSON or lacks the field
 */
export function* parseJsonlTexts(content: string, field = 'text', name = 'the JSONL file'): Generator<string> {
  for (const [line, value] of parseJsonl(content, name)) {
    const text = (value as Record<string, unknown>)[field];
    if (typeof text !== 'string')
      throw new DataError(
        `${name} line ${line} has no string field "${field}": name the field that holds the text.`,
        { where: `${name}:${line}` },
      );
    if (text.length > 0) yield text;
  }
}

/**
 * Line numbers (from 1) and objects of a JSONL text; empty lines are passed over.
 *
 * @throws {DataError} naming the line that is not a JSON object
 */
export function* parseJsonl(content: string, name = 'the JSONL file'): Generator<[number, object]> {
  let line = 0;
  for (const row of lines(content)) {
    line++;
    if (row.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(row);
    } catch (cause) {
      throw new DataError(`${name} line ${line} is not JSON: write one object a line.`, {
        where: `${name}:${line}`,
        cause,
      });
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new DataError(`${name} line ${line} is not an object: write one object a line.`, {
        where: `${name}:${line}`,
      });
    yield [line, value];
  }
}

/** Lines without building an array of them. */
function* lines(content: string): Generator<string> {
  let from = content.charCodeAt(0) === 0xfeff ? 1 : 0;
  while (from < content.length) {
    const end = content.indexOf('\n', from);
    yield content.slice(from, end === -1 ? undefined : end);
    if (end === -1) return;
    from = end + 1;
  }
}
