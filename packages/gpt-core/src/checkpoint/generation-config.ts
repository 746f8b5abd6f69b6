import type { GPTConfig } from '../config/config.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';

/** What transformers' `generate` starts from. */
export function generationConfig(
  config: GPTConfig,
  tokenizer: Tokenizer | undefined,
): Record<string, unknown> {
  const eos = config.eosTokenId ?? tokenizer?.eosTokenId ?? null;
  return {
    _from_model_config: true,
    bos_token_id: config.bosTokenId,
    eos_token_id: eos,
    pad_token_id: config.padTokenId ?? eos,
  };
}
