import { o200kPairs } from '../../data/o200k_base.js';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';
import { patterns } from '../patterns.js';
import { vocabularyFromPairs } from '../vocabulary.js';

let base: ByteLevelBPETokenizer | undefined;
let harmony: ByteLevelBPETokenizer | undefined;

/** GPT-4o: 200,019 tokens. Built once, on the first call. */
export function o200k_base(): ByteLevelBPETokenizer {
  base ??= new ByteLevelBPETokenizer({
    vocabulary: vocabularyFromPairs([{ from: 256, pairs: o200kPairs }]),
    pattern: patterns.o200k,
    wholePieces: true,
    specialTokens: new Map([
      ['<|endoftext|>', 199999],
      ['<|endofprompt|>', 200018],
    ]),
  });
  return base;
}

/** gpt-oss: o200k_base with the special tokens of the harmony format. 201,088 tokens. */
export function o200k_harmony(): ByteLevelBPETokenizer {
  harmony ??= new ByteLevelBPETokenizer({ ...o200k_base().definition, specialTokens: harmonyTokens() });
  return harmony;
}

/** The named tokens, and a reserved one for every other id up to 201,087. */
function harmonyTokens(): Map<string, number> {
  const named = [
    ['<|startoftext|>', 199998],
    ['<|endoftext|>', 199999],
    ['<|return|>', 200002],
    ['<|constrain|>', 200003],
    ['<|channel|>', 200005],
    ['<|start|>', 200006],
    ['<|end|>', 200007],
    ['<|message|>', 200008],
    ['<|call|>', 200012],
  ] as const;
  const ids = new Set<number>(named.map(([, id]) => id));
  const tokens = new Map<string, number>(named);
  for (let id = 200000; id < 201088; id++) if (!ids.has(id)) tokens.set(`<|reserved_${id}|>`, id);
  // 200018 has two names; decoding gives this one.
  tokens.set('<|endofprompt|>', 200018);
  return tokens;
}
