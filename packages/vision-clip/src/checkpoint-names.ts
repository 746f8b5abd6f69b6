import type { ClipConfig, ResNetConfig, TextConfig, VitConfig } from './config.js';

/** How a foreign tensor differs from ours. */
export type Layout =
  | 'same'
  /** Theirs is `[in, out]`, ours `[out, in]`. */
  | 'transposed'
  /** Theirs is `[out, in, height, width]`, ours `[height, width, in, out]`. */
  | 'convolution'
  /** Same values in the same order under another shape. */
  | 'reshaped';

/** One of our parameters in another library's checkpoint: one tensor, or several to be joined along the first axis. */
export interface ForeignParameter {
  readonly names: readonly string[];
  readonly layout: Layout;
}

export type NameMap = ReadonlyMap<string, ForeignParameter>;

type Put = (ours: string, theirs: string | readonly string[], layout?: Layout) => void;

function build(fill: (put: Put) => void): NameMap {
  const map = new Map<string, ForeignParameter>();
  fill((ours, theirs, layout = 'same') => {
    map.set(ours, { names: typeof theirs === 'string' ? [theirs] : theirs, layout });
  });
  return map;
}

/** Names of `transformers.CLIPModel` (and of its vision and text halves). Vision transformers only. */
export function huggingFaceNames(config: ClipConfig): NameMap {
  const norm = (put: Put, ours: string, theirs: string) => {
    put(`${ours}.gain`, `${theirs}.weight`);
    put(`${ours}.bias`, `${theirs}.bias`);
  };
  const blocks = (put: Put, tower: 'vision' | 'text', { nLayer }: VitConfig | TextConfig) => {
    for (let i = 0; i < nLayer; i++) {
      const ours = `${tower}.blocks.${i}`;
      const theirs = `${tower}_model.encoder.layers.${i}`;
      norm(put, `${ours}.norm1`, `${theirs}.layer_norm1`);
      norm(put, `${ours}.norm2`, `${theirs}.layer_norm2`);
      for (const part of ['weight', 'bias']) {
        const projections = ['q_proj', 'k_proj', 'v_proj'].map(
          (name) => `${theirs}.self_attn.${name}.${part}`,
        );
        put(`${ours}.attention.qkv.${part}`, projections);
        put(`${ours}.attention.out.${part}`, `${theirs}.self_attn.out_proj.${part}`);
        put(`${ours}.mlp.up.${part}`, `${theirs}.mlp.fc1.${part}`);
        put(`${ours}.mlp.down.${part}`, `${theirs}.mlp.fc2.${part}`);
      }
    }
  };
  return build((put) => {
    if (config.vision?.kind === 'vit') {
      put('vision.classEmbedding', 'vision_model.embeddings.class_embedding');
      put('vision.patchEmbedding', 'vision_model.embeddings.patch_embedding.weight', 'reshaped');
      put('vision.positionEmbedding', 'vision_model.embeddings.position_embedding.weight');
      norm(put, 'vision.preNorm', 'vision_model.pre_layrnorm'); // sic
      blocks(put, 'vision', config.vision);
      norm(put, 'vision.postNorm', 'vision_model.post_layernorm');
      put('vision.projection', 'visual_projection.weight');
    }
    if (config.text) {
      put('text.tokenEmbedding', 'text_model.embeddings.token_embedding.weight');
      put('text.positionEmbedding', 'text_model.embeddings.position_embedding.weight');
      blocks(put, 'text', config.text);
      norm(put, 'text.finalNorm', 'text_model.final_layer_norm');
      put('text.projection', 'text_projection.weight');
    }
    if (config.vision && config.text) {
      put('logitScale', 'logit_scale', 'reshaped');
      if (config.logitBiasInit !== undefined) put('logitBias', 'logit_bias', 'reshaped');
    }
  });
}

/** Where a checkpoint keeps its towers: OpenAI `visual.` and no prefix, custom-text open_clip models `text.`. */
export interface TowerPrefixes {
  readonly vision: string;
  readonly text: string;
}

