import type { Value } from '../graph.js';
import {
  binary,
  broadcastShapes,
  cast,
  emit,
  fill,
  input,
  type KernelCall,
  type KernelRule,
  scalar,
  unary,
} from './emit.js';

/** Kernels whose node has the kernel's own name, one input `x` and the same shape. */
const sameType = [
  'Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Ceil', 'Cos', 'Cosh', 'Elu', 'Erf', 'Exp', 'Expm1',
  'Floor', 'Log', 'Log1p', 'LogicalNot', 'Neg', 'Reciprocal', 'Relu', 'Relu6', 'Round', 'Rsqrt', 'Selu', 'Sigmoid',
  'Sign', 'Sin', 'Sinh', 'Softplus', 'Sqrt', 'Square', 'Tan', 'Tanh',
]; // biome-ignore format: a table

const toBool = ['IsFinite', 'IsInf', 'IsNan'];

const arithmetic = [
  'Add', 'Atan2', 'FloorDiv', 'Maximum', 'Minimum', 'Mod', 'Multiply', 'Pow', 'RealDiv', 'SquaredDifference', 'Sub',
]; // biome-ignore format: a table

const comparison = [
  'Equal', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr', 'LogicalXor', 'NotEqual',
]; // biome-ignore format: a table

const x = (call: KernelCall) => input(call, 'x');

export function activate(value: Value, activation: string | undefined, call: KernelCall): Value {
  switch (activation) {
    case undefined:
    case null:
    case 'linear':
      return value;
    case 'relu':
      return unary('Relu', value);
    case 'relu6':
      return unary('Relu6', value);
    case 'elu':
      return unary('Elu', value);
    case 'sigmoid':
      return unary('Sigmoid', value);
    case 'leakyrelu':
      return leakyRelu(value, call.attrs.leakyreluAlpha ?? 0.2);
    case 'prelu':
      return prelu(value, input(call, 'preluActivationWeights'));
    default:
      return value;
  }
}

function leakyRelu(value: Value, alpha: number): Value {
  return select(
    binary('Greater', value, scalar(0, value.dtype), 'bool'),
    value,
    binary('Multiply', value, scalar(alpha, value.dtype)),
  );
}

function prelu(value: Value, alpha: Value): Value {
  return select(
    binary('Less', value, scalar(0, value.dtype), 'bool'),
    binary('Multiply', value, alpha),
    value,
  );
}

/** Broadcasting choice. */
export function select(condition: Value, t: Value, e: Value): Value {
  const shape = broadcastShapes('Select', condition.shape, broadcastShapes('Select', t.shape, e.shape));
  return emit('Select', [condition, t, e], {}, shape, t.dtype);
}

export const elementwiseRules: Record<string, KernelRule> = {
  ...Object.fromEntries(sameType.map((name) => [name, (call: KernelCall) => unary(name, x(call))])),
  ...Object.fromEntries(toBool.map((name) => [name, (call: KernelCall) => unary(name, x(call), 'bool')])),
  ...Object.fromEntries(
    arithmetic.map((name) => [name, (call: KernelCall) => binary(name, input(call, 'a'), input(call, 'b'))]),
  ),
  ...Object.fromEntries(
    comparison.map((name) => [
      name,
      (call: KernelCall) => binary(name, input(call, 'a'), input(call, 'b'), 'bool'),
    ]),
  ),
  Identity: x,
  Cast: (call) => cast(x(call), call.attrs.dtype),
  ZerosLike: (call) => fill(x(call).shape, 0, x(call).dtype),
  OnesLike: (call) => fill(x(call).shape, 1, x(call).dtype),
  AddN: (call) => call.list.reduce((sum, next) => binary('Add', sum, next)),
  Select: (call) => {
    const t = input(call, 't');
    const condition = input(call, 'condition');
    // A rank-1 condition of the first version of the kernel picks whole rows.
    const rows =
      condition.shape.length === 1 && t.shape.length > 1 && condition.shape[0] === t.shape[0]
        ? emit('Reshape', [condition], {}, [...condition.shape, ...t.shape.slice(1).map(() => 1)], 'bool')
        : condition;
    return select(rows, t, input(call, 'e'));
  },
  ClipByValue: (call) => {
    const { clipValueMin, clipValueMax } = call.attrs;
    const value = x(call);
    return binary(
      'Minimum',
      binary('Maximum', value, scalar(clipValueMin, value.dtype)),
      scalar(clipValueMax, value.dtype),
    );
  },
  LeakyRelu: (call) => leakyRelu(x(call), call.attrs.alpha),
  Prelu: (call) => prelu(x(call), input(call, 'alpha')),
  EluGrad: (call) => {
    const dy = input(call, 'dy');
    const y = input(call, 'y');
    const slope = binary('Add', y, scalar(1, 'float32'));
    return select(binary('GreaterEqual', y, scalar(0, 'float32'), 'bool'), dy, binary('Multiply', dy, slope));
  },
  Step: (call) => {
    const value = x(call);
    const alpha: number = call.attrs.alpha ?? 0;
    const positive = select(
      binary('Greater', value, scalar(0, value.dtype), 'bool'),
      scalar(1, value.dtype),
      scalar(alpha, value.dtype),
    );
    // Not-a-number stays not-a-number.
    return value.dtype === 'float32' ? select(unary('IsNan', value, 'bool'), value, positive) : positive;
  },
};
