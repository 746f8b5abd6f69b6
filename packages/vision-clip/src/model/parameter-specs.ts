import type { ClipConfig, ResNetConfig, TextConfig, VitConfig } from '../config.js';

/** How a fresh parameter is filled: a constant, or normal noise with this deviation. */
export type Initializer = { readonly constant: number } | { readonly normal: number };

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Initializer;
  /** Running statistics of batch norm are state, not trained. */
  readonly trainable: boolean;
}

type Add = (name: string, shape: readonly number[], init: Initializer, trainable?: boolean) => void;

const zeros = { constant: 0 };
const ones = { constant: 1 };

/**
 * Every tensor of a model with its shape. Matrices are `[out, in]` as in PyTorch, convolutions
 * `[height, width, in, out]` as in TensorFlow, query, key and value one matrix `[3·nEmbd, nEmbd]`.
 * Deviations follow OpenAI's initialisation: nEmbd^−½, residual outputs also divided by √(2·nLayer).
 */
export function parameterSpecs(config: ClipConfig): ParameterSpec[] {
  const specs: ParameterSpec[] = [];
  const add: Add = (name, shape, init, trainable = true) => specs.push({ name, shape, init, trainable });
  const { vision, text, embedDim } = config;
  if (vision?.kind === 'vit') vitSpecs(vision, embedDim, add);
  if (vision?.kind === 'resnet') resnetSpecs(vision, embedDim, add);
  if (text) textSpecs(text, embedDim, add);
  if (vision && text) {
    add('logitScale', [], { constant: config.logitScaleInit });
    if (config.logitBiasInit !== undefined) add('logitBias', [], { constant: config.logitBiasInit });
  }
  return specs;
}

function vitSpecs(config: VitConfig, embedDim: number, add: Add): void {
  const { nEmbd, patchSize, imageSize } = config;
  const scale = { normal: nEmbd ** -0.5 };
  const patchLength = 3 * patchSize ** 2;
  const patches = Math.floor(imageSize / patchSize) ** 2;
  add('vision.classEmbedding', [nEmbd], scale);
  add('vision.patchEmbedding', [nEmbd, patchLength], { normal: (3 * patchLength) ** -0.5 });
  add('vision.positionEmbedding', [patches + 1, nEmbd], scale);
  layerNorm('vision.preNorm', nEmbd, add);
  blockSpecs('vision', config, add);
  layerNorm('vision.postNorm', nEmbd, add);
  add('vision.projection', [embedDim, nEmbd], scale);
}

function textSpecs(config: TextConfig, embedDim: number, add: Add): void {
  const { nEmbd } = config;
  add('text.tokenEmbedding', [config.vocabSize, nEmbd], { normal: 0.02 });
  add('text.positionEmbedding', [config.contextLength, nEmbd], { normal: 0.01 });
  blockSpecs('text', config, add);
  layerNorm('text.finalNorm', nEmbd, add);
  add('text.projection', [embedDim, nEmbd], { normal: nEmbd ** -0.5 });
}

function blockSpecs(tower: string, config: VitConfig | TextConfig, add: Add): void {
  const { nEmbd, nInner, nLayer } = config;
  const residual = { normal: nEmbd ** -0.5 * (2 * nLayer) ** -0.5 };
  for (let i = 0; i < nLayer; i++) {
    const block = `${tower}.blocks.${i}`;
    layerNorm(`${block}.norm1`, nEmbd, add);
    dense(`${block}.attention.qkv`, 3 * nEmbd, nEmbd, { normal: nEmbd ** -0.5 }, add);
    dense(`${block}.attention.out`, nEmbd, nEmbd, residual, add);
    layerNorm(`${block}.norm2`, nEmbd, add);
    dense(`${block}.mlp.up`, nInner, nEmbd, { normal: (2 * nEmbd) ** -0.5 }, add);
    dense(`${block}.mlp.down`, nEmbd, nInner, residual, add);
  }
}

function resnetSpecs(config: ResNetConfig, embedDim: number, add: Add): void {
  const { width, layers, imageSize } = config;
  const convolution = (name: string, size: number, input: number, output: number) => {
    add(`${name}.weight`, [size, size, input, output], { normal: Math.sqrt(2 / (size * size * input)) });
  };
  const stem: [number, number][] = [
    [3, width / 2],
    [width / 2, width / 2],
    [width / 2, width],
  ];
  stem.forEach(([input, output], i) => {
    convolution(`vision.stem.conv${i + 1}`, 3, input, output);
    batchNorm(`vision.stem.norm${i + 1}`, output, ones, add);
  });
  let input = width;
  layers.forEach((count, stage) => {
    const inner = width * 2 ** stage;
    for (let i = 0; i < count; i++) {
      const block = `vision.stages.${stage}.${i}`;
      convolution(`${block}.conv1`, 1, input, inner);
      batchNorm(`${block}.norm1`, inner, ones, add);
      convolution(`${block}.conv2`, 3, inner, inner);
      batchNorm(`${block}.norm2`, inner, ones, add);
      convolution(`${block}.conv3`, 1, inner, inner * 4);
      // Starting at zero makes every block the identity at first, as OpenAI does.
      batchNorm(`${block}.norm3`, inner * 4, zeros, add);
      if (i === 0) {
        convolution(`${block}.shortcut`, 1, input, inner * 4);
        batchNorm(`${block}.shortcutNorm`, inner * 4, ones, add);
      }
      input = inner * 4;
    }
  });
  const channels = width * 32;
  const positions = (imageSize / 32) ** 2 + 1;
  const scale = { normal: channels ** -0.5 };
  add('vision.attentionPool.position', [positions, channels], scale);
  for (const part of ['query', 'key', 'value'])
    dense(`vision.attentionPool.${part}`, channels, channels, scale, add);
  dense('vision.attentionPool.out', embedDim, channels, scale, add);
}

function dense(name: string, outputs: number, inputs: number, init: Initializer, add: Add): void {
  add(`${name}.weight`, [outputs, inputs], init);
  add(`${name}.bias`, [outputs], zeros);
}

function layerNorm(name: string, width: number, add: Add): void {
  add(`${name}.gain`, [width], ones);
  add(`${name}.bias`, [width], zeros);
}

function batchNorm(name: string, channels: number, gain: Initializer, add: Add): void {
  add(`${name}.gain`, [channels], gain);
  add(`${name}.bias`, [channels], zeros);
  add(`${name}.mean`, [channels], zeros, false);
  add(`${name}.variance`, [channels], ones, false);
}

/** Number of trained values. The published totals: RN50 102.0 M, ViT-B/32 151.3 M, ViT-L/14@336px 427.9 M. */
export function countParameters(config: ClipConfig): number {
  return parameterSpecs(config)
    .filter((spec) => spec.trainable)
    .reduce((sum, { shape }) => sum + shape.reduce((product, axis) => product * axis, 1), 0);
}
