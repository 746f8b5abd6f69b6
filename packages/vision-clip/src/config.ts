import { ClipConfigError } from './errors.js';

/**
 * `quick` is x·σ(1.702x), what OpenAI trained with; `erf` the exact GELU of most open_clip models; `tanh` its
 * approximation. A checkpoint run with the wrong one still looks plausible and is several points worse.
 */
export type Activation = 'quick' | 'erf' | 'tanh';

/** Vision transformer. Dosovitskiy et al. 2021, with CLIP's extra layer norm before the blocks. */
export interface VitConfig {
  readonly kind: 'vit';
  /** Side of the square input, pixels. */
  readonly imageSize: number;
  readonly patchSize: number;
  readonly nEmbd: number;
  readonly nLayer: number;
  readonly nHead: number;
  /** Width of the MLP. */
  readonly nInner: number;
  readonly activation: Activation;
  readonly layerNormEpsilon: number;
}

/** CLIP's ResNet: three-convolution stem, blur pooling instead of strides, attention pooling at the end. */
export interface ResNetConfig {
  readonly kind: 'resnet';
  readonly imageSize: number;
  /** Bottleneck blocks per stage. */
  readonly layers: readonly [number, number, number, number];
  /** Channels after the stem; stages have 4, 8, 16 and 32 times as many. */
  readonly width: number;
  /** Heads of the attention pooling. */
  readonly nHead: number;
  readonly batchNormEpsilon: number;
  /** Share of the new batch in the running statistics. */
  readonly batchNormMomentum: number;
}

export interface TextConfig {
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly nEmbd: number;
  readonly nLayer: number;
  readonly nHead: number;
  readonly nInner: number;
  readonly activation: Activation;
  readonly layerNormEpsilon: number;
  readonly bosTokenId: number;
  /** The text is read off the first position with this id. */
  readonly eosTokenId: number;
  /** Old configs name a wrong end token; the text is then read off the first position of its highest id. */
  readonly poolAtHighestId: boolean;
  readonly padTokenId: number;
}

export interface ClipConfig {
  /** Width of the shared space. */
  readonly embedDim: number;
  readonly vision?: VitConfig | ResNetConfig;
  readonly text?: TextConfig;
  /** Logarithm of the initial scale of the similarities. Default ln(1/0.07). */
  readonly logitScaleInit: number;
  /** SigLIP's bias of the similarities; without it the model has none. */
  readonly logitBiasInit?: number;
}

/** ln(1/0.07), Radford et al. 2021 section 2.5. */
export const defaultLogitScale = Math.log(1 / 0.07);

const openaiText = (nEmbd: number, nHead: number): TextConfig => ({
  contextLength: 77,
  vocabSize: 49_408,
  nEmbd,
  nLayer: 12,
  nHead,
  nInner: 4 * nEmbd,
  activation: 'quick',
  layerNormEpsilon: 1e-5,
  bosTokenId: 49_406,
  eosTokenId: 49_407,
  poolAtHighestId: false,
  padTokenId: 0,
});

function vit(
  imageSize: number,
  patchSize: number,
  nEmbd: number,
  nLayer: number,
  embedDim: number,
): ClipConfig {
  return {
    embedDim,
    vision: {
      kind: 'vit',
      imageSize,
      patchSize,
      nEmbd,
      nLayer,
      nHead: nEmbd / 64,
      nInner: 4 * nEmbd,
      activation: 'quick',
      layerNormEpsilon: 1e-5,
    },
    text: openaiText(embedDim, embedDim / 64),
    logitScaleInit: defaultLogitScale,
  };
}

function resnet(
  imageSize: number,
  layers: ResNetConfig['layers'],
  width: number,
  embedDim: number,
  textWidth: number,
): ClipConfig {
  return {
    embedDim,
    vision: {
      kind: 'resnet',
      imageSize,
      layers,
      width,
      nHead: (width * 32) / 64,
      batchNormEpsilon: 1e-5,
      batchNormMomentum: 0.1,
    },
    text: openaiText(textWidth, textWidth / 64),
    logitScaleInit: defaultLogitScale,
  };
}

