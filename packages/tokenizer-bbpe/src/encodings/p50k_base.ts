import { p50kPairs } from '../../data/p50k_base.js';
import { r50kPairs } from '../../data/r50k_base.js';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import { patterns } from '../patterns.js';
import { vocabularyFromPairs } from '../vocabulary.js';

let instance: ByteLevelBPETokenizer | undefined;

/** Codex: r50k_base, and tokens for runs of spaces after its special token. 50,281 tokens. Built on the first call. */
export function p50k_base(): ByteLevelBPETokenizer {
  instance ??= new ByteLevelBPETokenizer({
    vocabulary: vocabularyFromPairs([
      { from: 256, pairs: r50kPairs },
      { from: 50257, pairs: p50kPairs },
    ]),
    pattern: patterns.gpt2,
    wholePieces: true,
    specialTokens: new Map([['<|endoftext|>', 50256]]),
  });
  return instance;
}
