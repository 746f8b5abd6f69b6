import { denseAttention } from '@gpt-lineage/attention';
import { gelu, layerNorm, linear, quickGelu } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { Activation, TextConfig, VitConfig } from '../config.js';
import type { Parameters } from './parameters.js';

/** What a tower gives on request, besides its result. All tensors are the caller's. */
export interface TowerTrace {
  /** Input of every block and the output of the last, `[batch, length, nEmbd]`. */
  readonly hiddenStates: tf.Tensor3D[];
  /** Softmax weights per block, `[batch, heads, length, length]`. */
  readonly attentions: tf.Tensor4D[];
}

export interface TraceOptions {
  readonly outputHiddenStates?: boolean;
  readonly outputAttentions?: boolean;
}

export interface BlockOptions extends TraceOptions {
  readonly causal: boolean;
  /**
   * Which positions of the output are wanted, `[batch, length, nEmbd]` → `[batch, wanted, nEmbd]`: the last block then
   * projects those alone. Attention still reads all of them, so their values are the same.
   */
  readonly select?: ((x: tf.Tensor3D) => tf.Tensor3D) | undefined;
}

/** Pre-norm blocks of both towers: x + attention(norm1 x), then x + mlp(norm2 x). */
export function transformerBlocks(
  parameters: Parameters,
  tower: 'vision' | 'text',
  config: VitConfig | TextConfig,
  input: tf.Tensor3D,
  options: BlockOptions,
): { output: tf.Tensor3D; trace: TowerTrace } {
  const trace: TowerTrace = { hiddenStates: [], attentions: [] };
  let x = input;
  for (let i = 0; i < config.nLayer; i++) {
    const select = i === config.nLayer - 1 ? options.select : undefined;
    if (options.outputHiddenStates) trace.hiddenStates.push(x);
    const block = `${tower}.blocks.${i}`;
    const normed = applyLayerNorm(parameters, `${block}.norm1`, x, config.layerNormEpsilon);
    const { output, weights } = selfAttention(parameters, `${block}.attention`, normed, config.nHead, {
      ...options,
      select,
    });
    if (weights) trace.attentions.push(weights);
    x = tf.add(select ? select(x) : x, output);
    const inner = applyLayerNorm(parameters, `${block}.norm2`, x, config.layerNormEpsilon);
    x = tf.add(x, mlp(parameters, `${block}.mlp`, inner, config.activation));
  }
  if (options.outputHiddenStates) trace.hiddenStates.push(x);
  return { output: x, trace };
}

function selfAttention(
  parameters: Parameters,
  name: string,
  x: tf.Tensor3D,
  nHead: number,
  { causal, outputAttentions, select }: BlockOptions,
): { output: tf.Tensor3D; weights?: tf.Tensor4D } {
  const [batch, length, nEmbd] = x.shape;
  const headDim = nEmbd / nHead;
  const qkv = applyLinear(parameters, `${name}.qkv`, x); // [batch, length, 3·nEmbd]
  // → [3·batch, heads, length, headDim], so that query, key and value are three contiguous runs
  const parts = tf.reshape(
    tf.transpose(tf.reshape(qkv, [batch, length, 3, nHead, headDim]), [2, 0, 3, 1, 4]),
    [3 * batch, nHead, length, headDim],
  ) as tf.Tensor4D;
  const [query, key, value] = tf.split(parts, 3, 0) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  let attended: tf.Tensor4D;
  let weights: tf.Tensor4D | undefined;
  if (outputAttentions) {
    const result = denseAttention(query, key, value, { causal, returnWeights: true });
    attended = result.output;
    weights = result.weights;
  } else {
    attended = denseAttention(query, key, value, { causal });
  }
  const merged = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [batch, length, nEmbd]) as tf.Tensor3D;
  const output = applyLinear(parameters, `${name}.out`, select ? select(merged) : merged);
  return weights ? { output, weights } : { output };
}

function mlp(parameters: Parameters, name: string, x: tf.Tensor3D, activation: Activation): tf.Tensor3D {
  const up = applyLinear(parameters, `${name}.up`, x);
  const active = activation === 'quick' ? quickGelu(up) : gelu(up, activation === 'erf' ? 'none' : 'tanh');
  return applyLinear(parameters, `${name}.down`, active);
}

export function applyLinear(parameters: Parameters, name: string, x: tf.Tensor3D): tf.Tensor3D {
  const weight = parameters.get(`${name}.weight`);
  return linear(x, weight, parameters.get(`${name}.bias`), { transposeWeight: true }) as tf.Tensor3D;
}

export function applyLayerNorm<T extends tf.Tensor>(
  parameters: Parameters,
  name: string,
  x: T,
  epsilon: number,
): T {
  return layerNorm(x, parameters.get(`${name}.gain`), parameters.get(`${name}.bias`), epsilon);
}

/** x / ‖x‖ over the last axis, no epsilon, as CLIP has it. */
export function l2Normalize(x: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.div(x, tf.sqrt(tf.sum(tf.square(x), -1, true))));
}
