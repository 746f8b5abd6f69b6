import { type GraphNode, sizeOf, type Value } from '../../capture/graph.js';
import type { Lowering } from './lowering.js';
import { DT, type TfRef } from './nodes.js';

/**
 * What makes the output layer of a language model cheaper: its logits, and its gradient if tied to the embedding, are
 * the largest arrays of a training step, and each pass over them counts.
 */

const float = { type: DT.float32 } as const;
const int32 = { type: DT.int32 } as const;

/**
 * Losses and residuals (softmax − one-hot) from one softmax. TensorFlow's own kernel computes the exponentials twice, and
 * goes through all logits once more to find each row's label.
 *
 * The largest probability is 1/Σ exp(x − max): log Σ exp x = max − log p_max.
 */
export function sparseCrossEntropy(l: Lowering, node: GraphNode): TfRef[] {
  const { builder } = l;
  const [logits, labels] = node.inputs as [Value, Value];
  const rows = logits.shape[0]!;
  const x = l.ref(logits);
  const probs = builder.op('Softmax', [x], { T: float });
  const largest = (ref: TfRef) =>
    builder.op('Max', [ref, builder.ints([1])], { T: float, Tidx: int32, keep_dims: { bool: false } });
  const top = largest(probs);
  const row = builder.constant({
    dtype: DT.int32,
    shape: [rows],
    data: Int32Array.from({ length: rows }, (_, i) => i),
  });
  const positions = builder.op('Pack', [[row, l.ref(labels)]], {
    N: { int: 2 },
    T: int32,
    axis: { int: 1 },
  }); // [rows, 2]
  const target = builder.op('GatherNd', [x, positions], { Tparams: float, Tindices: int32 });
  const logSum = builder.op('Sub', [largest(x), builder.op('Log', [top], { T: float })], { T: float });
  const ones = builder.op('Fill', [builder.ints([rows]), builder.number(1)], {
    T: float,
    index_type: int32,
  });
  const residual = builder.op(
    'TensorScatterSub',
    [probs, positions, ones],
    { T: float, Tindices: int32 },
    [top.node], // nobody else reads the probabilities any more: they are changed in place
  );
  return [builder.op('Sub', [logSum, target], { T: float }), residual];
}

/**
 * A matrix whose rows were scaled, `rows · scale[:, None]`, where everyone who reads it multiplies it from the left with
 * something narrower: there the scale is applied to the product, or to the other factor.
 */
export function rowScaling(l: Lowering, value: Value): { rows: Value; scale: Value } | undefined {
  const { node, shape } = value;
  if (node.op !== 'Multiply' || shape.length !== 2 || value.dtype !== 'float32') return undefined;
  const scale = node.inputs.find((input) => String(input.shape) === `${shape[0]},1`);
  const rows = node.inputs.find((input) => String(input.shape) === String(shape));
  const readers = l.readersOf(value);
  if (scale === undefined || rows === undefined || readers === undefined) return undefined;
  const fits = readers.every(({ op, inputs: [a, b], attrs, outputs }) => {
    const narrow = outputs[0]!.shape.at(-1)! <= shape[1]!;
    return op === 'MatMul' && a === value && b !== value && narrow && !(attrs.transposeA && attrs.transposeB);
  });
  return fits ? { rows, scale } : undefined;
}

/** An embedding's gradient that is added to another gradient of the same table: the rows go straight into that one. */
export function scatterAdd(
  l: Lowering,
  node: GraphNode,
): { into: Value; updates: Value; ids: Value } | undefined {
  if (node.op !== 'Add') return undefined;
  const [a, b] = node.inputs as [Value, Value];
  for (const [sum, into] of [
    [a, b],
    [b, a],
  ] as const) {
    if (sum.node.op !== 'UnsortedSegmentSum' || String(sum.shape) !== String(into.shape)) continue;
    const [updates, ids] = sum.node.inputs as [Value, Value];
    const isRows = updates.shape.length === 2 && ids.shape.length === 1 && updates.dtype === 'float32';
    // Where someone else reads it, a copy would be made.
    const isFree = into.node.op === 'MatMul' && l.readersOf(into)?.length === 1;
    if (isRows && isFree && l.readersOf(sum)?.length === 1 && !l.refs.has(sum)) return { into, updates, ids };
  }
  return undefined;
}

/** Whether nodes that read the results of `node` do its work themselves. */
export function isAbsorbed(l: Lowering, node: GraphNode): boolean {
  const [value] = node.outputs;
  if (value === undefined || sizeOf(value.shape) === 0) return false;
  if (rowScaling(l, value) !== undefined) return true;
  if (node.op !== 'UnsortedSegmentSum') return false;
  const [reader] = l.readersOf(value) ?? [];
  return reader !== undefined && scatterAdd(l, reader) !== undefined;
}
