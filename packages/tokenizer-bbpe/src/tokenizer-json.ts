import { InvalidVocabularyError } from '@gpt-lineage/tokenizer-bpe';
import { charactersOfBytes } from './byte-alphabet.js';
import type { TokenizerDefinition } from './definition.js';
import { UnsupportedTokenizerError } from './errors.js';
import { vocabularyFromMerges } from './merge-list.js';
import { type NormalizationStep, type Normalizer, normalizerOf } from './normalization.js';
import { knownPattern, patterns } from './patterns.js';
import { tokenBytes } from './vocabulary.js';

/** Hugging Face's `tokenizer.json`, as far as it is written here. */
export interface TokenizerJSON {
  version: '1.0';
  truncation: null;
  padding: null;
  added_tokens: AddedToken[];
  normalizer: object | null;
  pre_tokenizer: object;
  post_processor: object | null;
  decoder: object;
  model: {
    type: 'BPE';
    dropout: null;
    unk_token: string | null;
    continuing_subword_prefix: string;
    end_of_word_suffix: string;
    fuse_unk: boolean;
    byte_fallback: boolean;
    ignore_merges: boolean;
    vocab: Record<string, number>;
    merges: string[];
  };
}

interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

/** A definition as `tokenizer.json`. */
export function toTokenizerJSON(definition: TokenizerDefinition): TokenizerJSON {
  const { vocabulary, specialTokens, endOfWord } = definition;
  const { offsets, lefts, rights, results } = vocabulary;
  const size = offsets.length - 1;
  const names: string[] = [];
  const vocab: Record<string, number> = Object.create(null);
  const ends = endOfWord === undefined ? undefined : endOfWordTokens(definition);
  for (let id = 0; id < size; id++) {
    const bytes = tokenBytes(vocabulary, id);
    if (bytes.length === 0) continue;
    const name =
      ends?.[id] === 1 ? charactersOfBytes(bytes.subarray(0, -1)) + endOfWord : charactersOfBytes(bytes);
    names[id] = name;
    vocab[name] = id;
  }
  const special = [...specialTokens].sort((a, b) => a[1] - b[1]);
  for (const [token, id] of special) vocab[token] = id;
  const merges: string[] = [];
  results.forEach((id, rank) => {
    if (id >= 0) merges.push(`${names[lefts[rank]!]!} ${names[rights[rank]!]!}`);
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map(([content, id]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: !definition.alwaysSpecial?.has(content),
    })),
    normalizer: normalizerJSON(definition.normalizer),
    pre_tokenizer: preTokenizerJSON(definition),
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: endOfWord ?? '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: definition.wholePieces,
      vocab,
      merges,
    },
  };
}

/** 1 for tokens that end a word. */
function endOfWordTokens({ vocabulary }: TokenizerDefinition): Uint8Array {
  const ends = new Uint8Array(vocabulary.offsets.length - 1);
  for (const id of vocabulary.byteEndIds ?? []) ends[id] = 1;
  vocabulary.results.forEach((id, rank) => {
    if (id >= 0) ends[id] = ends[vocabulary.rights[rank]!]!;
  });
  return ends;
}

function normalizerJSON(normalizer: Normalizer | undefined): object | null {
  if (normalizer === undefined) return null;
  const { steps } = normalizer;
  if (steps === undefined) {
    throw new UnsupportedTokenizerError(`tokenizer.json cannot express the normalizer ${normalizer.name}`);
  }
  return steps.length === 1 ? steps[0]! : { type: 'Sequence', normalizers: [...steps] };
}

function preTokenizerJSON({ pattern, addPrefixSpace = false, endOfWord }: TokenizerDefinition): object {
  const byteLevel = (use_regex: boolean) => ({
    type: 'ByteLevel',
    add_prefix_space: addPrefixSpace,
    trim_offsets: true,
    use_regex,
  });
  const known = knownPattern(pattern);
  if (known === 'gpt2') return byteLevel(true);
  const drops = endOfWord !== undefined;
  const split = {
    type: 'Split',
    pattern: { Regex: known === undefined ? pattern : patterns[known] },
    behavior: drops ? 'Removed' : 'Isolated',
    invert: drops,
  };
  return { type: 'Sequence', pretokenizers: [split, byteLevel(false)] };
}

/**
 * @throws {InvalidVocabularyError} not JSON, or a vocabulary that contradicts itself
 * @throws {UnsupportedTokenizerError} parts that this package does not know
 */
