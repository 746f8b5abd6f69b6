import { dropout, embedding, gelu, layerNorm, linear, quickGelu } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { Activation, GPTConfig } from '../config/config.js';
import { type AttentionContext, attend } from './attend.js';
import { recomputed } from './recompute.js';

/** Adds to a linear layer's output: LoRA and its kin. */
export interface LinearAdapter {
  /** @param x the layer's input `[batch, length, in]`. @returns `[batch, length, out]`, added to the output */
  apply(x: tf.Tensor3D, options: { training: boolean; dropout: Dropout }): tf.Tensor;
  /** What `apply` depends on and training may change. */
  readonly variables?: readonly tf.Variable[];
}

/** Drops with its own seed at each call; the identity outside of training. */
export type Dropout = (x: tf.Tensor3D, rate: number) => tf.Tensor3D;

/** Gives a layer its input with what it remembers in front; `SegmentMemory` of the attention package is one. */
export interface LayerMemory {
  /** @param hidden `[batch, length, nEmbd]` @returns `[batch, memory + length, nEmbd]` */
  extend(layer: number, hidden: tf.Tensor3D): tf.Tensor3D;
}

export interface ForwardInput {
  readonly config: GPTConfig;
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
  readonly adapters: ReadonlyMap<string, LinearAdapter>;
  /** `[batch, length]` int32; or `embeddings` */
  readonly tokenIds?: tf.Tensor2D;
  /** `[batch, length, nEmbd]`, used in place of the token embeddings */
  readonly embeddings?: tf.Tensor3D;
  /** `[batch, length]` or `[1, length]` int32 */
  readonly positionIds: tf.Tensor2D;
  readonly attention: AttentionContext;
  /** Segment memory (Dai et al. 2019): what each layer read before this segment. */
  readonly memory?: LayerMemory | undefined;
  readonly training: boolean;
  readonly seed: number | tf.Tensor;
  readonly logits: 'all' | 'last' | 'none';
  /** First position whose output is wanted; those before it serve as keys and values only. Default 0. */
  readonly from?: number | undefined;
  /**
   * `[wanted]` int32, numbers of rows of batch · length: after the last block's attention only these go on, as
   * `[1, wanted, nEmbd]`. Default: all, in their shape.
   */
  readonly wanted?: tf.Tensor1D | undefined;
  /** A scalar 0: blocks are run again in the backward pass instead of being kept; see `recomputed`. */
  readonly recompute?: tf.Scalar | undefined;
}

export interface ForwardResult {
  readonly logits: tf.Tensor3D | undefined;
  /** Output of the last block, after the final norm: `[batch, length, nEmbd]` */
  readonly lastHiddenState: tf.Tensor3D;
  /** Input of each block, then `lastHiddenState`: nLayer + 1 times `[batch, length, nEmbd]` */
  readonly hiddenStates: tf.Tensor3D[];
}

