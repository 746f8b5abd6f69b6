import * as tf from '@tensorflow/tfjs-core';
import { causalSoftmax, embedding, gelu, layerNorm, linear, softmaxCrossEntropy } from '../src/index.js';

/** A pre-LN GPT with tied embeddings, written with this package's operations only. */
export interface GptShape {
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly nLayer: number;
  readonly nEmbd: number;
  readonly nHead: number;
  readonly batch: number;
  readonly length: number;
}

export const shapes: Record<string, GptShape> = {
  'gpt2-small 2x256': {
    vocabSize: 50257,
    contextLength: 1024,
    nLayer: 12,
    nEmbd: 768,
    nHead: 12,
    batch: 2,
    length: 256,
  },
  '6x384 16x256': {
    vocabSize: 65,
    contextLength: 256,
    nLayer: 6,
    nEmbd: 384,
    nHead: 6,
    batch: 16,
    length: 256,
  },
};

interface Block {
  readonly g1: tf.Variable;
  readonly b1: tf.Variable;
  readonly qkv: tf.Variable;
  readonly qkvBias: tf.Variable;
  readonly out: tf.Variable;
  readonly outBias: tf.Variable;
  readonly g2: tf.Variable;
  readonly b2: tf.Variable;
  readonly up: tf.Variable;
  readonly upBias: tf.Variable;
  readonly down: tf.Variable;
  readonly downBias: tf.Variable;
}

export interface GptWeights {
  readonly wte: tf.Variable;
  readonly wpe: tf.Variable;
  readonly blocks: readonly Block[];
  readonly g: tf.Variable;
  readonly b: tf.Variable;
  readonly all: readonly tf.Variable[];
}

export function createWeights(shape: GptShape, seed = 1): GptWeights {
  const all: tf.Variable[] = [];
  let next = seed;
  const make = (tensor: tf.Tensor) => {
    const v = tf.variable(tensor);
    tensor.dispose();
    all.push(v);
    return v;
  };
  const normal = (dims: number[]) => make(tf.randomNormal(dims, 0, 0.02, 'float32', next++));
  const ones = (n: number) => make(tf.ones([n]));
  const zeros = (n: number) => make(tf.zeros([n]));
  const d = shape.nEmbd;
  const wte = normal([shape.vocabSize, d]);
  const wpe = normal([shape.contextLength, d]);
  const blocks = Array.from({ length: shape.nLayer }, () => ({
    g1: ones(d),
    b1: zeros(d),
    qkv: normal([d, 3 * d]),
    qkvBias: zeros(3 * d),
    out: normal([d, d]),
    outBias: zeros(d),
    g2: ones(d),
    b2: zeros(d),
    up: normal([d, 4 * d]),
    upBias: zeros(4 * d),
    down: normal([4 * d, d]),
    downBias: zeros(d),
  }));
  return { wte, wpe, blocks, g: ones(d), b: zeros(d), all };
}

/** Mean cross entropy of the next token. `tokens`, `targets`: int32 `[batch, length]`. */
export function gptLoss(w: GptWeights, shape: GptShape, tokens: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  const { batch, length, nEmbd: d, nHead } = shape;
  const headDim = d / nHead;
  const rows = batch * length;
  const position = tf.slice(w.wpe as tf.Tensor, [0, 0], [length, d]);
  let x = tf.reshape(tf.add(embedding(w.wte, tokens), position), [rows, d]);
  for (const block of w.blocks) {
    const normed = layerNorm(x, block.g1, block.b1);
    const qkv = linear(normed, block.qkv, block.qkvBias);
    const [q, k, v] = tf.split(qkv, 3, 1).map((part) =>
      // [batch, heads, length, headDim]
      tf.transpose(tf.reshape(part, [batch, length, nHead, headDim]), [0, 2, 1, 3]),
    ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const scores = tf.matMul(q, k, false, true); // [batch, heads, length, length]
    const mixed = tf.matMul(causalSoftmax(scores, { scale: 1 / Math.sqrt(headDim) }) as tf.Tensor4D, v);
    const merged = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows, d]);
    x = tf.add(x, linear(merged, block.out, block.outBias));
    const inner = gelu(linear(layerNorm(x, block.g2, block.b2), block.up, block.upBias));
    x = tf.add(x, linear(inner, block.down, block.downBias));
  }
  const logits = linear(layerNorm(x, w.g, w.b), w.wte, null, { transposeWeight: true });
  return softmaxCrossEntropy(logits, tf.reshape(targets, [-1])) as tf.Scalar;
}

/** For counting steps, not for speed. */
export const tinyShape: GptShape = {
  vocabSize: 65,
  contextLength: 16,
  nLayer: 1,
  nEmbd: 16,
  nHead: 2,
  batch: 2,
  length: 8,
};