export function parseTokenizerJSON(source: string | object): TokenizerDefinition {
  const json = object(parsed(source), 'tokenizer.json');
  const model = object(json.model, 'model');
  if (model.type !== undefined && model.type !== 'BPE') {
    throw new UnsupportedTokenizerError(`model.type: expected BPE, received ${String(model.type)}`);
  }
  for (const field of ['continuing_subword_prefix', 'dropout'] as const) {
    if (model[field]) throw new UnsupportedTokenizerError(`model.${field}: not supported`);
  }
  if (model.byte_fallback === true) throw new UnsupportedTokenizerError('model.byte_fallback: not supported');
  const endOfWord = typeof model.end_of_word_suffix === 'string' ? model.end_of_word_suffix : '';
  const vocab = object(model.vocab, 'model.vocab') as Record<string, number>;
  const added = addedTokens(json.added_tokens);
  const vocabulary = vocabularyFromMerges(
    vocab,
    mergePairs(model.merges),
    endOfWord,
    new Set(added.map((token) => token.content)),
  );
  const { pattern, addPrefixSpace } = preTokenizer(json.pre_tokenizer, endOfWord !== '');
  const alwaysSpecial = new Set(added.filter((token) => !token.special).map((token) => token.content));
  const taken = new Set<number>();
  for (const { id, content } of added) {
    const other = id < vocabulary.offsets.length - 1 && vocabulary.offsets[id + 1]! > vocabulary.offsets[id]!;
    if (other || taken.has(id)) {
      throw new InvalidVocabularyError(
        `added_tokens: ${JSON.stringify(content)} has the id ${id} of another token`,
      );
    }
    taken.add(id);
  }
  return {
    vocabulary,
    pattern,
    wholePieces: model.ignore_merges === true,
    specialTokens: new Map(added.map((token) => [token.content, token.id])),
    ...(alwaysSpecial.size > 0 ? { alwaysSpecial } : {}),
    ...(addPrefixSpace ? { addPrefixSpace } : {}),
    ...(endOfWord !== '' ? { endOfWord } : {}),
    normalizer: normalizer(json.normalizer),
  };
}

function parsed(source: string | object): unknown {
  if (typeof source !== 'string') return source;
  try {
    return JSON.parse(source);
  } catch (cause) {
    throw new InvalidVocabularyError('tokenizer.json is not JSON; is it cut off?', { cause });
  }
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new InvalidVocabularyError(`${name}: expected an object`);
}

function mergePairs(merges: unknown): [string, string][] {
  if (!Array.isArray(merges)) throw new InvalidVocabularyError('model.merges: expected a list');
  return merges.map((merge: unknown, rank) => {
    const parts = typeof merge === 'string' ? merge.split(' ') : merge;
    if (
      Array.isArray(parts) &&
      parts.length === 2 &&
      parts.every((part) => typeof part === 'string' && part !== '')
    ) {
      return parts as [string, string];
    }
    throw new InvalidVocabularyError(
      `model.merges: merge ${rank} is not a pair of tokens: ${JSON.stringify(merge)}`,
    );
  });
}

function addedTokens(value: unknown): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new InvalidVocabularyError('added_tokens: expected a list');
  return value.map((entry) => {
    const token = object(entry, 'added_tokens') as Partial<AddedToken>;
    if (
      typeof token.content !== 'string' ||
      token.content === '' ||
      !Number.isInteger(token.id) ||
      token.id! < 0
    ) {
      throw new InvalidVocabularyError('added_tokens: expected tokens with content and id');
    }
    if (!token.special && (token.lstrip || token.rstrip || token.single_word)) {
      throw new UnsupportedTokenizerError(
        `added_tokens: ${JSON.stringify(token.content)} asks for lstrip, rstrip or single_word, which are not supported`,
      );
    }
    return token as AddedToken;
  });
}

function preTokenizer(value: unknown, drops: boolean): { pattern: string; addPrefixSpace: boolean } {
  const steps: Record<string, unknown>[] = [];
  const collect = (entry: unknown) => {
    const step = object(entry, 'pre_tokenizer');
    if (step.type !== 'Sequence') steps.push(step);
    else if (Array.isArray(step.pretokenizers)) step.pretokenizers.forEach(collect);
    else throw new InvalidVocabularyError('pre_tokenizer.pretokenizers: expected a list');
  };
  collect(value);
  const byteLevel = steps[steps.length - 1]!;
  if (byteLevel.type !== 'ByteLevel') {
    throw new UnsupportedTokenizerError(
      `pre_tokenizer: expected ByteLevel at the end, found ${String(byteLevel.type)}`,
    );
  }
  const addPrefixSpace = byteLevel.add_prefix_space === true;
  const usesRegex = byteLevel.use_regex !== false;
  if (steps.length === 1) {
    if (usesRegex) return { pattern: patterns.gpt2, addPrefixSpace };
    return { pattern: '[^]+', addPrefixSpace };
  }
  const split = steps[0]!;
  if (steps.length > 2 || split.type !== 'Split' || (usesRegex && !drops)) {
    throw new UnsupportedTokenizerError(
      `pre_tokenizer: ${steps.map((step) => String(step.type)).join(' + ')} is not supported; one Split and ByteLevel without its own regex are`,
    );
  }
  const regex = object(split.pattern, 'pre_tokenizer.pattern').Regex;
  const behavior = String(split.behavior).toLowerCase();
  const matchesAreKept = drops ? behavior === 'removed' && split.invert === true : behavior === 'isolated';
  if (typeof regex !== 'string' || !matchesAreKept) {
    throw new UnsupportedTokenizerError(
      'pre_tokenizer: Split is supported with a Regex and the behavior Isolated',
    );
  }
  return { pattern: regex, addPrefixSpace };
}

function normalizer(value: unknown): Normalizer | undefined {
  if (value === undefined || value === null) return undefined;
  const steps: NormalizationStep[] = [];
  const collect = (entry: unknown) => {
    const step = object(entry, 'normalizer');
    if (step.type === 'Sequence' && Array.isArray(step.normalizers)) step.normalizers.forEach(collect);
    else if (/^(NFK?[CD]|Lowercase|Replace)$/.test(String(step.type))) steps.push(step as NormalizationStep);
    else throw new UnsupportedTokenizerError(`normalizer: ${String(step.type)} is not supported`);
  };
  collect(value);
  return steps.length === 0 ? undefined : normalizerOf(steps);
}
