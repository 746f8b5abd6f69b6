import { CLIP, type ClipConfig, defaultLogitScale, Random, type RawImage } from '@gpt-lineage/vision-clip';
import {
  ByteTokenizer,
  jinjaTemplate,
  type MultimodalConfigInput,
  MultimodalGPT,
  SubwordTokenizer,
} from '../../src/index.js';

/** Two by two patches of eight pixels. */
export const vit: ClipConfig = {
  embedDim: 8,
  vision: {
    kind: 'vit',
    imageSize: 16,
    patchSize: 8,
    nEmbd: 12,
    nLayer: 3,
    nHead: 2,
    nInner: 24,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
  },
  logitScaleInit: defaultLogitScale,
};

export const resnet: ClipConfig = {
  embedDim: 8,
  vision: {
    kind: 'resnet',
    imageSize: 64,
    layers: [1, 1, 1, 1],
    width: 4,
    nHead: 2,
    batchNormEpsilon: 1e-5,
    batchNormMomentum: 0.1,
  },
  text: {
    contextLength: 8,
    vocabSize: 20,
    nEmbd: 8,
    nLayer: 1,
    nHead: 1,
    nInner: 8,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
    bosTokenId: 0,
    eosTokenId: 1,
    poolAtHighestId: false,
    padTokenId: 1,
  },
  logitScaleInit: defaultLogitScale,
};

export const sizes = { contextLength: 64, nLayer: 2, nHead: 2, nEmbd: 16, initializerRange: 0.3 } as const;

/** A model over bytes: text needs no vocabulary. */
export function tinyModel(
  vision: MultimodalConfigInput['vision'] = { projector: 'mlp' },
  config: Omit<MultimodalConfigInput, 'vision'> = {},
  encoder: ClipConfig = vit,
): MultimodalGPT {
  const tokenizer = new ByteTokenizer();
  return MultimodalGPT.create(
    { vocabSize: tokenizer.vocabSize, ...sizes, ...config, vision },
    { clip: CLIP.create(encoder, { seed: 3 }), seed: 5, tokenizer },
  );
}

export const turnTokens = ['<|system|>', '<|user|>', '<|assistant|>', '<|end|>'];
export const turns = jinjaTemplate(
  "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.role == 'assistant' %}<|end|>{% endif %}{% endfor %}" +
    '{% if add_generation_prompt %}<|assistant|>{% endif %}',
  { stop: ['<|end|>'] },
);

/** A model with special tokens for the turns of a dialogue. */
export async function chatModel(contextLength = 96): Promise<MultimodalGPT> {
  const tokenizer = await SubwordTokenizer.train(['what color is it? red green'], {
    vocabSize: 270,
    specialTokens: turnTokens,
  });
  return MultimodalGPT.create(
    { vocabSize: tokenizer.vocabSize, ...sizes, contextLength, vision: { projector: 'linear' } },
    { clip: CLIP.create(vit, { seed: 3 }), seed: 5, tokenizer, template: turns },
  );
}

/** Noise, so that no two images are alike. */
export function picture(seed: number, width = 16, height = width): RawImage {
  const random = new Random(seed);
  const data = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
  return { width, height, channels: 3, data };
}
