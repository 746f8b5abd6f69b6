import { cl100kPairs } from '../../data/cl100k_base.js';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import { patterns } from '../patterns.js';
import { vocabularyFromPairs } from '../vocabulary.js';

let instance: ByteLevelBPETokenizer | undefined;

/** GPT-3.5 and GPT-4: 100,277 tokens. Built once, on the first call. */
export function cl100k_base(): ByteLevelBPETokenizer {
  instance ??= new ByteLevelBPETokenizer({
    vocabulary: vocabularyFromPairs([{ from: 256, pairs: cl100kPairs }]),
    pattern: patterns.cl100k,
    wholePieces: true,
    specialTokens: new Map([
      ['<|endoftext|>', 100257],
      ['<|fim_prefix|>', 100258],
      ['<|fim_middle|>', 100259],
      ['<|fim_suffix|>', 100260],
      ['<|endofprompt|>', 100276],
    ]),
  });
  return instance;
}
