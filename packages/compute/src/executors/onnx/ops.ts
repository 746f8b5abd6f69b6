import { ExecutorError } from '../../capture/errors.js';
import { type GraphNode, sizeOf, type Value } from '../../capture/graph.js';
import { partsOf } from '../../ops/parts.js';
import type { OnnxLowering } from './lower.js';
import { OT } from './model.js';
import { beforeTransposes, reshaped } from './moves.js';
import { addBias, fusedOps } from './ops-fused.js';
import { windowOps } from './ops-window.js';
import { scatterAdd } from './scatter-add.js';
import { slabProduct } from './slabs.js';

export type OnnxLoweringRule = (l: OnnxLowering, node: GraphNode) => string | string[];

const refs = (l: OnnxLowering, node: GraphNode) => node.inputs.map((value) => l.refFor(node, value));

function plain(op: string): OnnxLoweringRule {
  return (l, node) => l.builder.op(op, refs(l, node));
}

/** `op` with a negation after it. */
function negated(op: string): OnnxLoweringRule {
  return (l, node) => l.builder.op('Not', [l.builder.op(op, refs(l, node))]);
}

function cast(l: OnnxLowering, name: string, to: keyof typeof OT): string {
  return l.builder.op('Cast', [name], { to: { int: OT[to] } });
}

/** Equality also for booleans. */
function reduction(op: string): OnnxLoweringRule {
  return (l, node) => {
    const { axes, keepDims } = node.attrs as { axes: number[]; keepDims: boolean };
    return l.builder.op(op, [l.ref(node.inputs[0]!), l.builder.ints(axes)], {
      keepdims: { int: keepDims ? 1 : 0 },
    });
  };
}

/** All and Any as extremes of 0 and 1. */
function logicalReduction(op: string): OnnxLoweringRule {
  return (l, node) => {
    const numbers = cast(l, l.ref(node.inputs[0]!), 'int32');
    const { axes, keepDims } = node.attrs as { axes: number[]; keepDims: boolean };
    const out = l.builder.op(op, [numbers, l.builder.ints(axes)], { keepdims: { int: keepDims ? 1 : 0 } });
    return cast(l, out, 'bool');
  };
}

function argument(op: string): OnnxLoweringRule {
  return (l, node) => {
    const out = l.builder.op(op, refs(l, node), {
      axis: { int: node.attrs.axis as number },
      keepdims: { int: 0 },
    });
    return cast(l, out, 'int32');
  };
}

function transposeLast(l: OnnxLowering, value: Value): string {
  const rank = value.shape.length;
  const perm = Array.from({ length: rank }, (_, i) => i);
  [perm[rank - 1], perm[rank - 2]] = [rank - 2, rank - 1];
  return l.builder.op('Transpose', [l.ref(value)], { perm: { ints: perm } });
}

function matMul(l: OnnxLowering, node: GraphNode): string {
  const slabs = slabProduct(l, node);
  if (slabs !== undefined) return slabs;
  const [a, b] = node.inputs as [Value, Value];
  const transposeA = node.attrs.transposeA === true;
  const transposeB = node.attrs.transposeB === true;
  if (a.shape.length === 2 && b.shape.length === 2 && (transposeA || transposeB)) {
    return l.builder.op('Gemm', refs(l, node), {
      transA: { int: transposeA ? 1 : 0 },
      transB: { int: transposeB ? 1 : 0 },
    });
  }
  const left = transposeA ? transposeLast(l, a) : l.ref(a);
  const right = transposeB ? transposeLast(l, b) : l.refFor(node, b);
  return l.builder.op('MatMul', [left, right]);
}

function composite(build: (op: Composer, node: GraphNode) => string | string[]): OnnxLoweringRule {
  return (l, node) => {
    const op: Composer = {
      l,
      inputs: refs(l, node),
      call: (name, ...inputs) => l.builder.op(name, inputs),
      number: (value) => l.builder.scalar(value, 'float32'),
    };
    return build(op, node);
  };
}

interface Composer {
  readonly l: OnnxLowering;
  readonly inputs: string[];
  call(name: string, ...inputs: string[]): string;
  number(value: number): string;
}

const sameName = [
  'Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Ceil', 'Cos', 'Cosh', 'Elu', 'Erf', 'Exp', 'Floor',
  'Greater', 'Less', 'Log', 'Neg', 'Reciprocal', 'Relu', 'Round', 'Selu', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Softplus',
  'Sqrt', 'Sub', 'Tan', 'Tanh', 'Pow',
]; // biome-ignore format: a table

