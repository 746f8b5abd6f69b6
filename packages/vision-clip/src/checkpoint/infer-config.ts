import { type ClipConfig, defaultLogitScale, type TextConfig, validateConfig } from '../config.js';
import { CheckpointError } from '../errors.js';
import type { SafetensorsInfo } from '../safetensors/read.js';

type Tensors = ReadonlyMap<string, SafetensorsInfo>;

/**
 * The config of a checkpoint with OpenAI's names and no config file, read off its shapes as OpenAI's loader does:
 * heads are 64 wide, the activation is QuickGELU.
 *
 * @throws {CheckpointError}
 */
export function inferConfig(tensors: Tensors): ClipConfig {
  const shape = (name: string): readonly number[] => {
    const info = tensors.get(name);
    if (!info)
      throw new CheckpointError(`no config file, and no tensor "${name}" to tell the model's size from`);
    return info.shape;
  };
  const count = (pattern: RegExp): number => {
    const indices = new Set<string>();
    for (const name of tensors.keys()) {
      const index = pattern.exec(name)?.[1];
      if (index !== undefined) indices.add(index);
    }
    return indices.size;
  };
  const textPrefix = tensors.has('text.token_embedding.weight') ? 'text.' : '';
  const hasText = tensors.has(`${textPrefix}token_embedding.weight`);
  const vision = tensors.has('visual.proj') ? vitOf(shape, count) : resnetOf(shape, count);
  const text = hasText ? textOf(textPrefix, shape, count) : undefined;
  const embedDim = tensors.has('visual.proj')
    ? shape('visual.proj')[1]!
    : shape('visual.attnpool.c_proj.weight')[0]!;
  return validateConfig({
    embedDim,
    vision,
    ...(text ? { text } : {}),
    logitScaleInit: defaultLogitScale,
    ...(tensors.has('logit_bias') ? { logitBiasInit: -10 } : {}),
  });
}

type Shape = (name: string) => readonly number[];
type Count = (pattern: RegExp) => number;

function vitOf(shape: Shape, count: Count): NonNullable<ClipConfig['vision']> {
  const [nEmbd, , patchSize] = shape('visual.conv1.weight') as [number, number, number, number];
  const grid = Math.round(Math.sqrt(shape('visual.positional_embedding')[0]! - 1));
  return {
    kind: 'vit',
    imageSize: grid * patchSize,
    patchSize,
    nEmbd,
    nLayer: count(/^visual\.transformer\.resblocks\.(\d+)\./),
    nHead: Math.max(1, Math.round(nEmbd / 64)),
    nInner: shape('visual.transformer.resblocks.0.mlp.c_fc.weight')[0]!,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
  };
}

function resnetOf(shape: Shape, count: Count): NonNullable<ClipConfig['vision']> {
  const width = shape('visual.layer1.0.conv1.weight')[0]!;
  const grid = Math.round(Math.sqrt(shape('visual.attnpool.positional_embedding')[0]! - 1));
  const layers = [1, 2, 3, 4].map((stage) => count(new RegExp(`^visual\\.layer${stage}\\.(\\d+)\\.`)));
  return {
    kind: 'resnet',
    imageSize: grid * 32,
    layers: layers as [number, number, number, number],
    width,
    nHead: Math.max(1, Math.round((width * 32) / 64)),
    batchNormEpsilon: 1e-5,
    batchNormMomentum: 0.1,
  };
}

function textOf(prefix: string, shape: Shape, count: Count): TextConfig {
  const [vocabSize, nEmbd] = shape(`${prefix}token_embedding.weight`) as [number, number];
  return {
    contextLength: shape(`${prefix}positional_embedding`)[0]!,
    vocabSize,
    nEmbd,
    nLayer: count(prefix ? /^text\.transformer\.resblocks\.(\d+)\./ : /^transformer\.resblocks\.(\d+)\./),
    nHead: Math.max(1, Math.round(nEmbd / 64)),
    nInner: shape(`${prefix}transformer.resblocks.0.mlp.c_fc.weight`)[0]!,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
    bosTokenId: vocabSize - 2,
    eosTokenId: vocabSize - 1,
    poolAtHighestId: true,
    padTokenId: 0,
  };
}
