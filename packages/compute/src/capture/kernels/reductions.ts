import type { GraphDtype, Value } from '../graph.js';
import {
  binary,
  emit,
  emitMany,
  input,
  type KernelCall,
  type KernelRule,
  normalAxes,
  normalAxis,
  reduce,
  transpose,
} from './emit.js';

function reduction(op: string, dtype?: GraphDtype): KernelRule {
  return (call) => {
    const x = input(call, 'x');
    const axes = normalAxes(call.attrs.reductionIndices ?? call.attrs.axis, x.shape.length);
    return reduce(op, x, axes, call.attrs.keepDims ?? false, dtype ?? x.dtype);
  };
}

function argument(op: string): KernelRule {
  return (call) => {
    const x = input(call, 'x');
    const axis = normalAxis(call.attrs.axis ?? 0, x.shape.length);
    return emit(
      op,
      [x],
      { axis },
      x.shape.filter((_, i) => i !== axis),
      'int32',
    );
  };
}

function cumulative(op: string): KernelRule {
  return (call) => {
    const x = input(call, 'x');
    const { exclusive = false, reverse = false } = call.attrs;
    return emit(
      op,
      [x],
      { axis: normalAxis(call.attrs.axis ?? 0, x.shape.length), exclusive, reverse },
      x.shape,
      x.dtype,
    );
  };
}

/** Softmax nodes always work on the last axis. */
function lastAxis(op: string, logits: Value, axis: number): Value {
  const rank = logits.shape.length;
  if (axis === rank - 1) return emit(op, [logits], {}, logits.shape, 'float32');
  const perm = Array.from({ length: rank }, (_, i) => i);
  perm[axis] = rank - 1;
  perm[rank - 1] = axis;
  const moved = transpose(logits, perm);
  return transpose(emit(op, [moved], {}, moved.shape, 'float32'), perm);
}

function softmaxAxis(call: KernelCall): [Value, number] {
  const logits = input(call, 'logits');
  return [logits, normalAxis(call.attrs.dim ?? call.attrs.axis ?? -1, logits.shape.length)];
}

export const reductionRules: Record<string, KernelRule> = {
  Sum: reduction('Sum'),
  Mean: reduction('Mean', 'float32'),
  Max: reduction('Max'),
  Min: reduction('Min'),
  Prod: reduction('Prod'),
  All: reduction('All', 'bool'),
  Any: reduction('Any', 'bool'),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Cumsum: cumulative('Cumsum'),
  Cumprod: cumulative('Cumprod'),
  Softmax: (call) => lastAxis('Softmax', ...softmaxAxis(call)),
  LogSoftmax: (call) => lastAxis('LogSoftmax', ...softmaxAxis(call)),
  TopK: (call) => {
    const x = input(call, 'x');
    const shape = [...x.shape.slice(0, -1), call.attrs.k as number];
    return emitMany('TopK', [x], { k: call.attrs.k, sorted: call.attrs.sorted ?? true }, [
      { shape, dtype: x.dtype },
      { shape, dtype: 'int32' },
    ]);
  },
  UnsortedSegmentSum: (call) => {
    const x = input(call, 'x');
    const segmentIds = input(call, 'segmentIds');
    const numSegments: number = call.attrs.numSegments;
    const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
    return emit('UnsortedSegmentSum', [x, segmentIds], { numSegments }, shape, x.dtype);
  },
  SquaredDifference: (call) => binary('SquaredDifference', input(call, 'a'), input(call, 'b')),
};