/** The whole model, top to bottom. */
export function forward(input: ForwardInput): ForwardResult {
  const { config, from = 0 } = input;
  const net = network(input);

  // h0 = U We + Wp (Radford et al. 2018, eq. 2)
  let hidden = net.embed();
  const hiddenStates = [hidden];

  for (let layer = 0; layer < config.nLayer; layer++) {
    const name = `transformer.h.${layer}`;
    const wanted = layer === config.nLayer - 1 ? input.wanted : undefined;
    const attention = (x: tf.Tensor3D, length: number) =>
      net.attention(`${name}.attn`, layer, x, length, wanted);
    // Keys and values come from the layer's memory of earlier segments as well; queries from this one only.
    const remembered = (x: tf.Tensor3D) => input.memory?.extend(layer, x) ?? x;
    const mlp = (x: tf.Tensor3D) => net.mlp(`${name}.mlp`, x);
    const norm = (part: string, x: tf.Tensor3D) => net.norm(`${name}.${part}`, x);

    // Nothing reads the last block's output before `from`.
    const skipped = layer === config.nLayer - 1 ? from : 0;

    const block = (all: tf.Tensor3D): tf.Tensor3D => {
      const length = all.shape[1] - skipped;
      let x = rowsOf(lastPositions(all, length), wanted);
      if (config.normPlacement === 'post') {
        // GPT-1: the norm stands after each residual sum, as in the original transformer.
        x = norm('ln_1', tf.add(x, attention(remembered(all), length)));
        return norm('ln_2', tf.add(x, mlp(x)));
      }
      if (config.normPlacement === 'pre') {
        // GPT-2, section 2.3: "Layer normalization was moved to the input of each sub-block".
        x = tf.add(x, attention(norm('ln_1', remembered(all)), length));
        return tf.add(x, mlp(norm('ln_2', x)));
      }
      x = tf.add(x, norm('ln_1_post', attention(norm('ln_1', remembered(all)), length)));
      return tf.add(x, norm('ln_2_post', mlp(norm('ln_2', x))));
    };
    hidden = input.recompute ? net.recomputed(name, hidden, input.recompute, block) : block(hidden);
    hiddenStates.push(hidden);
  }
  // GPT-2, section 2.3: "an additional layer normalization was added after the final self-attention block".
  if (config.normPlacement !== 'post') {
    hidden = net.norm('transformer.ln_f', hidden);
    hiddenStates[config.nLayer] = hidden;
  }
  return { lastHiddenState: hidden, hiddenStates, logits: net.logits(hidden) };
}

/** The layers, with the parameters, dropout and adapters of one pass. */
function network(input: ForwardInput) {
  const { config, parameters, adapters, training, seed } = input;
  let site = 0;
  // Each site draws its own stream. A tensor seed keeps constants that should change out of a captured graph.
  const siteSeed = (): tf.Tensor | number => {
    if (!training) return 0;
    site += 1;
    // Attention counts up from the second number for its tiles; sites stay clear of each other.
    const own = tf.tensor1d([site * 4096], 'int32');
    return tf.concat([typeof seed === 'number' ? tf.tensor1d([seed], 'int32') : tf.reshape(seed, [1]), own]);
  };
  const drop: Dropout = (x, rate) => (training && rate > 0 ? dropout(x, rate, siteSeed()) : x);
  const parameter = (name: string) => parameters.get(name)!;

  const apply = (name: string, x: tf.Tensor3D): tf.Tensor3D => {
    const y = linear(
      x,
      parameter(`${name}.weight`) as tf.Tensor2D,
      parameters.get(`${name}.bias`) as tf.Tensor1D,
    );
    const adapter = adapters.get(name);
    return (adapter ? tf.add(y, adapter.apply(x, { training, dropout: drop })) : y) as tf.Tensor3D;
  };

  return {
    /** A block that is run again for its gradients, with the same dropout. */
    recomputed(
      block: string,
      x: tf.Tensor3D,
      zero: tf.Scalar,
      run: (x: tf.Tensor3D) => tf.Tensor3D,
    ): tf.Tensor3D {
      const first = site;
      const again = (input: tf.Tensor3D) => {
        site = first;
        return run(input);
      };
      const ownOrShared = (name: string) =>
        name.startsWith(`${block}.`) ||
        !/^(transformer\.(h\.|wte|wpe|ln_f)|lm_head|multi_modal_projector)/.test(name);
      const own = [...parameters].filter(([name]) => ownOrShared(name)).map(([, value]) => value);
      const adapted = [...adapters].filter(([name]) => name.startsWith(`${block}.`));
      return recomputed(x, [...own, ...adapted.flatMap(([, { variables }]) => variables ?? [])], zero, again);
    },

    embed(): tf.Tensor3D {
      let x = input.embeddings;
      if (!x)
        x = embedding(parameter('transformer.wte.weight') as tf.Tensor2D, input.tokenIds!) as tf.Tensor3D;
      if (config.positions === 'learned') {
        const table = parameter('transformer.wpe.weight') as tf.Tensor2D;
        x = tf.add(x, embedding(table, input.positionIds)) as tf.Tensor3D;
      }
      return drop(x, config.embeddingDropout);
    },

    norm(name: string, x: tf.Tensor3D): tf.Tensor3D {
      const [gain, bias] = [parameter(`${name}.weight`), parameter(`${name}.bias`)];
      return layerNorm(x, gain as tf.Tensor1D, bias as tf.Tensor1D, config.layerNormEpsilon) as tf.Tensor3D;
    },

    /** @param x `[batch, memory (or skipped) + length, nEmbd]`, of which the last `length` positions ask */
    attention(
      name: string,
      layer: number,
      x: tf.Tensor3D,
      length: number,
      wanted: tf.Tensor1D | undefined,
    ): tf.Tensor3D {
      const { nHead, nKvHead, nEmbd } = config;
      const headDim = nEmbd / nHead;
      const qkv = apply(`${name}.c_attn`, x); // [batch, length, nEmbd + 2 * nKvHead * headDim]
      const widths = [nEmbd, nKvHead * headDim, nKvHead * headDim];
      const [query, key, value] = tf.split(qkv, widths, 2) as tf.Tensor3D[];
      const context = attend({
        config,
        layer,
        learned: (part) =>
          parameter(part.startsWith('relative_attention_bias') ? `transformer.${part}` : `${name}.${part}`),
        positionIds: tailOf(input.positionIds, length),
        query: splitHeads(lastPositions(query!, length), nHead),
        key: splitHeads(key!, nKvHead),
        value: splitHeads(value!, nKvHead),
        context: input.attention,
        dropout: training ? config.attentionDropout : 0,
        seed: siteSeed(),
      });
      return drop(apply(`${name}.c_proj`, rowsOf(mergeHeads(context), wanted)), config.residualDropout);
    },

    mlp(name: string, x: tf.Tensor3D): tf.Tensor3D {
      const inner = activate(config.activation, apply(`${name}.c_fc`, x));
      return drop(apply(`${name}.c_proj`, inner), config.residualDropout);
    },

    logits(hidden: tf.Tensor3D): tf.Tensor3D | undefined {
      if (input.logits === 'none') return undefined;
      const [batch, length, nEmbd] = hidden.shape;
      const last = input.logits === 'last';
      const rows = last ? tf.slice(hidden, [0, length - 1, 0], [batch, 1, nEmbd]) : hidden;
      const table = parameter(config.tieEmbeddings ? 'transformer.wte.weight' : 'lm_head.weight');
      return linear(rows, table as tf.Tensor2D, null, { transposeWeight: true }) as tf.Tensor3D;
    },
  };
}

