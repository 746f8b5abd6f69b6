import { type GPTConfig, t5Buckets } from './config.js';

/** How a parameter starts: zeros, ones, or normal with a standard deviation. */
export type Initializer = 'zeros' | 'ones' | { readonly std: number };

export interface ParameterSpec {
  readonly shape: readonly number[];
  readonly init: Initializer;
}

/**
 * Every parameter of a model by its name, in the order of the forward pass. Names are those of GPT-2 in Hugging
 * Face checkpoints; what GPT-2 does not have gets a name in the same manner. Matrices are `[in, out]`.
 */
export function parameterSpecs(config: GPTConfig): Map<string, ParameterSpec> {
  const { nEmbd, nHead, nKvHead, nInner, nLayer } = config;
  const headDim = nEmbd / nHead;
  const specs = new Map<string, ParameterSpec>();
  const normal = { std: config.initializerRange };
  // GPT-2 section 2.3: "scale the weights of residual layers at initialization by a factor of 1/sqrt(N)", where
  // N counts the residual layers: two for each block.
  const residual = config.residualScaledInit
    ? { std: config.initializerRange / Math.sqrt(2 * nLayer) }
    : normal;

  const norm = (name: string) => {
    specs.set(`${name}.weight`, { shape: [nEmbd], init: 'ones' });
    specs.set(`${name}.bias`, { shape: [nEmbd], init: 'zeros' });
  };
  const linear = (name: string, from: number, to: number, init: Initializer, bias = true) => {
    specs.set(`${name}.weight`, { shape: [from, to], init });
    if (bias) specs.set(`${name}.bias`, { shape: [to], init: 'zeros' });
  };

  specs.set('transformer.wte.weight', { shape: [config.vocabSize, nEmbd], init: normal });
  if (config.positions === 'learned') {
    specs.set('transformer.wpe.weight', { shape: [config.contextLength, nEmbd], init: normal });
  }
  if (config.positions === 't5') {
    specs.set('transformer.relative_attention_bias.weight', { shape: [t5Buckets, nHead], init: normal });
  }
  for (let layer = 0; layer < nLayer; layer++) {
    const block = `transformer.h.${layer}`;
    norm(`${block}.ln_1`);
    linear(`${block}.attn.c_attn`, nEmbd, nEmbd + 2 * nKvHead * headDim, normal, config.qkvBias);
    linear(`${block}.attn.c_proj`, nEmbd, nEmbd, residual);
    if (config.positions === 'shaw') {
      const shape = [2 * config.relativeDistance + 1, headDim];
      specs.set(`${block}.attn.relative_keys.weight`, { shape, init: normal });
      specs.set(`${block}.attn.relative_values.weight`, { shape, init: normal });
    }
    if (config.positions === 'transformer-xl') {
      linear(`${block}.attn.c_relative`, nEmbd, nEmbd, normal, false);
      specs.set(`${block}.attn.content_bias`, { shape: [nHead, headDim], init: normal });
      specs.set(`${block}.attn.position_bias`, { shape: [nHead, headDim], init: normal });
    }
    if (config.normPlacement === 'sandwich') norm(`${block}.ln_1_post`);
    norm(`${block}.ln_2`);
    linear(`${block}.mlp.c_fc`, nEmbd, nInner, normal);
    linear(`${block}.mlp.c_proj`, nInner, nEmbd, residual);
    if (config.normPlacement === 'sandwich') norm(`${block}.ln_2_post`);
  }
  if (config.normPlacement !== 'post') norm('transformer.ln_f');
  if (!config.tieEmbeddings) {
    specs.set('lm_head.weight', { shape: [config.vocabSize, nEmbd], init: normal });
  }
  if (config.vision) {
    // Names of LLaVA's checkpoints; those of the resampler, which it does not have, are ours.
    const { projector, imageTokens, resamplerLayers } = config.vision;
    const root = 'multi_modal_projector';
    linear(`${root}.linear_1`, config.vision.nEmbd, nEmbd, normal);
    if (projector === 'mlp') linear(`${root}.linear_2`, nEmbd, nEmbd, normal);
    if (projector === 'resampler') {
      specs.set(`${root}.queries`, { shape: [imageTokens, nEmbd], init: normal });
      for (let layer = 0; layer < resamplerLayers; layer++) {
        const block = `${root}.layers.${layer}`;
        norm(`${block}.norm_features`);
        norm(`${block}.norm_queries`);
        linear(`${block}.query`, nEmbd, nEmbd, normal);
        linear(`${block}.key_value`, nEmbd, 2 * nEmbd, normal);
        linear(`${block}.output`, nEmbd, nEmbd, normal);
        norm(`${block}.norm_mlp`);
        linear(`${block}.up`, nEmbd, 4 * nEmbd, normal);
        linear(`${block}.down`, 4 * nEmbd, nEmbd, normal);
      }
      norm(`${root}.norm`);
    }
  }
  return specs;
}

/** Number of scalars in a shape. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}
