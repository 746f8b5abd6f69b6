import {
  type AttentionPattern,
  bandedPattern,
  causalPattern,
  fixedPattern,
  rotaryEmbedding,
  SegmentMemory,
  stridedPattern,
} from '@gpt-lineage/attention';
import { gelu, layerNorm, linear, quickGelu } from '@gpt-lineage/compute';
import { formatLayerAttention, GPT } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { loadModel, readerOf } from './model-store.js';

/** Which attention the layers use while they are looked at. */
export interface PatternChoice {
  /** `trained`: what the checkpoint says; `recurrent`: segments with the memory of earlier ones */
  readonly kind: 'trained' | 'dense' | 'banded' | 'strided' | 'fixed' | 'topk' | 'recurrent';
  /** Window, stride, k or segment length */
  readonly size: number;
  /** `fixed`: summary positions; `recurrent`: positions remembered */
  readonly extra: number;
  /** Every second layer stays dense, as in GPT-3 */
  readonly alternate: boolean;
}

export interface Explanation {
  readonly tokens: readonly { readonly id: number; readonly text: string }[];
  readonly nLayer: number;
  readonly nHead: number;
  readonly nEmbd: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly positions: string;
  /** What each layer uses, e.g. `banded(8)` */
  readonly layers: readonly string[];
  /** Per layer `[heads, length, length]`; rows are queries */
  readonly attentions: readonly Float32Array[];
  /** Of the last position, before any sampling option */
  readonly logits: Float32Array;
  readonly vocabulary: readonly string[];
  /** For each layer's output at the last position, read through the output matrix: the likeliest tokens */
  readonly lens: readonly (readonly { readonly text: string; readonly probability: number }[])[];
  /** Token embedding of every token, and the position's: `[length, nEmbd]` */
  readonly embeddings: { readonly token: Float32Array; readonly position: Float32Array | undefined };
  readonly milliseconds: number;
}

export interface HeadDetail {
  /** `[length, headDim]` */
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  /** `[length, length]`: q · k / √headDim before the mask */
  readonly scores: Float32Array;
  /** `[length, length]`: 1 = the query may see the key */
  readonly visible: Uint8Array;
  /** `[length, length]` after softmax: what the model itself used */
  readonly weights: Float32Array;
  /** `[length, headDim]`: weights · values */
  readonly output: Float32Array;
  /** `[length, nInner]` after the activation */
  readonly inner: Float32Array;
  /** `[length, nEmbd]` */
  readonly blockInput: Float32Array;
  readonly blockOutput: Float32Array;
  /** Largest difference between these steps and the model's own pass */
  readonly deviation: number;
}

interface Trace {
  readonly model: GPT;
  readonly choice: PatternChoice;
  readonly tokenIds: number[];
  /** Per layer `[heads, length, length]` */
  readonly attentions: Float32Array[];
  /** nLayer + 1 times `[length, nEmbd]` */
  readonly hidden: Float32Array[];
}

let trace: Trace | undefined;
let variant: { key: string; model: GPT } | undefined;

function layerPattern(choice: PatternChoice): string[] | undefined {
  const { kind, size, extra, alternate } = choice;
  const own = {
    trained: undefined,
    recurrent: undefined,
    dense: 'dense',
    banded: `banded(${size})`,
    strided: `strided(${size})`,
    fixed: `fixed(${size},${Math.min(extra, size)})`,
    topk: `topk(${size})`,
  }[kind];
  if (own === undefined) return undefined;
  return alternate && own !== 'dense' ? ['dense', own] : [own];
}

async function modelWith(id: string, choice: PatternChoice): Promise<GPT> {
  const pattern = layerPattern(choice);
  const { model } = await loadModel(id);
  if (!pattern) return model;
  const key = `${id} ${pattern}`;
  if (variant?.key === key) return variant.model;
  variant?.model.dispose();
  variant = undefined;
  const { nLayer } = model.config;
  const repeated = Array.from({ length: nLayer }, (_, layer) => pattern[layer % pattern.length]!);
  const other = await GPT.load(readerOf(id), { config: { layerPattern: repeated } as never });
  variant = { key, model: other };
  return other;
}

