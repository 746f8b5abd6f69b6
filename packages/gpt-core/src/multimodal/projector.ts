import { denseAttention } from '@gpt-lineage/attention';
import { gelu, layerNorm, linear } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig, VisionConfig } from '../config/config.js';

const root = 'multi_modal_projector';

/**
 * Image features as tokens of the language model.
 *
 * - `linear`: one matrix. Liu et al. 2023, "Visual Instruction Tuning".
 * - `mlp`: two matrices with a GELU between. Liu et al. 2023, "Improved Baselines with Visual Instruction Tuning".
 * - `resampler`: see `resample`.
 *
 * @param parameters of a GPT whose configuration has `vision`
 * @param features `[images, patches, vision.nEmbd]`
 * @returns `[images, imageTokens, nEmbd]`
 */
export function projectFeatures(
  parameters: ReadonlyMap<string, tf.Tensor>,
  config: GPTConfig & { readonly vision: VisionConfig },
  features: tf.Tensor3D,
): tf.Tensor3D {
  const first = apply(parameters, `${root}.linear_1`, features); // [images, patches, nEmbd]
  switch (config.vision.projector) {
    case 'linear':
      return first;
    case 'mlp':
      return apply(parameters, `${root}.linear_2`, gelu(first, 'none') as tf.Tensor3D);
    case 'resampler':
      return resample(parameters, config, first);
  }
}

/**
 * A fixed number of learned queries reads an image of any number of patches. Alayrac et al. 2022, "Flamingo", section
 * 2.1 (Perceiver resampler): in each block the queries attend to the features and to themselves, then pass an MLP.
 * BLIP-2's Q-Former is its relative with text inside.
 *
 * @param features `[images, patches, nEmbd]` @returns `[images, imageTokens, nEmbd]`
 */
function resample(
  parameters: ReadonlyMap<string, tf.Tensor>,
  { nEmbd, layerNormEpsilon, vision }: GPTConfig & { readonly vision: VisionConfig },
  features: tf.Tensor3D,
): tf.Tensor3D {
  const [images] = features.shape;
  const { resamplerHeads: heads, resamplerLayers, imageTokens } = vision;
  const norm = (name: string, x: tf.Tensor3D) =>
    layerNorm(
      x,
      parameters.get(`${name}.weight`) as tf.Tensor1D,
      parameters.get(`${name}.bias`) as tf.Tensor1D,
      layerNormEpsilon,
    ) as tf.Tensor3D;
  const split = (x: tf.Tensor3D) =>
    tf.transpose(tf.reshape(x, [images, x.shape[1], heads, nEmbd / heads]), [0, 2, 1, 3]) as tf.Tensor4D;

  const learned = parameters.get(`${root}.queries`)!;
  let x = tf.tile(tf.reshape(learned, [1, imageTokens, nEmbd]), [images, 1, 1]) as tf.Tensor3D;
  for (let layer = 0; layer < resamplerLayers; layer++) {
    const block = `${root}.layers.${layer}`;
    const own = norm(`${block}.norm_queries`, x);
    const seen = tf.concat([norm(`${block}.norm_features`, features), own], 1); // [images, patches + queries, nEmbd]
    const query = split(apply(parameters, `${block}.query`, own));
    const [key, value] = tf.split(apply(parameters, `${block}.key_value`, seen), 2, 2) as tf.Tensor3D[];
    const read = denseAttention(query, split(key!), split(value!), { causal: false }); // [images, heads, queries, headDim]
    const merged = tf.reshape(tf.transpose(read, [0, 2, 1, 3]), [images, imageTokens, nEmbd]);
    x = tf.add(x, apply(parameters, `${block}.output`, merged as tf.Tensor3D));
    const inner = gelu(apply(parameters, `${block}.up`, norm(`${block}.norm_mlp`, x)), 'none');
    x = tf.add(x, apply(parameters, `${block}.down`, inner as tf.Tensor3D));
  }
  return norm(`${root}.norm`, x);
}

function apply(parameters: ReadonlyMap<string, tf.Tensor>, name: string, x: tf.Tensor3D): tf.Tensor3D {
  const weight = parameters.get(`${name}.weight`) as tf.Tensor2D;
  return linear(x, weight, parameters.get(`${name}.bias`) as tf.Tensor1D) as tf.Tensor3D;
}
