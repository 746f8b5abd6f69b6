import {
  type Activation,
  type ClipConfig,
  defaultLogitScale,
  type ResNetConfig,
  type TextConfig,
  type VitConfig,
  validateConfig,
} from '../config.js';
import { CheckpointError, ClipConfigError } from '../errors.js';

type Json = Record<string, unknown>;

const activations: Record<string, Activation> = {
  quick_gelu: 'quick',
  gelu: 'erf',
  gelu_new: 'tanh',
  gelu_pytorch_tanh: 'tanh',
};

function activation(name: unknown): Activation {
  const found = Object.hasOwn(activations, String(name)) ? activations[String(name)] : undefined;
  if (!found) {
    const known = Object.keys(activations).join(', ');
    throw new ClipConfigError('hidden_act', `must be one of ${known}, received ${JSON.stringify(name)}`);
  }
  return found;
}

/** Typed look-up with the default that transformers has for a missing field. */
function fields(json: Json, path: string) {
  return (name: string, fallback: number): number => {
    const value = json[name] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new ClipConfigError(`${path}${name}`, `must be a number, received ${JSON.stringify(value)}`);
    }
    return value;
  };
}

function object(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** Reads a `config.json` of transformers' CLIP (whole, or one of its towers), or of a bare ModifiedResNet. */
export function parseConfigJson(json: unknown): ClipConfig {
  const root = object(json);
  if (!root) throw new ClipConfigError('config.json', 'must be a JSON object');
  const type = String(root.model_type ?? 'clip');
  if (type.includes('ModifiedResNet')) return parseResNetJson(root);
  if (type === 'clip_vision_model') return towerConfig(root, parseVision(root), undefined);
  if (type === 'clip_text_model') return towerConfig(root, undefined, parseText(root));
  if (type !== 'clip') {
    throw new CheckpointError(`config.json describes a "${type}" model, not CLIP`);
  }
  const vision = parseVision(object(root.vision_config) ?? object(root.vision_config_dict) ?? {});
  const text = parseText(object(root.text_config) ?? object(root.text_config_dict) ?? {});
  return towerConfig(root, vision, text);
}

function towerConfig(root: Json, vision?: VitConfig, text?: TextConfig): ClipConfig {
  const number = fields(root, '');
  return validateConfig({
    embedDim: number('projection_dim', 512),
    ...(vision ? { vision } : {}),
    ...(text ? { text } : {}),
    logitScaleInit: number('logit_scale_init_value', defaultLogitScale),
    ...('logit_bias_init_value' in root ? { logitBiasInit: number('logit_bias_init_value', -10) } : {}),
  });
}

function parseVision(json: Json): VitConfig {
  const number = fields(json, 'vision_config.');
  return {
    kind: 'vit',
    imageSize: number('image_size', 224),
    patchSize: number('patch_size', 32),
    nEmbd: number('hidden_size', 768),
    nLayer: number('num_hidden_layers', 12),
    nHead: number('num_attention_heads', 12),
    nInner: number('intermediate_size', 3072),
    activation: activation(json.hidden_act ?? 'quick_gelu'),
    layerNormEpsilon: number('layer_norm_eps', 1e-5),
  };
}

function parseText(json: Json): TextConfig {
  const number = fields(json, 'text_config.');
  const eosTokenId = number('eos_token_id', 49_407);
  return {
    contextLength: number('max_position_embeddings', 77),
    vocabSize: number('vocab_size', 49_408),
    nEmbd: number('hidden_size', 512),
    nLayer: number('num_hidden_layers', 12),
    nHead: number('num_attention_heads', 8),
    nInner: number('intermediate_size', 2048),
    activation: activation(json.hidden_act ?? 'quick_gelu'),
    layerNormEpsilon: number('layer_norm_eps', 1e-5),
    bosTokenId: number('bos_token_id', 49_406),
    eosTokenId,
    // OpenAI's first configs on the hub say 2, which is not the end token; transformers treats 2 as "the highest id".
    poolAtHighestId: eosTokenId === 2,
    padTokenId: number('pad_token_id', 1),
  };
}

function parseResNetJson(root: Json): ClipConfig {
  const number = fields(root, '');
  return validateConfig({
    embedDim: number('output_dim', 1024),
    vision: {
      kind: 'resnet',
      imageSize: number('image_size', 224),
      layers: stageCounts(root.layers),
      width: number('width', 64),
      nHead: number('heads', (number('width', 64) * 32) / 64),
      batchNormEpsilon: number('bn_eps', 1e-5),
      batchNormMomentum: number('bn_momentum', 0.1),
    },
    logitScaleInit: defaultLogitScale,
  });
}

function stageCounts(value: unknown): ResNetConfig['layers'] {
  if (Array.isArray(value) && value.length === 4 && value.every((count) => Number.isSafeInteger(count))) {
    return value as unknown as ResNetConfig['layers'];
  }
  throw new ClipConfigError('layers', `must be four integers, received ${JSON.stringify(value)}`);
}

/** Reads `open_clip_config.json` (`model_cfg`) or one of open_clip's model configs. */
export function parseOpenClipConfig(json: unknown): ClipConfig {
  const file = object(json);
  const root = object(file?.model_cfg) ?? file;
  const vision = object(root?.vision_cfg);
  const text = object(root?.text_cfg);
  // open_clip always has both; what we save of a model without a text tower has one.
  if (!root || !vision) throw new ClipConfigError('open_clip_config.json', 'must have vision_cfg');
  for (const [name, unsupported] of [
    ['vision_cfg.timm_model_name', vision.timm_model_name],
    ['text_cfg.hf_model_name', text?.hf_model_name],
    ['multimodal_cfg', root.multimodal_cfg],
  ] as const) {
    if (unsupported)
      throw new CheckpointError(`${name} (${JSON.stringify(unsupported)}) is not a CLIP tower we have`);
  }
  const number = fields(vision, 'vision_cfg.');
  const act: Activation = root.quick_gelu === true ? 'quick' : 'erf';
  const width = number('width', 768);
  const imageSize = number('image_size', 224);
  return validateConfig({
    embedDim: fields(root, '')('embed_dim', 512),
    vision: Array.isArray(vision.layers)
      ? {
          kind: 'resnet',
          imageSize,
          layers: stageCounts(vision.layers),
          width,
          nHead: (width * 32) / number('head_width', 64),
          batchNormEpsilon: 1e-5,
          batchNormMomentum: 0.1,
        }
      : {
          kind: 'vit',
          imageSize,
          patchSize: number('patch_size', 16),
          nEmbd: width,
          nLayer: number('layers', 12),
          nHead: width / number('head_width', 64),
          nInner: Math.trunc(width * number('mlp_ratio', 4)),
          activation: act,
          layerNormEpsilon: 1e-5,
        },
    ...(text ? { text: parseOpenClipText(text, object(file?.special_tokens) ?? {}, act) } : {}),
    logitScaleInit: fields(root, '')('init_logit_scale', defaultLogitScale),
    ...(typeof root.init_logit_bias === 'number' ? { logitBiasInit: root.init_logit_bias } : {}),
  });
}

function parseOpenClipText(text: Json, special: Json, activation: Activation): TextConfig {
  const number = fields(text, 'text_cfg.');
  const nEmbd = number('width', 512);
  const vocabSize = number('vocab_size', 49_408);
  const poolsAtEnd = text.pool_type === 'eos';
  return {
    contextLength: number('context_length', 77),
    vocabSize,
    nEmbd,
    nLayer: number('layers', 12),
    nHead: number('heads', 8),
    nInner: Math.trunc(nEmbd * number('mlp_ratio', 4)),
    activation,
    layerNormEpsilon: 1e-5,
    bosTokenId: typeof special.bos_token_id === 'number' ? special.bos_token_id : vocabSize - 2,
    eosTokenId: poolsAtEnd ? number('eos_id', 2) : vocabSize - 1,
    poolAtHighestId: !poolsAtEnd, // by default open_clip pools at argmax of the ids
    padTokenId: number('pad_id', 0),
  };
}

/** A `config.json` that `transformers.CLIPModel.from_pretrained` takes. Vision transformers only. */
export function toHuggingFaceConfig(config: ClipConfig): Json {
  const names = Object.fromEntries(
    Object.entries({ quick_gelu: 'quick', gelu: 'erf', gelu_pytorch_tanh: 'tanh' }).map(([theirs, ours]) => [
      ours,
      theirs,
    ]),
  );
  const { vision, text, embedDim } = config;
  const vit = vision?.kind === 'vit' ? vision : undefined;
  const visionJson = vit && {
    model_type: 'clip_vision_model',
    image_size: vit.imageSize,
    patch_size: vit.patchSize,
    num_channels: 3,
    hidden_size: vit.nEmbd,
    num_hidden_layers: vit.nLayer,
    num_attention_heads: vit.nHead,
    intermediate_size: vit.nInner,
    hidden_act: names[vit.activation],
    layer_norm_eps: vit.layerNormEpsilon,
    projection_dim: embedDim,
  };
  const textJson = text && {
    model_type: 'clip_text_model',
    vocab_size: text.vocabSize,
    max_position_embeddings: text.contextLength,
    hidden_size: text.nEmbd,
    num_hidden_layers: text.nLayer,
    num_attention_heads: text.nHead,
    intermediate_size: text.nInner,
    hidden_act: names[text.activation],
    layer_norm_eps: text.layerNormEpsilon,
    bos_token_id: text.bosTokenId,
    eos_token_id: text.poolAtHighestId ? 2 : text.eosTokenId,
    pad_token_id: text.padTokenId,
    projection_dim: embedDim,
  };
  if (visionJson && !textJson) return { architectures: ['CLIPVisionModelWithProjection'], ...visionJson };
  if (textJson && !visionJson) return { architectures: ['CLIPTextModelWithProjection'], ...textJson };
  return {
    architectures: ['CLIPModel'],
    model_type: 'clip',
    projection_dim: embedDim,
    logit_scale_init_value: config.logitScaleInit,
    ...(config.logitBiasInit === undefined ? {} : { logit_bias_init_value: config.logitBiasInit }),
    vision_config: visionJson,
    text_config: textJson,
    dtype: 'float32',
  };
}

/** A ratio that open_clip's `int(width * mlp_ratio)` turns into `nInner` again. */
function mlpRatio({ nEmbd, nInner }: TextConfig): number {
  const ratio = nInner / nEmbd;
  return Math.trunc(nEmbd * ratio) === nInner ? ratio : (nInner + 0.5) / nEmbd;
}

/** An `open_clip_config.json`, for the ResNets that transformers does not have. */
export function toOpenClipConfig(config: ClipConfig, preprocess: Json): Json {
  const { vision, text } = config;
  return {
    model_cfg: {
      embed_dim: config.embedDim,
      quick_gelu: text?.activation === 'quick',
      ...(config.logitBiasInit === undefined ? {} : { init_logit_bias: config.logitBiasInit }),
      vision_cfg:
        vision?.kind === 'resnet'
          ? {
              image_size: vision.imageSize,
              layers: [...vision.layers],
              width: vision.width,
              head_width: (vision.width * 32) / vision.nHead,
            }
          : undefined,
      text_cfg: text && {
        context_length: text.contextLength,
        vocab_size: text.vocabSize,
        width: text.nEmbd,
        heads: text.nHead,
        layers: text.nLayer,
        mlp_ratio: mlpRatio(text),
        pad_id: text.padTokenId,
        // Where the end token is the highest id, open_clip's default pooling is the same.
        ...(text.poolAtHighestId || text.eosTokenId === text.vocabSize - 1
          ? {}
          : { pool_type: 'eos', eos_id: text.eosTokenId }),
      },
    },
    preprocess_cfg: preprocess,
    // Ours; open_clip does not look at it.
    ...(text ? { special_tokens: { bos_token_id: text.bosTokenId } } : {}),
  };
}
