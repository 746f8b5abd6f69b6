import { InvalidOptionError } from '@gpt-lineage/tokenizer-bpe';
import type { ByteLevelBPETokenizer } from './byte-level-tokenizer.js';

const loaders = {
  gpt2: async () => (await import('./encodings/r50k_base.js')).r50k_base(),
  r50k_base: async () => (await import('./encodings/r50k_base.js')).r50k_base(),
  p50k_base: async () => (await import('./encodings/p50k_base.js')).p50k_base(),
  cl100k_base: async () => (await import('./encodings/cl100k_base.js')).cl100k_base(),
  o200k_base: async () => (await import('./encodings/o200k_base.js')).o200k_base(),
  clip: async () => (await import('./encodings/clip.js')).clip(),
  o200k_harmony: async () => (await import('./encodings/o200k_base.js')).o200k_harmony(),
} satisfies Record<string, () => Promise<ByteLevelBPETokenizer>>;

export type EncodingName = keyof typeof loaders;

/** Names that `getEncoding` knows. */
export const encodingNames = Object.keys(loaders) as EncodingName[];

/**
 * A built-in encoding. Its data is loaded on demand (a separate chunk for bundlers) and kept. To have it at once,
 * import its entry point instead: `import { cl100k_base } from '@gpt-lineage/tokenizer-bbpe/cl100k_base'`.
 *
 * @throws {InvalidOptionError} when there is no encoding of that name
 */
export async function getEncoding(name: EncodingName): Promise<ByteLevelBPETokenizer> {
  if (!Object.hasOwn(loaders, name)) {
    throw new InvalidOptionError(
      `unknown encoding ${JSON.stringify(name)}: there are ${encodingNames.join(', ')}`,
    );
  }
  return loaders[name]();
}
