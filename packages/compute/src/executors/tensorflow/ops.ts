import type { GraphNode, Value } from '../../capture/graph.js';
import { composeAdamW } from './adamw.js';
import { isBias, type Lowering } from './lowering.js';
import { DT, type TfAttr, type TfRef } from './nodes.js';
import { collectiveOps } from './ops-collective.js';
import { randomOps } from './ops-random.js';
import { windowOps } from './ops-window.js';
import { rowScaling, scatterAdd, sparseCrossEntropy } from './output-layer.js';

export type TfLowering = (l: Lowering, node: GraphNode) => TfRef | TfRef[];

const T = (value: Value): TfAttr => ({ type: DT[value.dtype] });
const int32: TfAttr = { type: DT.int32 };

/** Same inputs, one attribute `T` taken from the first. */
function plain(op: string): TfLowering {
  return (l, node) =>
    l.builder.op(
      op,
      node.inputs.map((value) => l.ref(value)),
      { T: T(node.inputs[0]!) },
    );
}

function untyped(op: string): TfLowering {
  return (l, node) =>
    l.builder.op(
      op,
      node.inputs.map((value) => l.ref(value)),
    );
}

function reduction(op: string, typed = true): TfLowering {
  return (l, node) => {
    const [x] = node.inputs as [Value];
    const { axes, keepDims } = node.attrs as { axes: number[]; keepDims: boolean };
    const rank = x.shape.length;
    const rows = axes.length === rank - 1 && axes.every((axis, i) => axis === i);
    // The gradient of a bias: TensorFlow has a multi-threaded kernel for exactly this sum.
    if (op === 'Sum' && rows && rank >= 2 && !keepDims && x.dtype === 'float32') {
      return l.builder.op('BiasAddGrad', [l.ref(x)], { T: T(x), data_format: { string: 'NHWC' } });
    }
    return l.builder.op(op, [l.ref(x), l.builder.ints(axes)], {
      ...(typed ? { T: T(x) } : {}),
      Tidx: int32,
      keep_dims: { bool: keepDims },
    });
  };
}

function argument(op: string): TfLowering {
  return (l, node) =>
    l.builder.op(op, [l.ref(node.inputs[0]!), l.builder.ints(node.attrs.axis as number)], {
      T: T(node.inputs[0]!),
      Tidx: int32,
      output_type: int32,
    });
}

function cumulative(op: string): TfLowering {
  return (l, node) =>
    l.builder.op(op, [l.ref(node.inputs[0]!), l.builder.ints(node.attrs.axis as number)], {
      T: T(node.inputs[0]!),
      Tidx: int32,
      exclusive: { bool: node.attrs.exclusive as boolean },
      reverse: { bool: node.attrs.reverse as boolean },
    });
}

/** Moves numbers; what exists in bfloat16 is moved in bfloat16 too, and the graph optimiser drops what nobody reads. */
function moved(l: Lowering, node: GraphNode, move: (refs: TfRef[], type: TfAttr) => TfRef): TfRef {
  const refs = node.inputs.map((value) => l.ref(value));
  const result = move(refs, T(node.inputs[0]!));
  const halves = refs.flatMap((ref) => l.knownHalf(ref) ?? []);
  if (halves.length === refs.length) l.setHalf(result, move(halves, { type: DT.bfloat16 }));
  return result;
}

function layout(
  op: string,
  index: string,
  lists: (node: GraphNode) => readonly (readonly number[])[],
): TfLowering {
  return (l, node) =>
    moved(l, node, (refs, type) =>
      l.builder.op(op, [...refs, ...lists(node).map((list) => l.builder.ints(list))], {
        T: type,
        [index]: int32,
      }),
    );
}

function matMul(l: Lowering, node: GraphNode): TfRef {
  const [a, b] = node.inputs as [Value, Value];
  const scaling = rowScaling(l, a);
  if (scaling === undefined) return product(l, node, l.ref(a), l.ref(b));
  const { rows, scale } = scaling;
  const scaled = (ref: TfRef) => l.builder.op('Mul', [ref, l.ref(scale)], { T: T(scale) });
  return node.attrs.transposeA === true
    ? product(l, node, l.ref(rows), scaled(l.ref(b)))
    : scaled(product(l, node, l.ref(rows), l.ref(b)));
}