export const lowerings: Record<string, OnnxLoweringRule> = {
  ...Object.fromEntries(sameName.map((op) => [op, plain(op)])),
  ...windowOps,
  ...fusedOps,
  Add: (l, node) => addBias(l, node) ?? l.builder.op('Add', refs(l, node)),
  Multiply: plain('Mul'),
  RealDiv: plain('Div'),
  Maximum: plain('Max'),
  Minimum: plain('Min'),
  GreaterEqual: plain('GreaterOrEqual'),
  LessEqual: plain('LessOrEqual'),
  Equal: plain('Equal'),
  NotEqual: negated('Equal'),
  LogicalAnd: plain('And'),
  LogicalOr: plain('Or'),
  LogicalXor: plain('Xor'),
  LogicalNot: plain('Not'),
  IsNan: plain('IsNaN'),
  IsInf: plain('IsInf'),
  IsFinite: composite(({ call, inputs: [x] }) =>
    call('Not', call('Or', call('IsNaN', x!), call('IsInf', x!))),
  ),
  Select: plain('Where'),
  Square: composite(({ call, inputs: [x] }) => call('Mul', x!, x!)),
  Rsqrt: composite(({ call, inputs: [x] }) => call('Reciprocal', call('Sqrt', x!))),
  Expm1: composite(({ call, number, inputs: [x] }) => {
    // exp(x) − 1 loses digits near 0, where x + x²/2 + x³/6 does not.
    const plainForm = call('Sub', call('Exp', x!), number(1));
    const series = call(
      'Mul',
      x!,
      call('Add', number(1), call('Mul', x!, call('Add', number(0.5), call('Mul', x!, number(1 / 6))))),
    );
    return call('Where', call('Less', call('Abs', x!), number(1e-2)), series, plainForm);
  }),
  Log1p: composite(({ call, number, inputs: [x] }) => call('Log', call('Add', x!, number(1)))),
  Relu6: composite(({ call, number, inputs: [x] }) => call('Min', call('Relu', x!), number(6))),
  SquaredDifference: composite(({ call, inputs: [a, b] }) => {
    const difference = call('Sub', a!, b!);
    return call('Mul', difference, difference);
  }),
  FloorDiv: composite(({ l, call, inputs: [a, b] }, node) => {
    if (node.outputs[0]!.dtype === 'float32') return call('Floor', call('Div', a!, b!));
    const quotient = call('Floor', call('Div', cast(l, a!, 'float32'), cast(l, b!, 'float32')));
    return cast(l, quotient, 'int32');
  }),
  Mod: composite(({ l, call, inputs: [a, b] }, node) =>
    node.outputs[0]!.dtype === 'int32'
      ? l.builder.op('Mod', [a!, b!])
      : call('Sub', a!, call('Mul', b!, call('Floor', call('Div', a!, b!)))),
  ),
  Cast: (l, node) => {
    const from = node.inputs[0]!;
    const to = node.outputs[0]!.dtype;
    return cast(l, l.ref(from), to);
  },
  Sum: reduction('ReduceSum'),
  Mean: reduction('ReduceMean'),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  All: logicalReduction('ReduceMin'),
  Any: logicalReduction('ReduceMax'),
  SumOfSquares: sumOfSquares,
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Cumsum: (l, node) =>
    l.builder.op('CumSum', [l.ref(node.inputs[0]!), l.builder.scalar(node.attrs.axis as number, 'int32')], {
      exclusive: { int: node.attrs.exclusive ? 1 : 0 },
      reverse: { int: node.attrs.reverse ? 1 : 0 },
    }),
  Softmax: (l, node) => l.builder.op('Softmax', refs(l, node), { axis: { int: -1 } }),
  LogSoftmax: (l, node) => l.builder.op('LogSoftmax', refs(l, node), { axis: { int: -1 } }),
  MatMul: matMul,
  Einsum: (l, node) =>
    l.builder.op('Einsum', refs(l, node), { equation: { string: node.attrs.equation as string } }),
  Reshape: (l, node) => reshaped(l, node.inputs[0]!, l.shapeOf(node.outputs[0]!)),
  Transpose: (l, node) => {
    const before = beforeTransposes(node.outputs[0]!);
    if (before !== undefined) return l.ref(before);
    return l.builder.op('Transpose', refs(l, node), { perm: { ints: node.attrs.perm as number[] } });
  },
  Slice: (l, node) => {
    const { begin, size } = node.attrs as { begin: number[]; size: number[] };
    const [x] = node.inputs as [Value];
    const axes = begin.map((_, i) => i).filter((i) => begin[i] !== 0 || size[i] !== x.shape[i]);
    return l.builder.op('Slice', [
      l.ref(x),
      l.builder.ints(axes.map((i) => begin[i]!)),
      l.builder.ints(axes.map((i) => begin[i]! + size[i]!)),
      l.builder.ints(axes),
    ]);
  },
  Concat: (l, node) => l.builder.op('Concat', refs(l, node), { axis: { int: node.attrs.axis as number } }),
  Tile: (l, node) =>
    l.builder.op('Tile', [l.ref(node.inputs[0]!), l.builder.ints(node.attrs.reps as number[])]),
  BroadcastTo: (l, node) =>
    l.builder.op('Expand', [l.ref(node.inputs[0]!), l.builder.ints(node.outputs[0]!.shape)]),
  Fill: (l, node) => {
    const out = node.outputs[0]!;
    const value = l.builder.scalar(node.attrs.value as number, out.dtype);
    return l.builder.op('Expand', [value, l.builder.ints(out.shape)]);
  },
  Pad: (l, node) => {
    const paddings = node.attrs.paddings as number[][];
    const [x] = node.inputs as [Value];
    const pads = [...paddings.map(([before]) => before!), ...paddings.map(([, after]) => after!)];
    const value = l.builder.scalar(node.attrs.value as number, x.dtype);
    return l.builder.op('Pad', [l.ref(x), l.builder.ints(pads), value]);
  },
  MirrorPad: (l, node) => {
    if (node.attrs.mode !== 'reflect') {
      throw new ExecutorError('onnx', 'ONNX has no symmetric padding; use reflect');
    }
    const paddings = node.attrs.paddings as number[][];
    const pads = [...paddings.map(([before]) => before!), ...paddings.map(([, after]) => after!)];
    return l.builder.op('Pad', [l.ref(node.inputs[0]!), l.builder.ints(pads)], {
      mode: { string: 'reflect' },
    });
  },
  Reverse: (l, node) => {
    const axes = node.attrs.axes as number[];
    const all = (value: number) => l.builder.ints(axes.map(() => value));
    const lowest = -(2 ** 31) + 1;
    return l.builder.op('Slice', [
      l.ref(node.inputs[0]!),
      all(-1),
      all(lowest),
      l.builder.ints(axes),
      all(-1),
    ]);
  },
  Gather: (l, node) => {
    const batchDims = node.attrs.batchDims as number;
    if (batchDims !== 0) {
      const [x, indices] = node.inputs as [Value, Value];
      if (node.attrs.axis !== batchDims || indices.shape.length !== batchDims + 1) {
        throw new ExecutorError('onnx', 'gather with batchDims needs axis = batchDims and one index axis');
      }
      const deep = l.builder.op('Reshape', [
        cast(l, l.ref(indices), 'int64'),
        l.builder.ints([...indices.shape, 1]),
      ]);
      return l.builder.op('GatherND', [l.ref(x), deep], { batch_dims: { int: batchDims } });
    }
    return l.builder.op('Gather', refs(l, node), { axis: { int: node.attrs.axis as number } });
  },
  GatherNd: (l, node) => {
    const [params, indices] = refs(l, node) as [string, string];
    return l.builder.op('GatherND', [params, cast(l, indices, 'int64')]);
  },
  ScatterNd: (l, node) => {
    const [indices, updates] = refs(l, node) as [string, string];
    const depth = node.inputs[0]!.shape.at(-1)!;
    return scatterAdd(l, node.outputs[0]!, depth, cast(l, indices, 'int64'), updates);
  },
  TensorScatterUpdate: (l, node) => {
    const [tensor, indices, updates] = refs(l, node) as [string, string, string];
    return l.builder.op('ScatterND', [tensor, cast(l, indices, 'int64'), updates]);
  },
  UnsortedSegmentSum: (l, node) => {
    const [x, ids] = refs(l, node) as [string, string];
    return scatterAdd(l, node.outputs[0]!, 1, cast(l, ids, 'int64'), x);
  },
  // A comparison with every class: a class outside the range is hot nowhere, as in TensorFlow.
  OneHot: (l, node) => {
    const { depth, onValue, offValue } = node.attrs as { depth: number; onValue: number; offValue: number };
    const { dtype } = node.outputs[0]!;
    const classes = l.builder.initializer(
      Int32Array.from({ length: depth }, (_, i) => i),
      'int32',
      [depth],
    );
    const column = l.builder.op('Unsqueeze', [l.ref(node.inputs[0]!), l.builder.ints([-1])]);
    const hot = l.builder.op('Equal', [column, classes]);
    return l.builder.op('Where', [hot, l.builder.scalar(onValue, dtype), l.builder.scalar(offValue, dtype)]);
  },
  MatrixBandPart: (l, node) => {
    const [lower, upper] = node.inputs.slice(1).map((value) => l.frozen(value)?.[0]);
    if (lower === undefined || upper === undefined) {
      throw new ExecutorError('onnx', 'the width of a band must be a constant');
    }
    const triangle = (x: string, k: number, up: boolean) =>
      l.builder.op('Trilu', [x, l.builder.initializer(BigInt64Array.of(BigInt(k)), 'int64', [])], {
        upper: { int: up ? 1 : 0 },
      });
    let out = l.ref(node.inputs[0]!);
    if (lower >= 0) out = triangle(out, -lower, true);
    if (upper >= 0) out = triangle(out, upper, false);
    return out;
  },
  TopK: (l, node) => {
    const [values, indices] = l.builder.many(
      'TopK',
      [l.ref(node.inputs[0]!), l.builder.ints([node.attrs.k as number])],
      2,
      { axis: { int: -1 }, sorted: { int: node.attrs.sorted ? 1 : 0 } },
    );
    return [values!, cast(l, indices!, 'int32')];
  },
  // One worker: the mean over it is the value itself.
  AllReduceMean: refs,
  StatelessUniform: (l, node) => {
    const out = node.outputs[0]!;
    const input = `random_${l.random.length}`;
    l.builder.inputs.push({ name: input, type: 'float32', shape: out.shape });
    l.random.push({ input, shape: out.shape, seed: node.inputs[0]! });
    return input;
  },
  SparseSoftmaxCrossEntropy: (l, node) => {
    const { builder } = l;
    const [logits, labels] = refs(l, node) as [string, string];
    const column = builder.op('Unsqueeze', [cast(l, labels, 'int64'), builder.ints([1])]);
    const logProbs = builder.op('LogSoftmax', [logits], { axis: { int: -1 } });
    const picked = builder.op('GatherElements', [logProbs, column], { axis: { int: 1 } });
    const loss = builder.op('Neg', [builder.op('Squeeze', [picked, builder.ints([1])])]);
    const rows = node.inputs[0]!.shape[0]!;
    const minusOne = builder.op('Expand', [builder.scalar(-1), builder.ints([rows, 1])]);
    const residual = builder.op('ScatterElements', [builder.op('Exp', [logProbs]), column, minusOne], {
      axis: { int: 1 },
      reduction: { string: 'add' },
    });
    return [loss, residual];
  },
  AdamW: composite(({ call, number, inputs }, node) => {
    const [value, mean, square, given, stepSize, epsilon, keep] = inputs as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const scale = inputs[7];
    const gradient = scale === undefined ? given : call('Mul', given, scale);
    const mix = (old: string, beta: number, fresh: string) =>
      call('Add', call('Mul', old, number(beta)), call('Mul', fresh, number(1 - beta)));
    const m = mix(mean, node.attrs.beta1 as number, gradient);
    const v = mix(square, node.attrs.beta2 as number, call('Mul', gradient, gradient));
    const change = call('Div', call('Mul', m, stepSize), call('Add', call('Sqrt', v), epsilon));
    return [call('Sub', node.attrs.decay === true ? call('Mul', value, keep) : value, change), m, v];
  }),
};

function sumOfSquares(l: OnnxLowering, node: GraphNode): string {
  const [x] = node.inputs as [Value];
  if (sizeOf(x.shape) === 0) return l.builder.scalar(0);
  const sums = partsOf(sizeOf(x.shape)).reduce((from, part, i) => {
    const rows = l.builder.op('Reshape', [from, l.builder.ints([-1, part])]);
    const op = i === 0 ? 'ReduceSumSquare' : 'ReduceSum';
    return l.builder.op(op, [rows, l.builder.ints([1])], { keepdims: { int: 0 } });
  }, l.ref(x));
  return l.builder.op('Reshape', [sums, l.builder.ints([])]);
}
