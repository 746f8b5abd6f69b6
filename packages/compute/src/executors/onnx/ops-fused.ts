import { ExecutorError } from '../../capture/errors.js';
import type { Fusion, GraphNode, Value } from '../../capture/graph.js';
import type { OnnxLowering } from './lower.js';
import { microsoft, OT } from './model.js';
import { beforeMoves, reshaped } from './moves.js';
import type { OnnxLoweringRule } from './ops.js';

/** Operators that replace several nodes where no other node needs what lies between. */
export const fusions: Record<string, (l: OnnxLowering, fusion: Fusion) => string> = {
  LayerNorm: (l, { inputs, attrs }) =>
    l.builder.op(
      'LayerNormalization',
      inputs.map((value) => l.ref(value)),
      { axis: { int: -1 }, epsilon: { float: attrs.epsilon as number } },
    ),
  Gelu: (l, { inputs: [x], attrs }) =>
    attrs.approximate === 'quick'
      ? l.builder.op('QuickGelu', [l.ref(x!)], { alpha: { float: 1.702 } }, microsoft)
      : l.builder.op('Gelu', [l.ref(x!)], { approximate: { string: attrs.approximate as string } }),
};

/** `x·w + bias` as one operator: the bias goes into the product before it. */
export function addBias(l: OnnxLowering, node: GraphNode): string | undefined {
  const [a, b] = node.inputs as [Value, Value];
  for (const [product, bias] of [
    [a, b],
    [b, a],
  ] as const) {
    const { shape } = product;
    const fits = shape.length === 2 && bias.shape.length === 1 && bias.shape[0] === shape[1];
    if (!fits || product.node.op !== 'MatMul' || product.dtype !== 'float32' || l.uses.get(product) !== 1) {
      continue;
    }
    const name = l.ref(product);
    const made = l.builder.producer(name);
    if (made?.inputs.length === 2 && (made.op === 'MatMul' || made.op === 'Gemm')) {
      made.op = 'Gemm';
      made.inputs = [...made.inputs, l.refFor(node, bias)];
      return name;
    }
    if (made?.inputs.length === 3 && made.op === 'MatMulNBits') {
      // Without zero points and a group index.
      made.inputs = [...made.inputs, '', '', l.ref(bias)];
      return name;
    }
  }
  return undefined;
}

/** The columns that a value is of another, where it is a slice along the last axis alone. */
function columnsOf({ node }: Value): { from: Value; start: number; width: number } | undefined {
  if (node.op !== 'Slice') return undefined;
  const { begin, size } = node.attrs as { begin: number[]; size: number[] };
  const from = node.inputs[0]!;
  const last = size.length - 1;
  const areWhole = size.slice(0, last).every((length, i) => begin[i] === 0 && length === from.shape[i]);
  return areWhole ? { from, start: begin[last]!, width: size[last]! } : undefined;
}

/** Where query, key and value are the columns of one product, that product as it is, `[batch, length, all columns]`. */
function packedHeads(l: OnnxLowering, { inputs }: GraphNode): string | undefined {
  const parts = inputs.slice(0, 3);
  const columns = parts.map((part) => columnsOf(beforeMoves(part)));
  const product = columns[0]?.from;
  if (product === undefined) return undefined;
  let end = 0;
  for (const [i, part] of columns.entries()) {
    if (part?.from !== product || part.start !== end || part.width !== parts[i]!.shape[2]) return undefined;
    end += part.width;
  }
  if (end !== product.shape.at(-1)) return undefined;
  return reshaped(l, product, [...parts[0]!.shape.slice(0, 2), end]);
}

export const fusedOps: Record<string, OnnxLoweringRule> = {
  // The runtime's grouped-query attention, with its own causal rule.
  CachedAttention: (l, node) => {
    const [query, key, value, keys, values, last, slots, bias] = node.inputs.map((input) => l.ref(input));
    const { nHead, nKvHead, scale, window } = node.attrs as Record<string, number>;
    const headDim = node.inputs[3]!.shape[3]!;
    if (headDim % 8 !== 0) {
      throw new ExecutorError(
        'onnx',
        `cachedAttention takes heads of a multiple of 8, not of ${headDim}; pad them`,
      );
    }
    const total = l.shared(`total ${slots}`, () => {
      const length = l.builder.op('Squeeze', [l.builder.op('Shape', [slots!])]);
      return l.builder.op('Cast', [length], { to: { int: OT.int32 } });
    });
    const packed = packedHeads(l, node);
    const heads = packed === undefined ? [query!, key!, value!] : [packed, '', ''];
    const inputs = [...heads, keys!, values!, last!, total];
    if (bias !== undefined) inputs.push('', '', '', bias);
    return l.builder.many(
      'GroupQueryAttention',
      inputs,
      3,
      {
        num_heads: { int: nHead! },
        kv_num_heads: { int: nKvHead! },
        scale: { float: scale! },
        local_window_size: { int: window! > 0 ? window! : -1 },
      },
      microsoft,
    );
  },
};

/**
 * The input whose memory a result may take: the cache of keys or values that attention extends, where nothing else reads
 * it. The operator knows equal addresses and writes the new rows only.
 */
export function extendedInput(result: Value, uses: ReadonlyMap<Value, number>): Value | undefined {
  const { op, inputs, outputs } = result.node;
  if (op !== 'CachedAttention') return undefined;
  const [, keys, values] = outputs;
  const cache = result === keys ? inputs[3] : result === values ? inputs[4] : undefined;
  return cache !== undefined && uses.get(cache) === 1 ? cache : undefined;
}
