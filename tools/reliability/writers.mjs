// Every writer, writing versions 0, 1, 2, … of one thing to one path. `read` gives the version found there; it throws
// when what it finds is not one whole version. Each stands in a module of its own: a process that is killed two hundred
// times loads only what it writes with.
export const writers = {
  safetensors: () => import('./writers/safetensors.mjs'),
  'GPT.save': () => import('./writers/gpt.mjs'),
  'LoRA.save': () => import('./writers/lora.mjs'),
  'CLIP.save': () => import('./writers/clip.mjs'),
  'ScalarHeadModel.save': () => import('./writers/scalar-head.mjs'),
  'tokenizer.json': () => import('./writers/byte-level-tokenizer.mjs'),
  'BPETokenizer.save': () => import('./writers/bpe-tokenizer.mjs'),
  'token shard': () => import('./writers/token-shard.mjs'),
};
