import { type GPTConfig, type GPTConfigInput, parseConfig } from './config.js';

/** GPT-3's table 2.1 as printed, where it contradicts itself as well (24 x 128 is not 2048, 40 x 128 not 5140). */
export interface PrintedSize {
  readonly name: string;
  readonly parameters: string;
  readonly nLayer: number;
  readonly nEmbd: number;
  readonly nHead: number;
  readonly headDim: number;
  readonly batchTokens: number;
  readonly learningRate: number;
}

const printed = (
  name: string,
  parameters: string,
  nLayer: number,
  nEmbd: number,
  nHead: number,
  headDim: number,
  batchTokens: number,
  learningRate: number,
): PrintedSize => ({ name, parameters, nLayer, nEmbd, nHead, headDim, batchTokens, learningRate });

/** Brown et al. 2020, table 2.1, as printed. The presets hold values that work. */
export const gpt3PrintedSizes: readonly PrintedSize[] = [
  printed('GPT-3 Small', '125M', 12, 768, 12, 64, 0.5e6, 6.0e-4),
  printed('GPT-3 Medium', '350M', 24, 1024, 16, 64, 0.5e6, 3.0e-4),
  printed('GPT-3 Large', '760M', 24, 1536, 16, 96, 0.5e6, 2.5e-4),
  printed('GPT-3 XL', '1.3B', 24, 2048, 24, 128, 1e6, 2.0e-4),
  printed('GPT-3 2.7B', '2.7B', 32, 2560, 32, 80, 1e6, 1.6e-4),
  printed('GPT-3 6.7B', '6.7B', 32, 4096, 32, 128, 2e6, 1.2e-4),
  printed('GPT-3 13B', '13.0B', 40, 5140, 40, 128, 2e6, 1.0e-4),
  printed('GPT-3 175B', '175.0B', 96, 12288, 96, 128, 3.2e6, 0.6e-4),
];

// Radford et al. 2018, section 4.1: post-LN, dropout 0.1 everywhere, N(0, 0.02).
const gpt1 = (input: GPTConfigInput): GPTConfig =>
  parseConfig({
    vocabSize: 40478,
    contextLength: 512,
    nLayer: 12,
    nHead: 12,
    nEmbd: 768,
    normPlacement: 'post',
    embeddingDropout: 0.1,
    attentionDropout: 0.1,
    residualDropout: 0.1,
    residualScaledInit: false,
    ...input,
  });

// Radford et al. 2019, section 2.3. The released code drops 0.1 in training.
const gpt2 = (input: GPTConfigInput): GPTConfig =>
  parseConfig({
    embeddingDropout: 0.1,
    attentionDropout: 0.1,
    residualDropout: 0.1,
    bosTokenId: 50256,
    eosTokenId: 50256,
    ...input,
  });

// Brown et al. 2020, section 2.1: "alternating dense and locally banded sparse attention patterns in the layers".
// The paper prints no window; 256 is ours. It trains without dropout.
const gpt3 = (nLayer: number, nHead: number, nEmbd: number, input: GPTConfigInput = {}): GPTConfig =>
  parseConfig({
    contextLength: 2048,
    nLayer,
    nHead,
    nEmbd,
    layerPattern: ['dense', 'banded(256)'],
    bosTokenId: 50256,
    eosTokenId: 50256,
    ...input,
  });

// Chen et al. 2021, section 3.2: GPT-3 models with 24 more tokens for runs of spaces (p50k_base). The paper names
// the sizes by their parameters without embeddings; widths that it does not print follow from those.
const codex = (nLayer: number, nHead: number, nEmbd: number): GPTConfig =>
  gpt3(nLayer, nHead, nEmbd, { vocabSize: 50281 });

// GPT-4V's architecture is not published. This is the open recipe that answers the same inputs: a CLIP ViT-L/14 at
// 336 pixels whose 576 patch features enter as tokens (Liu et al. 2023, LLaVA-1.5), on a GPT-3 1.3B.
const gpt4v = (nLayer: number, nHead: number, nEmbd: number, input: GPTConfigInput = {}): GPTConfig =>
  gpt3(nLayer, nHead, nEmbd, {
    vocabSize: 100352, // cl100k_base and its special tokens, padded to a multiple of 128
    contextLength: 8192,
    bosTokenId: 100257,
    eosTokenId: 100257,
    vision: { nEmbd: 1024, imageTokens: 576, projector: 'mlp' },
    ...input,
  });

