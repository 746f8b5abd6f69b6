import { slice_util } from '@tensorflow/tfjs-core';
import { CaptureError } from '../errors.js';
import { constantNode, type GraphDtype, sizeOf, toHostArray, type Value } from '../graph.js';
import {
  broadcastTo,
  emit,
  fill,
  input,
  type KernelCall,
  type KernelRule,
  normalAxes,
  normalAxis,
  reshape,
  slice,
  transpose,
} from './emit.js';

function concat(values: readonly Value[], axis: number): Value {
  const parts = values.filter((value) => value.shape[axis] !== 0);
  if (parts.length === 0) return values[0]!;
  if (parts.length === 1) return parts[0]!;
  const shape = [...parts[0]!.shape];
  shape[axis] = parts.reduce((sum, value) => sum + value.shape[axis]!, 0);
  return emit('Concat', parts, { axis }, shape, parts[0]!.dtype);
}

function splitSizes(call: KernelCall, length: number): number[] {
  const splits = call.attrs.numOrSizeSplits as number | number[];
  if (typeof splits === 'number') return new Array<number>(splits).fill(length / splits);
  const known = splits.reduce((sum, size) => (size < 0 ? sum : sum + size), 0);
  return splits.map((size) => (size < 0 ? length - known : size));
}

function split(x: Value, sizes: readonly number[], axis: number): Value[] {
  let offset = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, i) => (i === axis ? offset : 0));
    offset += size;
    return slice(
      x,
      begin,
      x.shape.map((length, i) => (i === axis ? size : length)),
    );
  });
}

/** Range of `tf.range`: computed now, for it depends on nothing. */
function range(start: number, stop: number, step: number, dtype: GraphDtype): Value {
  const count = Math.max(0, Math.ceil(Math.abs((stop - start) / step)));
  const empty = start === stop || (start < stop && step < 0) || (start > stop && step > 1);
  const values = Array.from({ length: empty ? 0 : count }, (_, i) => start + i * step);
  return constantNode(toHostArray(dtype, values), [values.length], dtype);
}

function stridedSlice(call: KernelCall): Value {
  const x = input(call, 'x');
  const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = call.attrs;
  const info = slice_util.sliceInfo(
    [...x.shape],
    begin,
    end,
    strides,
    beginMask,
    endMask,
    ellipsisMask,
    newAxisMask,
    shrinkAxisMask,
  );
  const { finalShapeSparse, finalShape, sliceDim0, isSimpleSlice } = info;
  if (sizeOf(finalShape) === 0) return fill(finalShape, 0, x.dtype);
  if (sliceDim0 || isSimpleSlice) {
    const size = slice_util.computeOutShape(info.begin, info.end, info.strides);
    return reshape(slice(x, info.begin, size), finalShape);
  }
  // Strided: one gather per axis whose stride is not 1.
  let out: Value = x;
  for (let axis = 0; axis < x.shape.length; axis++) {
    const first = info.begin[axis]!;
    const stride = info.strides[axis]!;
    const length = Math.max(0, Math.ceil((info.end[axis]! - first) / stride));
    if (stride === 1 && first === 0 && length === x.shape[axis]) continue;
    const indices = Int32Array.from({ length }, (_, i) => first + i * stride);
    const shape = out.shape.map((n, i) => (i === axis ? length : n));
    out = emit(
      'Gather',
      [out, constantNode(indices, [length], 'int32')],
      { axis, batchDims: 0 },
      shape,
      x.dtype,
    );
  }
  return reshape(out, finalShapeSparse.length === finalShape.length ? finalShapeSparse : finalShape);
}