/** Runs a model over a text and keeps what happened on the way. */
export async function explain(id: string, text: string, choice: PatternChoice): Promise<Explanation> {
  const model = await modelWith(id, choice);
  const { config } = model;
  const tokenIds = model.encode(text).slice(-Math.min(64, config.contextLength));
  if (tokenIds.length === 0) throw new Error('Give a text of at least one token that the model knows.');
  const from = performance.now();
  const length = tokenIds.length;
  const passes =
    choice.kind === 'recurrent' ? inSegments(model, tokenIds, choice) : [inOnePass(model, tokenIds)];
  const { nLayer, nHead, nEmbd, vocabSize } = config;
  const attentions = Array.from({ length: nLayer }, () => new Float32Array(nHead * length * length));
  const hidden = Array.from({ length: nLayer + 1 }, () => new Float32Array(length * nEmbd));
  let logits = new Float32Array(vocabSize);
  let start = 0;
  for (const pass of passes) {
    for (const [layer, tensor] of pass.attentions.entries()) {
      const [, , rows, columns] = tensor.shape;
      const values = await tensor.data();
      // A segment's keys end with its own positions; what it remembers stands before.
      const firstKey = start + rows - columns;
      for (let head = 0; head < nHead; head++)
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++)
            attentions[layer]![(head * length + start + row) * length + firstKey + column] =
              values[(head * rows + row) * columns + column]!;
    }
    for (const [layer, tensor] of pass.hiddenStates.entries())
      hidden[layer]!.set((await tensor.data()) as Float32Array, start * nEmbd);
    logits = new Float32Array((await pass.logits.data()) as Float32Array);
    start += pass.attentions[0]!.shape[2];
    tf.dispose([pass.attentions, pass.hiddenStates, pass.logits]);
  }
  trace = { model, choice, tokenIds, attentions, hidden };
  const textOf = (tokenId: number) => model.decode([tokenId]);
  const vocabulary = Array.from({ length: vocabSize }, (_, tokenId) => safely(() => textOf(tokenId)));
  const embeddings = embeddingsOf(model, tokenIds);
  return {
    tokens: tokenIds.map((tokenId) => ({ id: tokenId, text: textOf(tokenId) })),
    nLayer,
    nHead,
    nEmbd,
    headDim: nEmbd / nHead,
    vocabSize,
    positions: config.positions,
    layers:
      choice.kind === 'recurrent'
        ? config.layerPattern.map(() => `recurrent(${choice.size}, memory ${choice.extra})`)
        : config.layerPattern.map((layer) => formatLayerAttention(layer)),
    attentions,
    logits,
    vocabulary,
    lens: await lensOf(model, hidden, length, vocabulary),
    embeddings,
    milliseconds: performance.now() - from,
  };
}

interface Pass {
  readonly attentions: tf.Tensor4D[];
  readonly hiddenStates: tf.Tensor3D[];
  readonly logits: tf.Tensor3D;
}

function inOnePass(model: GPT, tokenIds: number[]): Pass {
  const { attentions, hiddenStates, logits, lastHiddenState } = model.forward([tokenIds], {
    outputAttentions: true,
    outputHiddenStates: true,
    logits: 'last',
  });
  if (!hiddenStates!.includes(lastHiddenState)) lastHiddenState.dispose();
  return { attentions: attentions!, hiddenStates: hiddenStates!, logits };
}

/** Segments one after the other, each reading the states that its layers remember (Dai et al. 2019). */
function inSegments(model: GPT, tokenIds: number[], { size, extra }: PatternChoice): Pass[] {
  const memory = new SegmentMemory({ nLayer: model.config.nLayer, memoryLength: Math.max(1, extra) });
  const passes: Pass[] = [];
  try {
    for (let start = 0; start < tokenIds.length; start += size) {
      const segment = tokenIds.slice(start, start + size);
      const { attentions, hiddenStates, logits, lastHiddenState } = model.forward([segment], {
        outputAttentions: true,
        outputHiddenStates: true,
        logits: 'last',
        memory,
      });
      if (!hiddenStates!.includes(lastHiddenState)) lastHiddenState.dispose();
      passes.push({ attentions: attentions!, hiddenStates: hiddenStates!, logits });
    }
  } finally {
    memory.dispose();
  }
  return passes;
}