/** The nine models of the paper (Radford et al. 2021, tables 19 and 20), as published. */
export const presets = {
  RN50: resnet(224, [3, 4, 6, 3], 64, 1024, 512),
  RN101: resnet(224, [3, 4, 23, 3], 64, 512, 512),
  RN50x4: resnet(288, [4, 6, 10, 6], 80, 640, 640),
  RN50x16: resnet(384, [6, 8, 18, 8], 96, 768, 768),
  RN50x64: resnet(448, [3, 15, 36, 10], 128, 1024, 1024),
  'ViT-B/32': vit(224, 32, 768, 12, 512),
  'ViT-B/16': vit(224, 16, 768, 12, 512),
  'ViT-L/14': vit(224, 14, 1024, 24, 768),
  'ViT-L/14@336px': vit(336, 14, 1024, 24, 768),
} as const satisfies Record<string, ClipConfig>;

export type PresetName = keyof typeof presets;

/** Far above any model: a damaged file must not make a list of a billion layers. */
const MOST_LAYERS = 10_000;

/** Checks a config field by field. @throws {ClipConfigError} */
export function validateConfig(config: ClipConfig): ClipConfig {
  const integer = (field: string, value: number, minimum = 1, maximum = 2 ** 31 - 1) => {
    if (!Number.isSafeInteger(value) || value < minimum || value > maximum) {
      throw new ClipConfigError(field, `must be an integer from ${minimum} to ${maximum}, received ${value}`);
    }
  };
  const divides = (field: string, value: number, divisor: number, why: string) => {
    if (value % divisor !== 0)
      throw new ClipConfigError(field, `must be a multiple of ${why} (${divisor}), is ${value}`);
  };
  const { vision, text } = config;
  integer('embedDim', config.embedDim);
  if (!vision && !text)
    throw new ClipConfigError('config', 'must describe a vision tower, a text tower or both');
  if (!Number.isFinite(config.logitScaleInit)) {
    throw new ClipConfigError('logitScaleInit', `must be a number, received ${config.logitScaleInit}`);
  }
  if (vision?.kind === 'vit') {
    for (const field of ['imageSize', 'patchSize', 'nEmbd', 'nHead', 'nInner'] as const) {
      integer(`vision.${field}`, vision[field]);
    }
    integer('vision.nLayer', vision.nLayer, 0, MOST_LAYERS);
    divides('vision.nEmbd', vision.nEmbd, vision.nHead, 'vision.nHead');
    if (vision.imageSize < vision.patchSize) {
      throw new ClipConfigError(
        'vision.imageSize',
        `must be at least vision.patchSize (${vision.patchSize})`,
      );
    }
  } else if (vision) {
    for (const field of ['imageSize', 'width', 'nHead'] as const) integer(`vision.${field}`, vision[field]);
    vision.layers.forEach((count, i) => {
      integer(`vision.layers[${i}]`, count, 1, MOST_LAYERS);
    });
    divides('vision.imageSize', vision.imageSize, 32, 'the total stride');
    divides('vision.width', vision.width, 2, 'two, for the stem,');
    divides('32 × vision.width', vision.width * 32, vision.nHead, 'vision.nHead');
  }
  if (text) {
    for (const field of ['contextLength', 'vocabSize', 'nEmbd', 'nHead', 'nInner'] as const) {
      integer(`text.${field}`, text[field]);
    }
    integer('text.nLayer', text.nLayer, 0, MOST_LAYERS);
    divides('text.nEmbd', text.nEmbd, text.nHead, 'text.nHead');
    for (const field of ['eosTokenId', 'bosTokenId', 'padTokenId'] as const) {
      integer(`text.${field}`, text[field], 0);
      // A wrong id in an old config is harmless where the text is pooled at its highest id.
      if (text[field] >= text.vocabSize && !text.poolAtHighestId) {
        throw new ClipConfigError(
          `text.${field}`,
          `must be below text.vocabSize (${text.vocabSize}), is ${text[field]}`,
        );
      }
    }
  }
  return config;
}
