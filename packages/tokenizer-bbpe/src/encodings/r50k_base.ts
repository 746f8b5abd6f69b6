import { r50kPairs } from '../../data/r50k_base.js';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import type { TokenizerDefinition } from '../definition.js';
import { patterns } from '../patterns.js';
import { vocabularyFromPairs } from '../vocabulary.js';

let instance: ByteLevelBPETokenizer | undefined;

/** GPT-2 and GPT-3: 50,257 tokens. Built once, on the first call. */
export function r50k_base(): ByteLevelBPETokenizer {
  instance ??= new ByteLevelBPETokenizer(r50kDefinition());
  return instance;
}

function r50kDefinition(): TokenizerDefinition {
  return {
    vocabulary: vocabularyFromPairs([{ from: 256, pairs: r50kPairs }]),
    pattern: patterns.gpt2,
    wholePieces: true,
    specialTokens: new Map([['<|endoftext|>', 50256]]),
  };
}