function product(l: Lowering, node: GraphNode, left: TfRef, right: TfRef): TfRef {
  const [a, b] = node.inputs as [Value, Value];
  const half = l.options.matmulPrecision === 'bf16' && a.dtype === 'float32';
  const flat = a.shape.length === 2 && b.shape.length === 2;
  const inputs = [left, right].map((ref) => (half ? l.half(ref) : ref));
  if (flat && node.attrs.transposeA === true && left === l.refs.get(a))
    inputs[0] = l.again?.(node, a, inputs[1]!) ?? inputs[0]!;
  const type = half ? { type: DT.bfloat16 } : T(a);
  const transposeA: TfAttr = { bool: node.attrs.transposeA as boolean };
  const transposeB: TfAttr = { bool: node.attrs.transposeB as boolean };
  const batched = ([x, y]: readonly TfRef[]) =>
    l.builder.op('BatchMatMulV2', [x!, y!], { T: type, adj_x: transposeA, adj_y: transposeB });
  if (flat && !half && isFasterBatched(l, node)) {
    const shaped = (ref: TfRef, shape: readonly number[]) =>
      l.builder.op('Reshape', [ref, l.builder.ints(shape)], { T: type, Tshape: int32 });
    const stack = inputs.map((ref, i) => shaped(ref, [1, ...node.inputs[i]!.shape]));
    return shaped(batched(stack), node.outputs[0]!.shape);
  }
  const result = flat
    ? l.builder.op('MatMul', inputs, { T: type, transpose_a: transposeA, transpose_b: transposeB })
    : batched(inputs);
  return half ? l.full(result) : result;
}

/**
 * Whether a·bᵀ is faster as a batch of one: other than MatMul, that goes through oneDNN's matrix product for shapes as they
 * come, up to 3.6 times as fast with few rows or a long inner axis, and a few percent slower with many rows and a short one.
 */
function isFasterBatched(l: Lowering, { inputs, outputs, attrs }: GraphNode): boolean {
  const [rows, inner] = inputs[0]!.shape as [number, number];
  if (attrs.transposeA === true || attrs.transposeB !== true || inputs[0]!.dtype !== 'float32') return false;
  if (rows < 16 || (rows > 512 && inner < 1024)) return false;
  const [product] = outputs as [Value];
  // TensorFlow fuses a bias with MatMul only.
  const reader = l.readersOf(product)?.[0];
  return !(
    reader?.op === 'Add' && reader.inputs.some((other) => other !== product && isBias(product, other, l.uses))
  );
}

/**
 * `x + bias` over the last axis as BiasAdd, which grappler fuses into the matrix product before it; an embedding's gradient
 * straight into what it is added to.
 */
function add(l: Lowering, node: GraphNode): TfRef {
  const [a, b] = node.inputs as [Value, Value];
  const scatter = scatterAdd(l, node);
  if (scatter !== undefined) {
    const { into, updates, ids } = scatter;
    const positions = l.builder.op('Reshape', [l.ref(ids), l.builder.ints([-1, 1])], {
      T: T(ids),
      Tshape: int32,
    });
    return l.builder.op('TensorScatterAdd', [l.ref(into), positions, l.ref(updates)], {
      T: T(into),
      Tindices: T(ids),
    });
  }
  for (const [x, y] of [
    [a, b],
    [b, a],
  ] as const) {
    if (isBias(x, y, l.uses)) {
      return l.builder.op('BiasAdd', [l.ref(x), l.ref(y)], { T: T(x), data_format: { string: 'NHWC' } });
    }
  }
  return l.builder.op('AddV2', [l.ref(a), l.ref(b)], { T: T(a) });
}

