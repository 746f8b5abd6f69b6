import { ByteLevelBPETokenizer, type EncodingName, getEncoding } from '@gpt-lineage/tokenizer-bbpe';
import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';
import { expose } from 'comlink';
import { byteLevelMergeSteps, type MergeStep, wordMergeSteps } from './merge-steps.js';

/** One token of a text, ready to be shown. */
export interface ShownToken {
  readonly id: number;
  /** The part of the text it stands for; a cut character is U+FFFD */
  readonly text: string;
  /** UTF-8 */
  readonly bytes: readonly number[];
  /** UTF-16 units in the text; absent for encodings that rewrite the text first */
  readonly start?: number;
  readonly end?: number;
}

export interface Encoded {
  readonly tokens: readonly ShownToken[];
  /** All tokens; `tokens` holds the first few thousand */
  readonly count: number;
  readonly bytes: number;
  readonly vocabSize: number;
  readonly milliseconds: number;
}

export interface TrainRequest {
  readonly algorithm: 'bpe' | 'bbpe';
  readonly text: string;
  readonly vocabSize: number;
  readonly minFrequency: number;
}

export interface Trained {
  readonly name: string;
  readonly vocabSize: number;
  /** In the order in which they were learned: the two halves and what they make */
  readonly merges: readonly (readonly [left: string, right: string])[];
  readonly milliseconds: number;
  /** Its `tokenizer.json` (byte-level) or vocabulary and merges, as a file to keep */
  readonly file: string;
}

type Loaded = { kind: 'bbpe'; tokenizer: ByteLevelBPETokenizer } | { kind: 'bpe'; tokenizer: BPETokenizer };

const loaded = new Map<string, Promise<Loaded>>();
const most = 4_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function load(name: string): Promise<Loaded> {
  let tokenizer = loaded.get(name);
  if (!tokenizer) {
    tokenizer = getEncoding(name as EncodingName).then((found) => ({
      kind: 'bbpe' as const,
      tokenizer: found,
    }));
    tokenizer.catch(() => loaded.delete(name));
    loaded.set(name, tokenizer);
  }
  return tokenizer;
}

function shownByteLevel(tokenizer: ByteLevelBPETokenizer, text: string): Omit<Encoded, 'milliseconds'> {
  const bytesOf = (id: number) => Array.from(tokenizer.tokenBytes(id));
  const shown = (id: number) => decoder.decode(tokenizer.tokenBytes(id));
  const common = { bytes: encoder.encode(text).length, vocabSize: tokenizer.vocabSize };
  try {
    const offsets = tokenizer.encodeWithOffsets(text);
    return {
      ...common,
      count: offsets.length,
      tokens: offsets
        .slice(0, most)
        .map(({ id, start, end }) => ({ id, text: shown(id), bytes: bytesOf(id), start, end })),
    };
  } catch {
    // CLIP lower-cases and cleans the text before it encodes: offsets have no meaning there.
    const ids = tokenizer.encodeOrdinary(text);
    return {
      ...common,
      count: ids.length,
      tokens: ids.slice(0, most).map((id) => ({ id, text: shown(id), bytes: bytesOf(id) })),
    };
  }
}

function shownWords(tokenizer: BPETokenizer, text: string): Omit<Encoded, 'milliseconds'> {
  const ids = tokenizer.encode(text);
  const names = new Map(Object.entries(tokenizer.vocab).map(([token, id]) => [id, token]));
  return {
    bytes: encoder.encode(text).length,
    vocabSize: tokenizer.vocabSize,
    count: ids.length,
    tokens: ids.slice(0, most).map((id) => {
      const name = (names.get(id) ?? '').replace('</w>', '').replaceAll('▁', ' ').replaceAll('␊', '\n');
      return { id, text: name, bytes: Array.from(encoder.encode(name)) };
    }),
  };
}

const api = {
  async encode(name: string, text: string): Promise<Encoded> {
    const entry = await load(name);
    const from = performance.now();
    const shown =
      entry.kind === 'bbpe' ? shownByteLevel(entry.tokenizer, text) : shownWords(entry.tokenizer, text);
    return { ...shown, milliseconds: performance.now() - from };
  },

  /** How one word is put together, merge by merge. */
  async mergeSteps(name: string, word: string): Promise<MergeStep[]> {
    const entry = await load(name);
    return entry.kind === 'bbpe'
      ? byteLevelMergeSteps(entry.tokenizer, word)
      : wordMergeSteps(entry.tokenizer, word);
  },

  async train(request: TrainRequest, onProgress: (phase: string, share: number) => void): Promise<Trained> {
    const from = performance.now();
    const { algorithm, text, vocabSize, minFrequency } = request;
    const options = {
      vocabSize,
      minFrequency,
      onProgress: ({ phase, done, total }: { phase: 'count' | 'merge'; done: number; total?: number }) =>
        onProgress(
          phase === 'count' ? 'Counting words' : 'Learning merges',
          done / (total ?? (text.length || 1)),
        ),
    };
    const name = `${algorithm === 'bpe' ? 'BPE' : 'BBPE'} of this page`;
    let merges: [string, string][];
    let size: number;
    let file: string;
    if (algorithm === 'bbpe') {
      const tokenizer = await ByteLevelBPETokenizer.train([text], options);
      const { lefts, rights } = tokenizer.definition.vocabulary;
      const shown = (id: number) => decoder.decode(tokenizer.tokenBytes(id));
      merges = Array.from(lefts, (left, i) => [shown(left), shown(rights[i]!)]);
      loaded.set(name, Promise.resolve({ kind: 'bbpe', tokenizer }));
      size = tokenizer.vocabSize;
      file = JSON.stringify(tokenizer.toTokenizerJSON());
    } else {
      const tokenizer = await BPETokenizer.train([text], { ...options, preprocess: 'lossless' });
      merges = tokenizer.merges.map((line) => {
        const [left = '', right = ''] = line.split(' ');
        return [left.replaceAll('▁', ' '), right.replaceAll('▁', ' ')];
      });
      loaded.set(name, Promise.resolve({ kind: 'bpe', tokenizer }));
      size = tokenizer.vocabSize;
      file = JSON.stringify({ vocab: tokenizer.vocab, merges: tokenizer.merges });
    }
    return { name, vocabSize: size, merges, milliseconds: performance.now() - from, file };
  },

  /** A `tokenizer.json` (Hugging Face) or a `.tiktoken` rank file. */
  async open(name: string, contents: string): Promise<void> {
    const trimmed = contents.trimStart();
    const tokenizer = trimmed.startsWith('{')
      ? ByteLevelBPETokenizer.fromTokenizerJSON(trimmed)
      : ByteLevelBPETokenizer.fromTiktoken(trimmed, { pattern: (await getEncoding('cl100k_base')).pattern });
    loaded.set(name, Promise.resolve({ kind: 'bbpe', tokenizer }));
  },
};

export type TokenizerApi = typeof api;

expose(api);
