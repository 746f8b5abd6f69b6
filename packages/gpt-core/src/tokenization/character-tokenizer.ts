import { InvalidArgumentError, TokenizationError } from '../errors.js';
import { fingerprintOf, type Tokenizer } from './tokenizer.js';

/**
 * One token per character (Unicode code point) of the training text, in code-point order: the tokenizer of
 * nanoGPT's Shakespeare example. A text with any other character is refused.
 */
export class CharacterTokenizer implements Tokenizer {
  readonly characters: readonly string[];
  readonly fingerprint: string;
  readonly eosTokenId = null;
  readonly #ids: ReadonlyMap<string, number>;

  /** @throws {InvalidArgumentError} no characters, one twice, or an entry that is not one character */
  constructor(characters: readonly string[]) {
    if (characters.length === 0) {
      throw new InvalidArgumentError('characters', characters, 'a vocabulary needs at least one character');
    }
    this.#ids = new Map(characters.map((character, id) => [character, id]));
    const odd = characters.find((character) => [...character].length !== 1);
    if (odd !== undefined || this.#ids.size !== characters.length) {
      throw new InvalidArgumentError('characters', odd ?? characters, 'list each single character once');
    }
    this.characters = [...characters];
    this.fingerprint = fingerprintOf('character', this.characters);
  }

  /** @throws {InvalidArgumentError} empty text */
  static train(text: string): CharacterTokenizer {
    const characters = new Set(text);
    if (characters.size === 0) {
      throw new InvalidArgumentError('text', text, 'an empty text has no characters to learn');
    }
    return new CharacterTokenizer([...characters].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!));
  }

  get vocabSize(): number {
    return this.characters.length;
  }

  /** @throws {TokenizationError} naming the first character that the vocabulary misses, and its position */
  encode(text: string): number[] {
    const tokenIds: number[] = [];
    let index = 0;
    for (const character of text) {
      const id = this.#ids.get(character);
      if (id === undefined) {
        const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
        throw new TokenizationError(
          character,
          `The vocabulary has no character ${JSON.stringify(character)} (U+${code}, at index ${index}): ` +
            `train the tokenizer on text that contains it, or remove it.`,
        );
      }
      tokenIds.push(id);
      index += character.length;
    }
    return tokenIds;
  }

  /** @throws {TokenizationError} an id outside of the vocabulary */
  decode(tokenIds: readonly number[]): string {
    let text = '';
    for (const id of tokenIds) {
      const character = this.characters[id];
      if (character === undefined) {
        throw new TokenizationError(id, `Token id ${id} is outside of the vocabulary of ${this.vocabSize}.`);
      }
      text += character;
    }
    return text;
  }

  /** Loads in Hugging Face's tokenizers library as a word-level model that splits after every character. */
  toTokenizerJSON(): unknown {
    return {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
      post_processor: null,
      decoder: { type: 'Fuse' },
      model: {
        type: 'WordLevel',
        vocab: Object.fromEntries(this.characters.map((character, id) => [character, id])),
        unk_token: '<unk>',
      },
    };
  }

  /** @throws {TokenizationError} the file describes another kind of tokenizer */
  static fromTokenizerJSON(json: unknown): CharacterTokenizer {
    const vocab = (json as { model?: { type?: unknown; vocab?: unknown } } | null)?.model;
    if (vocab?.type !== 'WordLevel' || typeof vocab.vocab !== 'object' || vocab.vocab === null) {
      throw new TokenizationError(vocab?.type, 'tokenizer.json does not describe a character tokenizer.');
    }
    const entries = Object.entries(vocab.vocab as Record<string, unknown>);
    const characters: string[] = new Array(entries.length);
    for (const [character, id] of entries) {
      if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= entries.length) {
        throw new TokenizationError(
          id,
          `tokenizer.json gives ${JSON.stringify(character)} the id ${String(id)}.`,
        );
      }
      characters[id] = character;
    }
    if (characters.includes(undefined as unknown as string)) {
      throw new TokenizationError(json, 'tokenizer.json gives two characters the same id.');
    }
    return new CharacterTokenizer(characters);
  }
}
