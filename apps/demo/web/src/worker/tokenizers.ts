import { type Remote, wrap } from 'comlink';
import type { TokenizerApi } from './tokenizer.worker.js';

let remote: Remote<TokenizerApi> | undefined;

/** The tokenizers, in a worker of their own; started when first asked for. */
export function tokenizers(): Remote<TokenizerApi> {
  remote ??= wrap<TokenizerApi>(
    new Worker(new URL('./tokenizer.worker.ts', import.meta.url), { type: 'module' }),
  );
  return remote;
}
