import { type BPETrainOptions, byteTokens, trainBPE } from './bpe-train.js';
import { type BPEVocabulary, END_OF_WORD, readVocabulary } from './bpe-vocabulary.js';
import { InvalidOptionError, InvalidVocabularyError, UnknownTokenIdError } from './errors.js';
import { readFolder, writeFolder } from './folders/files.js';
import { basic, keptApart, lossless, type Preprocessor, spelledOut } from './preprocess.js';
import { sha256 } from './sha256.js';

export interface BPETokenizerOptions {
  /**
   * What texts go through before they are encoded. `'basic'` (default): as Hugging Face's GPT-1 tokenizer, without
   * ftfy and spaCy. `'lossless'`: nothing is lost. Or a preprocessor of your own; `originalPreprocessor` of the
   * entry point `/original` is OpenAI's pipeline with ftfy and spaCy's rules.
   */
  preprocess?: 'basic' | 'lossless' | Preprocessor;
  /** Stands for characters that are not in the vocabulary, and is recognised in texts. Default: `'<unk>'`. */
  unknownToken?: string;
  /** Words to remember. Default: 16,384. */
  cacheSize?: number;
}

/**
 * Byte-pair encoding as GPT-1 has it (Radford et al. 2018; Sennrich et al. 2016): words are split into characters, the
 * last one marked by `</w>`, and merged by rank.
 */
export class BPETokenizer {
  readonly preprocessor: Preprocessor;
  readonly #vocabulary: BPEVocabulary;
  readonly #unknownToken: string;
  readonly #unknownId: number | undefined;
  readonly #byteIds: number[] | undefined;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #cacheSize: number;
  #fingerprint: string | undefined;

  private constructor(vocabulary: BPEVocabulary, options: BPETokenizerOptions) {
    this.preprocessor = preprocessorOf(options.preprocess);
    this.#vocabulary = vocabulary;
    this.#unknownToken = options.unknownToken ?? '<unk>';
    this.#unknownId = vocabulary.ids.get(this.#unknownToken);
    this.#cacheSize = options.cacheSize ?? 1 << 14;
    const byteIds = byteTokens.map((token) => vocabulary.ids.get(token));
    if (byteIds.every((id) => id !== undefined)) this.#byteIds = byteIds as number[];
    if (this.#unknownId === undefined && this.#byteIds === undefined) {
      throw new InvalidVocabularyError(
        `vocab: has neither ${JSON.stringify(this.#unknownToken)} nor the byte tokens <0x00> to <0xFF>, so unknown characters could not be encoded`,
      );
    }
  }

  /**
   * A tokenizer from a vocabulary and its merges: OpenAI's `encoder_bpe_40000.json` and `vocab_40000.bpe`, or Hugging
   * Face's `vocab.json` and `merges.txt`.
   *
   * @param merges the text of a merges file, or its lines
   * @throws {InvalidVocabularyError}
   */
  static fromVocab(
    vocab: Readonly<Record<string, number>>,
    merges: string | readonly string[],
    options: BPETokenizerOptions = {},
  ): BPETokenizer {
    return new BPETokenizer(readVocabulary(vocab, merges), options);
  }

  /**
   * Learns a vocabulary from texts.
   *
   * @throws {InvalidOptionError} for options outside of what is documented
   * @throws {TrainingAbortedError} when `signal` fires
   */
  static async train(
    texts: Iterable<string> | AsyncIterable<string>,
    options: BPETrainOptions,
  ): Promise<BPETokenizer> {
    const preprocessor = preprocessorOf(options.preprocess);
    const special = options.specialTokens ?? (preprocessor === lossless ? [] : ['<unk>']);
    const { vocab, merges } = await trainBPE(texts, options, preprocessor, special);
    return BPETokenizer.fromVocab(vocab, merges, { preprocess: preprocessor });
  }

  /**
   * Reads what `save` wrote. A folder with only `vocab.json` and `merges.txt` is read as Hugging Face's GPT-1.
   *
   * @throws {TokenizerFileError} when a file cannot be read, or there is no file system
   * @throws {InvalidVocabularyError} when a file is damaged
   */
  static async load(folder: string, options: BPETokenizerOptions = {}): Promise<BPETokenizer> {
    const files = await readFolder(folder, ['vocab.json', 'merges.txt'], ['bpe.json']);
    const config = parse(files['bpe.json'] ?? '{}', 'bpe.json') as BPETokenizerOptions & {
      fingerprint?: string;
    };
    const preprocess = options.preprocess ?? config.preprocess ?? 'basic';
    if (typeof preprocess === 'string' && preprocess !== 'basic' && preprocess !== 'lossless') {
      throw new InvalidOptionError(
        `preprocess: was saved with ${JSON.stringify(preprocess)}; pass that preprocessor to load`,
      );
    }
    const vocab = parse(files['vocab.json']!, 'vocab.json') as Record<string, number>;
    const tokenizer = BPETokenizer.fromVocab(vocab, files['merges.txt']!, {
      unknownToken: config.unknownToken ?? '<unk>',
      ...options,
      preprocess,
    });
    if (config.fingerprint !== undefined && config.fingerprint !== tokenizer.fingerprint) {
      throw new InvalidVocabularyError(
        `${folder}: vocab.json, merges.txt and bpe.json do not belong together`,
      );
    }
    return tokenizer;
  }