const typedPlain = [
  'Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atan2', 'Atanh', 'Ceil', 'Cos', 'Cosh', 'Elu', 'Equal', 'Erf',
  'Exp', 'Expm1', 'Floor', 'FloorDiv', 'Greater', 'GreaterEqual', 'IsFinite', 'IsInf', 'IsNan', 'Less', 'LessEqual',
  'Log', 'Log1p', 'LogSoftmax', 'Maximum', 'Minimum', 'Neg', 'NotEqual', 'Pow', 'RealDiv', 'Reciprocal', 'Relu',
  'Relu6', 'Round', 'Rsqrt', 'Selu', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Softmax', 'Softplus', 'Sqrt', 'Square',
  'SquaredDifference', 'Sub', 'Tan', 'Tanh',
]; // biome-ignore format: a table

export const lowerings: Record<string, TfLowering> = {
  ...Object.fromEntries(typedPlain.map((op) => [op, plain(op)])),
  ...windowOps,
  ...collectiveOps,
  ...randomOps,
  Add: add,
  Multiply: plain('Mul'),
  Mod: plain('FloorMod'),
  LogicalAnd: untyped('LogicalAnd'),
  LogicalOr: untyped('LogicalOr'),
  LogicalNot: untyped('LogicalNot'),
  LogicalXor: untyped('NotEqual'),
  Select: (l, node) =>
    l.builder.op(
      'SelectV2',
      node.inputs.map((value) => l.ref(value)),
      { T: T(node.inputs[1]!) },
    ),
  Cast: (l, node) => {
    const [x] = node.inputs as [Value];
    const to = node.outputs[0]!;
    return l.builder.op('Cast', [l.ref(x)], { SrcT: T(x), DstT: T(to), Truncate: { bool: false } });
  },
  Sum: reduction('Sum'),
  Mean: reduction('Mean'),
  Max: reduction('Max'),
  Min: reduction('Min'),
  Prod: reduction('Prod'),
  All: reduction('All', false),
  Any: reduction('Any', false),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Cumsum: cumulative('Cumsum'),
  Cumprod: cumulative('Cumprod'),
  MatMul: matMul,
  Einsum: (l, node) =>
    l.builder.op('Einsum', [node.inputs.map((value) => l.ref(value))], {
      equation: { string: node.attrs.equation as string },
      N: { int: node.inputs.length },
      T: T(node.inputs[0]!),
    }),
  Reshape: layout('Reshape', 'Tshape', (node) => [node.outputs[0]!.shape]),
  Transpose: layout('Transpose', 'Tperm', (node) => [node.attrs.perm as number[]]),
  Slice: layout('Slice', 'Index', (node) => [node.attrs.begin as number[], node.attrs.size as number[]]),
  Concat: (l, node) =>
    moved(l, node, (refs, type) =>
      l.builder.op('ConcatV2', [refs, l.builder.ints(node.attrs.axis as number)], {
        N: { int: refs.length },
        T: type,
        Tidx: int32,
      }),
    ),
  Tile: (l, node) =>
    l.builder.op('Tile', [l.ref(node.inputs[0]!), l.builder.ints(node.attrs.reps as number[])], {
      T: T(node.inputs[0]!),
      Tmultiples: int32,
    }),
  BroadcastTo: (l, node) =>
    l.builder.op('BroadcastTo', [l.ref(node.inputs[0]!), l.builder.ints(node.outputs[0]!.shape)], {
      T: T(node.inputs[0]!),
      Tidx: int32,
    }),
  Fill: (l, node) => {
    const out = node.outputs[0]!;
    const value = l.builder.number(node.attrs.value as number, out.dtype);
    return l.builder.op('Fill', [l.builder.ints(out.shape), value], { T: T(out), index_type: int32 });
  },
  Pad: (l, node) => {
    const [x] = node.inputs as [Value];
    const paddings = node.attrs.paddings as number[][];
    const table = l.builder.constant({
      dtype: DT.int32,
      shape: [paddings.length, 2],
      data: Int32Array.from(paddings.flat()),
    });
    const value = l.builder.number(node.attrs.value as number, x.dtype);
    return l.builder.op('PadV2', [l.ref(x), table, value], { T: T(x), Tpaddings: int32 });
  },
  MirrorPad: (l, node) => {
    const [x] = node.inputs as [Value];
    const paddings = node.attrs.paddings as number[][];
    const table = l.builder.constant({
      dtype: DT.int32,
      shape: [paddings.length, 2],
      data: Int32Array.from(paddings.flat()),
    });
    return l.builder.op('MirrorPad', [l.ref(x), table], {
      T: T(x),
      Tpaddings: int32,
      mode: { string: (node.attrs.mode as string).toUpperCase() },
    });
  },
  Reverse: (l, node) =>
    l.builder.op('ReverseV2', [l.ref(node.inputs[0]!), l.builder.ints(node.attrs.axes as number[])], {
      T: T(node.inputs[0]!),
      Tidx: int32,
    }),
  Gather: (l, node) => {
    const [x, indices] = node.inputs as [Value, Value];
    return l.builder.op('GatherV2', [l.ref(x), l.ref(indices), l.builder.ints(node.attrs.axis as number)], {
      Tparams: T(x),
      Tindices: T(indices),
      Taxis: int32,
      batch_dims: { int: node.attrs.batchDims as number },
    });
  },
  GatherNd: (l, node) => {
    const [params, indices] = node.inputs as [Value, Value];
    return l.builder.op('GatherNd', [l.ref(params), l.ref(indices)], {
      Tparams: T(params),
      Tindices: T(indices),
    });
  },
  ScatterNd: (l, node) => {
    const [indices, updates] = node.inputs as [Value, Value];
    return l.builder.op(
      'ScatterNd',
      [l.ref(indices), l.ref(updates), l.builder.ints(node.outputs[0]!.shape)],
      { T: T(updates), Tindices: T(indices) },
    );
  },
  TensorScatterUpdate: (l, node) => {
    const [tensor, indices, updates] = node.inputs as [Value, Value, Value];
    return l.builder.op('TensorScatterUpdate', [l.ref(tensor), l.ref(indices), l.ref(updates)], {
      T: T(tensor),
      Tindices: T(indices),
    });
  },
  OneHot: (l, node) => {
    const [indices] = node.inputs as [Value];
    const { depth, onValue, offValue } = node.attrs as Record<string, number>;
    const out = node.outputs[0]!;
    return l.builder.op(
      'OneHot',
      [
        l.ref(indices),
        l.builder.ints(depth!),
        l.builder.number(onValue!, out.dtype),
        l.builder.number(offValue!, out.dtype),
      ],
      { T: T(out), TI: T(indices), axis: { int: -1 } },
    );
  },
  MatrixBandPart: (l, node) =>
    l.builder.op(
      'MatrixBandPart',
      node.inputs.map((value) => l.ref(value)),
      { T: T(node.inputs[0]!), Tindex: T(node.inputs[1]!) },
    ),
  TopK: (l, node) => {
    const [x] = node.inputs as [Value];
    const top = l.builder.add('TopKV2', [l.ref(x), l.builder.ints(node.attrs.k as number)], {
      T: T(x),
      sorted: { bool: node.attrs.sorted as boolean },
      Tk: int32,
      index_type: int32,
    });
    return [0, 1].map((index) => ({ node: top, index }));
  },
  UnsortedSegmentSum: (l, node) => {
    const [x, ids] = node.inputs as [Value, Value];
    return l.builder.op(
      'UnsortedSegmentSum',
      [l.ref(x), l.ref(ids), l.builder.ints(node.attrs.numSegments as number)],
      { T: T(x), Tindices: T(ids), Tnumsegments: int32 },
    );
  },
  SparseSoftmaxCrossEntropy: sparseCrossEntropy,
  AdamW: composeAdamW,
  // L2Loss is half the sum of squares, in one pass and without a temporary.
  SumOfSquares: (l, node) => {
    const half = l.builder.op('L2Loss', [l.ref(node.inputs[0]!)], { T: T(node.inputs[0]!) });
    return l.builder.op('Mul', [half, l.builder.number(2)], { T: T(node.inputs[0]!) });
  },
};