/** The last `length` columns. */
function tailOf(x: tf.Tensor2D, length: number): tf.Tensor2D {
  const [rows, all] = x.shape;
  return length === all ? x : tf.slice(x, [0, all - length], [rows, length]);
}

function lastPositions(x: tf.Tensor3D, length: number): tf.Tensor3D {
  const [batch, all, width] = x.shape;
  return length === all ? x : tf.slice(x, [0, all - length, 0], [batch, length, width]);
}

/** Some rows of batch · length, as `[1, wanted, width]`; without a wish all of them. */
function rowsOf(x: tf.Tensor3D, wanted: tf.Tensor1D | undefined): tf.Tensor3D {
  if (wanted === undefined) return x;
  const rows = tf.gather(tf.reshape(x, [-1, x.shape[2]]), wanted) as tf.Tensor2D; // [wanted, width]
  return tf.reshape(rows, [1, ...rows.shape]);
}

/** `[batch, length, heads * headDim]` to `[batch, heads, length, headDim]` */
function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [batch, length, width] = x.shape;
  return tf.transpose(tf.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]) as tf.Tensor4D;
}

/** `[batch, heads, length, headDim]` to `[batch, length, heads * headDim]` */
function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [batch, heads, length, headDim] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, length, heads * headDim]);
}

function activate(activation: Activation, x: tf.Tensor3D): tf.Tensor3D {
  switch (activation) {
    case 'gelu_new':
      return gelu(x, 'tanh') as tf.Tensor3D;
    case 'gelu':
      return gelu(x, 'none') as tf.Tensor3D;
    case 'quick_gelu':
      return quickGelu(x) as tf.Tensor3D;
    case 'relu':
      return tf.relu(x);
  }
}