export const layoutRules: Record<string, KernelRule> = {
  Reshape: (call) => reshape(input(call, 'x'), call.attrs.shape),
  ExpandDims: (call) => {
    const x = input(call, 'input');
    const dim = normalAxis(call.attrs.dim, x.shape.length + 1);
    return reshape(x, [...x.shape.slice(0, dim), 1, ...x.shape.slice(dim)]);
  },
  Transpose: (call) => transpose(input(call, 'x'), call.attrs.perm),
  Slice: (call) => {
    const x = input(call, 'x');
    const [begin, size] = slice_util.parseSliceParams(
      { shape: [...x.shape], rank: x.shape.length } as unknown as Parameters<
        typeof slice_util.parseSliceParams
      >[0],
      call.attrs.begin,
      call.attrs.size,
    );
    return slice(x, begin!, size!);
  },
  StridedSlice: stridedSlice,
  Concat: (call) => concat(call.list, normalAxis(call.attrs.axis, call.list[0]!.shape.length)),
  Pack: (call) => {
    const axis = normalAxis(call.attrs.axis, call.list[0]!.shape.length + 1);
    const rows = call.list.map((x) => reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]));
    return concat(rows, axis);
  },
  Unpack: (call) => {
    const x = input(call, 'value');
    const axis = normalAxis(call.attrs.axis, x.shape.length);
    const ones = new Array<number>(x.shape[axis]!).fill(1);
    const shape = x.shape.filter((_, i) => i !== axis);
    return split(x, ones, axis).map((row) => reshape(row, shape));
  },
  SplitV: (call) => {
    const x = input(call, 'x');
    const axis = normalAxis(call.attrs.axis, x.shape.length);
    return split(x, splitSizes(call, x.shape[axis]!), axis);
  },
  Tile: (call) => {
    const x = input(call, 'x');
    const reps: number[] = call.attrs.reps;
    if (reps.every((rep) => rep === 1)) return x;
    const shape = x.shape.map((length, axis) => length * reps[axis]!);
    // Repeating axes of length one is broadcasting, which costs less.
    if (x.shape.every((length, axis) => length === 1 || reps[axis] === 1)) return broadcastTo(x, shape);
    return emit('Tile', [x], { reps }, shape, x.dtype);
  },
  BroadcastTo: (call) => broadcastTo(input(call, 'x'), call.attrs.shape),
  PadV2: (call) => {
    const x = input(call, 'x');
    const paddings: [number, number][] = call.attrs.paddings;
    if (paddings.every(([before, after]) => before === 0 && after === 0)) return x;
    const shape = x.shape.map((length, axis) => length + paddings[axis]![0] + paddings[axis]![1]);
    return emit('Pad', [x], { paddings, value: call.attrs.constantValue ?? 0 }, shape, x.dtype);
  },
  MirrorPad: (call) => {
    const x = input(call, 'x');
    const { paddings, mode } = call.attrs as { paddings: [number, number][]; mode: string };
    const shape = x.shape.map((length, axis) => length + paddings[axis]![0] + paddings[axis]![1]);
    return emit('MirrorPad', [x], { paddings, mode }, shape, x.dtype);
  },
  Reverse: (call) => {
    const x = input(call, 'x');
    const axes = normalAxes(call.attrs.dims, x.shape.length);
    return axes.length === 0 ? x : emit('Reverse', [x], { axes }, x.shape, x.dtype);
  },
  GatherV2: (call) => {
    const x = input(call, 'x');
    const indices = input(call, 'indices');
    const axis = normalAxis(call.attrs.axis ?? 0, x.shape.length);
    const batchDims = normalAxis(call.attrs.batchDims ?? 0, indices.shape.length);
    const shape = [...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...x.shape.slice(axis + 1)];
    return emit('Gather', [x, indices], { axis, batchDims }, shape, x.dtype);
  },
  GatherNd: (call) => {
    const params = input(call, 'params');
    const indices = input(call, 'indices');
    const depth = indices.shape.at(-1)!;
    const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
    return emit('GatherNd', [params, indices], {}, shape, params.dtype);
  },
  ScatterNd: (call) => {
    const updates = input(call, 'updates');
    const shape: number[] = call.attrs.shape;
    return emit('ScatterNd', [input(call, 'indices'), updates], {}, shape, updates.dtype);
  },
  TensorScatterUpdate: (call) => {
    const tensor = input(call, 'tensor');
    return emit(
      'TensorScatterUpdate',
      [tensor, input(call, 'indices'), input(call, 'updates')],
      {},
      tensor.shape,
      tensor.dtype,
    );
  },
  OneHot: (call) => {
    const indices = input(call, 'indices');
    const { depth, onValue = 1, offValue = 0, dtype = 'int32' } = call.attrs;
    return emit('OneHot', [indices], { depth, onValue, offValue }, [...indices.shape, depth], dtype);
  },
  Fill: (call) => {
    const { shape, value, dtype = 'float32' } = call.attrs;
    if (typeof value === 'string') {
      throw new CaptureError('fill', 'strings cannot be captured; pass numbers or booleans');
    }
    return fill(shape, Number(value), dtype);
  },
  Range: (call) => range(call.attrs.start, call.attrs.stop, call.attrs.step, call.attrs.dtype ?? 'float32'),
  LinSpace: (call) => {
    const { start, stop, num } = call.attrs as { start: number; stop: number; num: number };
    const step = num > 1 ? (stop - start) / (num - 1) : 0;
    const values = Float32Array.from({ length: num }, (_, i) => start + i * step);
    return constantNode(values, [num], 'float32');
  },
  MatrixBandPart: (call) => {
    const x = input(call, 'input');
    return emit(
      'MatrixBandPart',
      [x, input(call, 'numLower'), input(call, 'numUpper')],
      {},
      x.shape,
      x.dtype,
    );
  },
};