const tiny = {
  vocabSize: 512,
  contextLength: 64,
  nLayer: 4,
  nHead: 4,
  nEmbd: 64,
  bosTokenId: 511,
  eosTokenId: 511,
} as const;

const gpt1_117m = gpt1({});
const gpt2_124m = gpt2({});
const gpt2_355m = gpt2({ nLayer: 24, nHead: 16, nEmbd: 1024 });
const gpt2_774m = gpt2({ nLayer: 36, nHead: 20, nEmbd: 1280 });
const gpt2_1558m = gpt2({ nLayer: 48, nHead: 25, nEmbd: 1600 });
const gpt3_xl = gpt3(24, 16, 2048);
const gpt3_67b = gpt3(32, 32, 4096);
const gpt3_175b = gpt3(96, 96, 12288);

/**
 * Every published size, and a tiny sibling of each generation. GPT-2's sizes are also found under the names that
 * the paper prints (117M, 345M, 762M, 1542M) and under those of the Hugging Face hub.
 */
export const presets = {
  'gpt1-117m': gpt1_117m,
  'openai-gpt': gpt1_117m,

  'gpt2-124m': gpt2_124m,
  'gpt2-355m': gpt2_355m,
  'gpt2-774m': gpt2_774m,
  'gpt2-1558m': gpt2_1558m,
  'gpt2-117m': gpt2_124m,
  'gpt2-345m': gpt2_355m,
  'gpt2-762m': gpt2_774m,
  'gpt2-1542m': gpt2_1558m,
  gpt2: gpt2_124m,
  'gpt2-medium': gpt2_355m,
  'gpt2-large': gpt2_774m,
  'gpt2-xl': gpt2_1558m,

  'gpt3-125m': gpt3(12, 12, 768),
  'gpt3-350m': gpt3(24, 16, 1024),
  'gpt3-760m': gpt3(24, 16, 1536),
  'gpt3-1.3b': gpt3_xl,
  'gpt3-2.7b': gpt3(32, 32, 2560),
  'gpt3-6.7b': gpt3_67b,
  'gpt3-13b': gpt3(40, 40, 5120),
  'gpt3-175b': gpt3_175b,

  'instructgpt-1.3b': gpt3_xl,
  'instructgpt-6b': gpt3_67b,
  'instructgpt-175b': gpt3_175b,

  'codex-12m': codex(4, 8, 512),
  'codex-25m': codex(8, 8, 512),
  'codex-42m': codex(6, 12, 768),
  'codex-85m': codex(12, 12, 768),
  'codex-300m': codex(24, 16, 1024),
  'codex-679m': codex(24, 16, 1536),
  'codex-2.5b': codex(32, 32, 2560),
  'codex-12b': codex(40, 40, 5120),

  'gpt4v-like': gpt4v(24, 16, 2048),

  'gpt1-tiny': gpt1({ ...tiny, embeddingDropout: 0, attentionDropout: 0, residualDropout: 0 }),
  'gpt2-tiny': gpt2({ ...tiny, embeddingDropout: 0, attentionDropout: 0, residualDropout: 0 }),
  'gpt3-tiny': gpt3(4, 4, 64, { ...tiny, layerPattern: ['dense', 'banded(16)'] }),
  'instructgpt-tiny': gpt3(4, 4, 64, { ...tiny, layerPattern: ['dense', 'banded(16)'] }),
  'codex-tiny': gpt3(4, 4, 64, { ...tiny, layerPattern: ['dense', 'banded(16)'] }),
  'gpt4v-tiny': gpt4v(4, 4, 64, {
    ...tiny,
    layerPattern: ['dense', 'banded(16)'],
    vision: { nEmbd: 32, imageTokens: 16, projector: 'mlp' },
  }),
} as const satisfies Record<string, GPTConfig>;

export type PresetName = keyof typeof presets;
