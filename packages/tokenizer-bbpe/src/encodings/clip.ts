import { fixText, unescapeHtml } from '@gpt-lineage/tokenizer-bpe/text-fixing';
import { clipPairs } from '../../data/clip.js';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import type { Normalizer } from '../normalization.js';
import { patterns } from '../patterns.js';
import { clipVocabulary } from '../vocabulary.js';

const space = '\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const whiteSpace = new RegExp(`[${space}]+`, 'g');
/** What Python's `strip` and `split` take: also the separators U+001C to U+001F. */
const whiteSpaceAndSeparators = new RegExp(`[${space}\\x1c-\\x1f]+`, 'g');
const ends = new RegExp(`^[${space}\\x1c-\\x1f]+|[${space}\\x1c-\\x1f]+$`, 'g');

/** How open_clip and OpenAI's CLIP clean a text: ftfy, HTML entities twice, single spaces, lower case. */
export function cleanForClip(text: string): string {
  return cleanWithoutFtfy(fixText(text));
}

function cleanWithoutFtfy(text: string, blanks = whiteSpace): string {
  const lower = unescapeHtml(unescapeHtml(text)).replace(ends, '').replace(blanks, ' ').toLowerCase();
  // The one character that no part of the pattern matches when case is ignored (U+0345 folds to a letter, and is none).
  return lower.replaceAll('\u0345', ' ');
}

const normalizers: Record<string, Normalizer> = {
  ftfy: { name: 'clip', normalize: cleanForClip },
  openai: { name: 'clip-without-ftfy', normalize: (text) => cleanWithoutFtfy(text) },
  open_clip: {
    name: 'clip-without-ftfy-open_clip',
    normalize: (text) => cleanWithoutFtfy(text, whiteSpaceAndSeparators),
  },
};

export interface ClipOptions {
  /**
   * The spelling of the two special tokens in texts: OpenAI's `<|startoftext|>` and `<|endoftext|>`, or open_clip's
   * `<start_of_text>` and `<end_of_text>`. Default: `'openai'`.
   */
  specialTokens?: 'openai' | 'open_clip';
  /** Whether texts are mended first, as both do where ftfy is installed. Default: `true`. */
  ftfy?: boolean;
}

const instances = new Map<string, ByteLevelBPETokenizer>();

/**
 * CLIP (Radford et al. 2021, section 2.4): lower-cased byte-level BPE with `</w>`, 49,408 tokens. Built once per choice
 * of options. As in the reference, the special tokens are recognised in every text, in any case of letters; the
 * start and end tokens are not added: that is the model's input format.
 */
export function clip({ specialTokens = 'openai', ftfy = true }: ClipOptions = {}): ByteLevelBPETokenizer {
  const key = `${specialTokens} ${ftfy}`;
  let instance = instances.get(key);
  if (instance === undefined) {
    const [start, end] =
      specialTokens === 'openai'
        ? ['<|startoftext|>', '<|endoftext|>']
        : ['<start_of_text>', '<end_of_text>'];
    instance = new ByteLevelBPETokenizer({
      vocabulary: clipVocabulary(clipPairs),
      pattern: patterns.clip,
      wholePieces: false,
      specialTokens: new Map([
        [start!, 49406],
        [end!, 49407],
      ]),
      alwaysSpecial: new Set([start!, end!]),
      endOfWord: '</w>',
      normalizer: normalizers[ftfy ? 'ftfy' : specialTokens],
    });
    instances.set(key, instance);
  }
  return instance;
}