function embeddingsOf(model: GPT, tokenIds: number[]): Explanation['embeddings'] {
  const rows = (name: string, ids: number[]) =>
    tf.tidy(() => {
      const table = model.variables.get(name) as tf.Tensor2D | undefined;
      return table && (tf.gather(table, tf.tensor1d(ids, 'int32')).dataSync() as Float32Array);
    });
  return {
    token: rows('transformer.wte.weight', tokenIds)!,
    position: rows(
      'transformer.wpe.weight',
      tokenIds.map((_, position) => position),
    ),
  };
}

/** What each layer would say if it were the last: its state through final norm and output matrix. */
async function lensOf(
  model: GPT,
  hidden: readonly Float32Array[],
  length: number,
  vocabulary: readonly string[],
): Promise<Explanation['lens']> {
  const { nEmbd, nLayer, normPlacement, layerNormEpsilon } = model.config;
  const gain = model.variables.get('transformer.ln_f.weight');
  const bias = model.variables.get('transformer.ln_f.bias');
  const probabilities = tf.tidy(() => {
    const rows = hidden.map((states, layer) => {
      const row = tf.tensor2d(states.subarray((length - 1) * nEmbd, length * nEmbd), [1, nEmbd]);
      const normed = layer === nLayer || normPlacement === 'post' || !gain;
      return normed ? row : layerNorm(row, gain as tf.Tensor1D, bias as tf.Tensor1D, layerNormEpsilon);
    });
    return tf.softmax(model.head(tf.concat(rows, 0) as tf.Tensor2D));
  });
  const values = (await probabilities.data()) as Float32Array;
  probabilities.dispose();
  const vocabSize = model.config.vocabSize;
  return hidden.map((_, layer) => {
    const row = values.subarray(layer * vocabSize, (layer + 1) * vocabSize);
    return Array.from(row, (probability, id) => ({ probability, text: vocabulary[id]! }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, 5);
  });
}

/** The inside of one head, computed again from the states that the model's own pass left. */
export function explainHead(layer: number, head: number): HeadDetail {
  if (!trace) throw new Error('Run the model over a text first.');
  const { model, choice, tokenIds, attentions, hidden } = trace;
  const { config, variables } = model;
  const { nHead, nKvHead, nEmbd, normPlacement, layerNormEpsilon } = config;
  const length = tokenIds.length;
  const headDim = nEmbd / nHead;
  const name = `transformer.h.${layer}`;
  const parameter = (part: string) => variables.get(`${name}.${part}`);
  const norm = (part: string, x: tf.Tensor) =>
    layerNorm(
      x,
      parameter(`${part}.weight`) as tf.Tensor1D,
      parameter(`${part}.bias`) as tf.Tensor1D,
      layerNormEpsilon,
    );
  const apply = (part: string, x: tf.Tensor) =>
    linear(
      x as tf.Tensor2D,
      parameter(`${part}.weight`) as tf.Tensor2D,
      parameter(`${part}.bias`) as tf.Tensor1D | undefined,
    ) as tf.Tensor2D;
  const activate = (x: tf.Tensor): tf.Tensor => {
    if (config.activation === 'relu') return tf.relu(x);
    if (config.activation === 'quick_gelu') return quickGelu(x);
    return gelu(x, config.activation === 'gelu_new' ? 'tanh' : 'none');
  };
  return tf.tidy(() => {
    const x = tf.tensor2d(hidden[layer]!, [length, nEmbd]);
    const read = normPlacement === 'post' ? x : norm('ln_1', x);
    const qkv = apply('attn.c_attn', read);
    const kvWidth = nKvHead * headDim;
    const split = (part: tf.Tensor, heads: number) =>
      tf.transpose(tf.reshape(part, [length, heads, headDim]), [1, 0, 2]); // [heads, length, headDim]
    const [q, k, v] = tf.split(qkv, [nEmbd, kvWidth, kvWidth], 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
    let [query, key, value] = [split(q, nHead), split(k, nKvHead), split(v, nKvHead)];
    if (config.positions === 'rotary') {
      const turn = (t: tf.Tensor) => tf.squeeze(rotaryEmbedding(tf.expandDims(t, 0) as tf.Tensor4D), [0]);
      [query, key] = [turn(query), turn(key)];
    }
    if (nKvHead < nHead) {
      const shared = Array.from({ length: nHead }, (_, at) => Math.floor((at * nKvHead) / nHead));
      const repeat = (t: tf.Tensor) => tf.gather(t, tf.tensor1d(shared, 'int32'), 0);
      [key, value] = [repeat(key), repeat(value)];
    }
    const scale = config.scaleAttention ? 1 / Math.sqrt(headDim) : 1;
    const scores = tf.mul(tf.matMul(query, key, false, true), scale); // [heads, length, length]
    const weights = tf.tensor3d(attentions[layer]!, [nHead, length, length]);
    const context = tf.matMul(weights, value); // [heads, length, headDim]
    const merged = tf.reshape(tf.transpose(context, [1, 0, 2]), [length, nEmbd]);
    const attended = apply('attn.c_proj', merged);
    const place = (post: string, at: tf.Tensor, added: tf.Tensor) => {
      if (normPlacement === 'post') return norm(post, tf.add(at, added));
      return tf.add(at, normPlacement === 'sandwich' ? norm(`${post}_post`, added) : added);
    };
    const middle = place('ln_1', x, attended);
    const inner = activate(apply('mlp.c_fc', normPlacement === 'post' ? middle : norm('ln_2', middle)));
    const output = place('ln_2', middle, apply('mlp.c_proj', inner));
    const last = layer === config.nLayer - 1 && normPlacement !== 'post';
    const compared = last
      ? layerNorm(
          output,
          variables.get('transformer.ln_f.weight') as tf.Tensor1D,
          variables.get('transformer.ln_f.bias') as tf.Tensor1D,
          layerNormEpsilon,
        )
      : output;
    const expected = tf.tensor2d(hidden[layer + 1]!, [length, nEmbd]);
    const one = (t: tf.Tensor) =>
      tf.squeeze(tf.slice(t, [head, 0, 0], [1, -1, -1]), [0]).dataSync() as Float32Array;
    const weightValues = one(weights);
    return {
      query: one(query),
      key: one(key),
      value: one(value),
      scores: one(scores),
      visible: visibleOf(model, layer, choice, length, weightValues),
      weights: weightValues,
      output: one(context),
      inner: inner.dataSync() as Float32Array,
      blockInput: hidden[layer]!.slice(),
      blockOutput: output.dataSync() as Float32Array,
      deviation: tf.max(tf.abs(tf.sub(compared, expected))).dataSync()[0]!,
    } as unknown as tf.TensorContainer;
  }) as unknown as HeadDetail;
}

function visibleOf(
  model: GPT,
  layer: number,
  choice: PatternChoice,
  length: number,
  weights: Float32Array,
): Uint8Array {
  const visible = new Uint8Array(length * length);
  const pattern = model.config.layerPattern[layer]!;
  const rule: AttentionPattern =
    choice.kind === 'recurrent' ? recurrentPattern(choice.size, choice.extra) : ruleOf(pattern);
  for (let row = 0; row < length; row++)
    for (let column = 0; column < length; column++) {
      const at = row * length + column;
      // Which keys a top-k layer sees is decided by the scores themselves.
      const seen =
        pattern.type === 'topk' && choice.kind !== 'recurrent' ? weights[at]! > 0 : rule.allows(row, column);
      visible[at] = seen ? 1 : 0;
    }
  return visible;
}

function ruleOf(layer: GPT['config']['layerPattern'][number]): AttentionPattern {
  switch (layer.type) {
    case 'dense':
    case 'topk':
      return causalPattern;
    case 'banded':
      return bandedPattern(layer.window);
    case 'strided':
      return stridedPattern(layer.stride);
    case 'fixed':
      return fixedPattern(layer.stride, layer.summary);
  }
}

function recurrentPattern(
  segment: number,
  memory: number,
): Pick<AttentionPattern, 'allows'> & AttentionPattern {
  const allows = (query: number, key: number) => {
    const start = Math.floor(query / segment) * segment;
    return key <= query && key >= start - memory;
  };
  return { ...causalPattern, name: 'recurrent', allows };
}

function safely(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