  /**
   * Writes `vocab.json`, `merges.txt` (Hugging Face's names) and `bpe.json`. Each file is complete or not there.
   *
   * @throws {TokenizerFileError}
   */
  async save(folder: string): Promise<void> {
    const config = {
      preprocess: this.preprocessor.name,
      unknownToken: this.#unknownToken,
      fingerprint: this.fingerprint,
    };
    await writeFolder(folder, {
      'vocab.json': JSON.stringify(this.vocab),
      'merges.txt': `#version: 0.2\n${this.merges.join('\n')}\n`,
      'bpe.json': `${JSON.stringify(config, null, 2)}\n`,
    });
  }

  /** One more than the highest id. */
  get vocabSize(): number {
    return this.#vocabulary.tokens.length;
  }

  /** Token → id. */
  get vocab(): Record<string, number> {
    return Object.fromEntries(this.#vocabulary.ids);
  }

  /** The merges in order, the two tokens with a space between. */
  get merges(): string[] {
    return [...this.#vocabulary.merges];
  }

  /** SHA-256 over everything that decides ids: vocabulary, merges, preprocessing, unknown token. */
  get fingerprint(): string {
    this.#fingerprint ??= sha256(
      new TextEncoder().encode(
        JSON.stringify([
          'bpe',
          this.preprocessor.name,
          this.#unknownToken,
          this.#vocabulary.tokens,
          this.#vocabulary.merges,
        ]),
      ),
    );
    return this.#fingerprint;
  }

  /** Token ids of a text. The unknown token, spelled out in a text, is itself. */
  encode(text: string): number[] {
    if (typeof text !== 'string') {
      throw new InvalidOptionError(
        `text: expected a string, received ${text === null ? 'null' : typeof text}`,
      );
    }
    const ids: number[] = [];
    const isRead = this.#unknownId !== undefined && this.preprocessor.readsUnknownToken !== false;
    const parts = isRead ? text.split(this.#unknownToken) : [text];
    parts.forEach((part, i) => {
      if (i > 0) ids.push(this.#unknownId!);
      for (const word of this.preprocessor.words(part)) for (const id of this.#encodeWord(word)) ids.push(id);
    });
    return ids;
  }

  /** How many tokens `encode` would give. */
  count(text: string): number {
    return this.encode(text).length;
  }

  /**
   * The text of token ids: `</w>` becomes a space (but not at the end), in lossless vocabularies nothing.
   *
   * @throws {UnknownTokenIdError}
   */
  decode(tokenIds: Iterable<number>): string {
    const isLossless = this.preprocessor === lossless;
    let text = '';
    let bytes: number[] = [];
    const flush = () => {
      if (bytes.length > 0)
        text += new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      bytes = [];
    };
    for (const id of tokenIds) {
      const token = this.#vocabulary.tokens[id];
      if (token === undefined) throw new UnknownTokenIdError(id, this.vocabSize);
      const byte = this.#byteIds?.indexOf(id) ?? -1;
      if (byte >= 0) {
        bytes.push(byte);
        continue;
      }
      flush();
      const ends = token.endsWith(END_OF_WORD);
      const word = ends ? token.slice(0, -END_OF_WORD.length) : token;
      text += isLossless ? spelledOut(word) : ends ? `${word} ` : word;
    }
    flush();
    return isLossless ? text : text.replace(/ $/, '');
  }

  #encodeWord(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const encoded = this.#mergeWord(word);
    if (word.length <= 64 && this.#cacheSize > 0) {
      if (this.#cache.size >= this.#cacheSize) this.#cache.clear();
      this.#cache.set(word, encoded);
    }
    return encoded;
  }

  #mergeWord(word: string): number[] {
    const { ids, table } = this.#vocabulary;
    const chars = Array.from(word);
    const plain = (char: string) =>
      this.preprocessor === lossless ? (keptApart(char) ?? spelledOut(char)) : char;
    const found: number[] = [];
    chars.forEach((char, i) => {
      const id = ids.get(i === chars.length - 1 ? char + END_OF_WORD : char);
      if (id !== undefined) found.push(id);
      else if (this.#byteIds !== undefined)
        for (const byte of new TextEncoder().encode(plain(char))) found.push(this.#byteIds[byte]!);
      else found.push(this.#unknownId!);
    });
    table.reserve(found.length);
    table.ids.set(found);
    table.rankAll(found.length);
    const merged = Array.from(table.ids.subarray(0, table.merge(found.length)));
    table.release();
    return merged;
  }
}

function preprocessorOf(choice: 'basic' | 'lossless' | Preprocessor | undefined): Preprocessor {
  if (choice === undefined || choice === 'basic') return basic;
  if (choice === 'lossless') return lossless;
  if (typeof choice === 'object' && typeof choice.words === 'function') return choice;
  throw new InvalidOptionError(
    `preprocess: expected 'basic', 'lossless' or a Preprocessor, received ${String(choice)}`,
  );
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidVocabularyError(`${name} is not JSON; is it cut off?`, { cause });
  }
}
