import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '../errors.js';
import { ordinaryEncoder, type Tokenizer } from '../tokenizer.js';
import type { ResolvedConfig } from './config.js';

/** A tokenizer and the token that ends a document. */
export interface LoadedTokenizer {
  tokenizer: Tokenizer;
  /** Encodes text in which nothing is a special token. */
  encode: (text: string) => ArrayLike<number>;
  endOfText: number | null;
}

const bytesEndOfText = 256;

/** The 256 bytes of UTF-8 and an end-of-text token: a baseline without a vocabulary file. */
export const byteTokenizer: Tokenizer = {
  vocabSize: 257,
  fingerprint: 'utf-8-bytes/1',
  encode: (text) => Array.from(Buffer.from(text, 'utf8')),
  decode: (tokenIds) => Buffer.from(tokenIds.filter((id) => id < bytesEndOfText)).toString('utf8'),
};

type Specialised = Tokenizer & {
  encode(text: string, options?: { allowedSpecial?: 'all' }): ArrayLike<number>;
};

/** @throws {ConfigError} when the tokenizer or its end-of-text token does not exist */
export async function loadTokenizer(
  config: Pick<ResolvedConfig, 'tokenizer' | 'endOfText'>,
  baseDirectory: string,
): Promise<LoadedTokenizer> {
  const { tokenizer: choice, endOfText } = config;
  const tokenizer = await fromChoice(choice, baseDirectory);
  const encode = ordinaryEncoder(tokenizer);
  return { tokenizer, encode, endOfText: findEndOfText(tokenizer as Specialised, endOfText) };
}

async function fromChoice(choice: ResolvedConfig['tokenizer'], baseDirectory: string): Promise<Tokenizer> {
  if (choice === 'bytes') return byteTokenizer;
  if ('encode' in choice) return choice;
  if ('encoding' in choice) {
    const { getEncoding } = await import('@gpt-lineage/tokenizer-bbpe');
    try {
      return (await getEncoding(choice.encoding as Parameters<typeof getEncoding>[0])) as Tokenizer;
    } catch (cause) {
      throw new ConfigError('tokenizer.encoding', (cause as Error).message, { cause });
    }
  }
  const path = resolve(baseDirectory, choice.file);
  let json: TokenizerJson;
  try {
    json = JSON.parse(readFileSync(path, 'utf8')) as TokenizerJson;
  } catch (cause) {
    throw new ConfigError('tokenizer.file', `${path} cannot be read as JSON`, { cause });
  }
  try {
    if (json.model?.end_of_word_suffix) {
      const { BPETokenizer } = await import('@gpt-lineage/tokenizer-bpe');
      const merges = (json.model.merges ?? []).map((merge) =>
        Array.isArray(merge) ? merge.join(' ') : merge,
      );
      return BPETokenizer.fromVocab(json.model.vocab ?? {}, merges) as Tokenizer;
    }
    const { ByteLevelBPETokenizer } = await import('@gpt-lineage/tokenizer-bbpe');
    return ByteLevelBPETokenizer.fromTokenizerJSON(json as never) as Tokenizer;
  } catch (cause) {
    throw new ConfigError('tokenizer.file', `${path}: ${(cause as Error).message}`, { cause });
  }
}

/** The part of Hugging Face's `tokenizer.json` that tells the two kinds apart. */
interface TokenizerJson {
  model?: {
    vocab?: Record<string, number>;
    merges?: (string | [string, string])[];
    end_of_word_suffix?: string | null;
  };
}

function findEndOfText(tokenizer: Specialised, wanted: string | number | null | undefined): number | null {
  if (wanted === null) return null;
  if (typeof wanted === 'number') {
    if (wanted >= tokenizer.vocabSize) {
      throw new ConfigError('endOfText', `${wanted} is outside of the vocabulary of ${tokenizer.vocabSize}`);
    }
    return wanted;
  }
  if ((tokenizer as Tokenizer) === byteTokenizer) return bytesEndOfText;
  const text = wanted ?? '<|endoftext|>';
  let tokenIds: ArrayLike<number> = [];
  try {
    tokenIds = tokenizer.encode(text, { allowedSpecial: 'all' });
  } catch {
    // Not known to this tokenizer.
  }
  if (tokenIds.length === 1) return tokenIds[0]!;
  if (wanted === undefined) return null;
  throw new ConfigError(
    'endOfText',
    `'${text}' is not one token of this tokenizer; give its id, or null for none`,
  );
}
