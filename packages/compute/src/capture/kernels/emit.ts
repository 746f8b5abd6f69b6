import { CaptureError } from '../errors.js';
import {
  type Attr,
  constantNode,
  type GraphDtype,
  hostArray,
  type Meta,
  makeNode,
  sizeOf,
  toHostArray,
  type Value,
} from '../graph.js';

/** Arguments of one TensorFlow.js kernel call, with values of the graph in place of tensors. */
export interface KernelCall {
  readonly kernel: string;
  /** Inputs by the names TensorFlow.js uses; an optional input may be absent. */
  readonly inputs: Readonly<Record<string, Value | undefined>>;
  /** Inputs of a kernel that takes a list. */
  readonly list: readonly Value[];
  // biome-ignore lint/suspicious/noExplicitAny: kernel attributes are untyped in TensorFlow.js too
  readonly attrs: Readonly<Record<string, any>>;
}

/** Turns one kernel call into nodes of the graph. */
export type KernelRule = (call: KernelCall) => Value | Value[];

export function input(call: KernelCall, name: string): Value {
  const value = call.inputs[name];
  if (value === undefined) {
    throw new CaptureError(call.kernel, `kernel ${call.kernel} was called without its input '${name}'`);
  }
  return value;
}

export function emit(
  op: string,
  inputs: readonly Value[],
  attrs: Record<string, Attr>,
  shape: readonly number[],
  dtype: GraphDtype,
): Value {
  return makeNode(op, inputs, attrs, [{ shape, dtype }]).outputs[0]!;
}

export function emitMany(
  op: string,
  inputs: readonly Value[],
  attrs: Record<string, Attr>,
  outputs: readonly Meta[],
): Value[] {
  return [...makeNode(op, inputs, attrs, outputs).outputs];
}

export function scalar(value: number, dtype: GraphDtype): Value {
  return constantNode(toHostArray(dtype, [value]), [], dtype);
}

export function vector(values: readonly number[], dtype: GraphDtype = 'int32'): Value {
  return constantNode(toHostArray(dtype, values), [values.length], dtype);
}

export function fill(shape: readonly number[], value: number, dtype: GraphDtype): Value {
  if (shape.length === 0) return scalar(value, dtype);
  if (sizeOf(shape) <= 16) return constantNode(hostArray(dtype, sizeOf(shape)).fill(value), shape, dtype);
  return emit('Fill', [], { value }, shape, dtype);
}

/** The size of axis `-1` follows from the others. */
export function reshape(x: Value, shape: readonly number[]): Value {
  const known = shape.reduce((size, length) => (length < 0 ? size : size * length), 1);
  const target = shape.map((length) => (length < 0 ? sizeOf(x.shape) / known : length));
  if (target.length === x.shape.length && target.every((length, axis) => length === x.shape[axis])) return x;
  return emit('Reshape', [x], {}, target, x.dtype);
}

export function broadcastShapes(
  kernel: string,
  a: readonly number[],
  b: readonly number[],
): readonly number[] {
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const left = a[a.length - i] ?? 1;
    const right = b[b.length - i] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new CaptureError(kernel, `${kernel}: shapes [${a}] and [${b}] do not broadcast`);
    }
    shape[rank - i] = left === 1 ? right : left;
  }
  return shape;
}

export function binary(op: string, a: Value, b: Value, dtype: GraphDtype = a.dtype): Value {
  return emit(op, [a, b], {}, broadcastShapes(op, a.shape, b.shape), dtype);
}

export function unary(op: string, x: Value, dtype: GraphDtype = x.dtype): Value {
  return emit(op, [x], {}, x.shape, dtype);
}

export function cast(x: Value, dtype: GraphDtype): Value {
  return x.dtype === dtype ? x : unary('Cast', x, dtype);
}

export function broadcastTo(x: Value, shape: readonly number[]): Value {
  const same = x.shape.length === shape.length && shape.every((length, axis) => length === x.shape[axis]);
  return same ? x : emit('BroadcastTo', [x], {}, shape, x.dtype);
}

export function transpose(x: Value, perm: readonly number[]): Value {
  if (perm.every((axis, i) => axis === i)) return x;
  return emit(
    'Transpose',
    [x],
    { perm },
    perm.map((axis) => x.shape[axis]!),
    x.dtype,
  );
}

export function slice(x: Value, begin: readonly number[], size: readonly number[]): Value {
  const whole = begin.every((b) => b === 0) && size.every((s, axis) => s === x.shape[axis]);
  return whole ? x : emit('Slice', [x], { begin, size }, size, x.dtype);
}

export function normalAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

export function normalAxes(axis: number | readonly number[] | null | undefined, rank: number): number[] {
  if (axis === null || axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  const axes = typeof axis === 'number' ? [axis] : [...axis];
  return axes.map((a) => normalAxis(a, rank)).sort((a, b) => a - b);
}

export function reduce(
  op: string,
  x: Value,
  axes: readonly number[],
  keepDims: boolean,
  dtype: GraphDtype,
): Value {
  if (axes.length === 0) return cast(x, dtype);
  const shape = keepDims
    ? x.shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
    : x.shape.filter((_, axis) => !axes.includes(axis));
  return emit(op, [x], { axes, keepDims }, shape, dtype);
}
