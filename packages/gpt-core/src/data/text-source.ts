import { DataError } from './errors.js';
import type { TokenSource, ValidationSource } from './token-batch.js';
import { arrayStore, compactTokenIds } from './token-store.js';
import { type WindowOptions, windowSource, windowValidation } from './window-source.js';

/** What a source needs from a tokenizer; every tokenizer of the project has it. */
export interface SourceTokenizer {
  encode(text: string): ArrayLike<number>;
  readonly vocabSize: number;
  readonly fingerprint?: string;
}

export interface TextSourceOptions
  extends Omit<WindowOptions, 'bytesPerToken' | 'tokenizerFingerprint' | 'vocabSize'> {
  /** Share of the text, at its end, that is held out. Default 0.1; 0 holds out nothing. */
  validationFraction?: number;
}

/** Training windows and held-out windows of one text. */
export interface TextSource {
  readonly train: TokenSource;
  readonly validation: ValidationSource | undefined;
}

/**
 * One plain text, split by position into a training part and a held-out end (nanoGPT's way).
 *
 * @throws {DataError} when the text is empty or either part is shorter than one window
 */
export function textSource(text: string, tokenizer: SourceTokenizer, options: TextSourceOptions): TextSource {
  const { validationFraction = 0.1, name = 'text', ...windows } = options;
  if (!(validationFraction >= 0 && validationFraction < 1))
    throw new DataError(`validationFraction must be at least 0 and below 1, received ${validationFraction}.`);
  if (text.length === 0) throw new DataError(`${name} is empty: give a text to train on.`, { where: name });
  const cut = cutPoint(text, validationFraction);
  const part = (content: string, partName: string) => {
    const tokenIds = compactTokenIds(tokenizer.encode(content), tokenizer.vocabSize);
    return {
      store: arrayStore(tokenIds),
      options: {
        ...windows,
        name: partName,
        bytesPerToken: utf8Length(content) / Math.max(1, tokenIds.length),
        vocabSize: tokenizer.vocabSize,
        ...(tokenizer.fingerprint !== undefined && { tokenizerFingerprint: tokenizer.fingerprint }),
      },
    };
  };
  const train = part(text.slice(0, cut), name);
  const trainSource = windowSource(train.store, train.options);
  if (validationFraction === 0) return { train: trainSource, validation: undefined };
  const held = part(text.slice(cut), `the held-out end of ${name}`);
  return { train: trainSource, validation: windowValidation(held.store, held.options) };
}

/** UTF-8 bytes of a text. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The first character of the held-out part; never inside a surrogate pair. */
function cutPoint(text: string, validationFraction: number): number {
  const cut = Math.floor(text.length * (1 - validationFraction));
  const code = text.charCodeAt(cut);
  return code >= 0xdc00 && code <= 0xdfff ? cut + 1 : cut;
}