/** Names of OpenAI's code and of open_clip, which kept them. */
export function openClipNames(
  config: ClipConfig,
  prefixes: TowerPrefixes = { vision: 'visual.', text: '' },
): NameMap {
  const norm = (put: Put, ours: string, theirs: string) => {
    put(`${ours}.gain`, `${theirs}.weight`);
    put(`${ours}.bias`, `${theirs}.bias`);
  };
  const blocks = (put: Put, tower: 'vision' | 'text', prefix: string, { nLayer }: VitConfig | TextConfig) => {
    for (let i = 0; i < nLayer; i++) {
      const ours = `${tower}.blocks.${i}`;
      const theirs = `${prefix}transformer.resblocks.${i}`;
      norm(put, `${ours}.norm1`, `${theirs}.ln_1`);
      norm(put, `${ours}.norm2`, `${theirs}.ln_2`);
      for (const part of ['weight', 'bias']) {
        put(`${ours}.attention.qkv.${part}`, `${theirs}.attn.in_proj_${part}`);
        put(`${ours}.attention.out.${part}`, `${theirs}.attn.out_proj.${part}`);
        put(`${ours}.mlp.up.${part}`, `${theirs}.mlp.c_fc.${part}`);
        put(`${ours}.mlp.down.${part}`, `${theirs}.mlp.c_proj.${part}`);
      }
    }
  };
  return build((put) => {
    const { vision, text } = prefixes;
    if (config.vision?.kind === 'vit') {
      put('vision.classEmbedding', `${vision}class_embedding`);
      put('vision.patchEmbedding', `${vision}conv1.weight`, 'reshaped');
      put('vision.positionEmbedding', `${vision}positional_embedding`);
      norm(put, 'vision.preNorm', `${vision}ln_pre`);
      blocks(put, 'vision', vision, config.vision);
      norm(put, 'vision.postNorm', `${vision}ln_post`);
      put('vision.projection', `${vision}proj`, 'transposed');
    } else if (config.vision) {
      resnetNames(put, vision, config.vision);
    }
    if (config.text) {
      put('text.tokenEmbedding', `${text}token_embedding.weight`);
      put('text.positionEmbedding', `${text}positional_embedding`);
      blocks(put, 'text', text, config.text);
      norm(put, 'text.finalNorm', `${text}ln_final`);
      put('text.projection', `${text}text_projection`, 'transposed');
    }
    if (config.vision && config.text) {
      put('logitScale', 'logit_scale', 'reshaped');
      if (config.logitBiasInit !== undefined) put('logitBias', 'logit_bias', 'reshaped');
    }
  });
}

function resnetNames(put: Put, prefix: string, { layers }: ResNetConfig): void {
  const convolution = (ours: string, theirs: string) =>
    put(`${ours}.weight`, `${theirs}.weight`, 'convolution');
  const norm = (ours: string, theirs: string) => {
    put(`${ours}.gain`, `${theirs}.weight`);
    put(`${ours}.bias`, `${theirs}.bias`);
    put(`${ours}.mean`, `${theirs}.running_mean`);
    put(`${ours}.variance`, `${theirs}.running_var`);
  };
  for (let i = 1; i <= 3; i++) {
    convolution(`vision.stem.conv${i}`, `${prefix}conv${i}`);
    norm(`vision.stem.norm${i}`, `${prefix}bn${i}`);
  }
  for (const [stage, count] of layers.entries()) {
    for (let block = 0; block < count; block++) {
      const ours = `vision.stages.${stage}.${block}`;
      const theirs = `${prefix}layer${stage + 1}.${block}`;
      for (let i = 1; i <= 3; i++) {
        convolution(`${ours}.conv${i}`, `${theirs}.conv${i}`);
        norm(`${ours}.norm${i}`, `${theirs}.bn${i}`);
      }
      if (block === 0) {
        // open_clip and OpenAI name the parts of the shortcut by position: "-1" is its pooling.
        convolution(`${ours}.shortcut`, `${theirs}.downsample.0`);
        norm(`${ours}.shortcutNorm`, `${theirs}.downsample.1`);
      }
    }
  }
  const pool = 'vision.attentionPool';
  put(`${pool}.position`, `${prefix}attnpool.positional_embedding`);
  for (const [ours, theirs] of [
    ['query', 'q_proj'],
    ['key', 'k_proj'],
    ['value', 'v_proj'],
    ['out', 'c_proj'],
  ] as const) {
    put(`${pool}.${ours}.weight`, `${prefix}attnpool.${theirs}.weight`);
    put(`${pool}.${ours}.bias`, `${prefix}attnpool.${theirs}.bias`);
  }
}

/** Tensors that checkpoints carry and no model needs. */
export function isIgnorable(name: string): boolean {
  return (
    /(^|\.)(position_ids|num_batches_tracked|attn_mask)$/.test(name) ||
    ['input_resolution', 'context_length', 'vocab_size'].includes(name)
  );
}
