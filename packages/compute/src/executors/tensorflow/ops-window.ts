import type { GraphNode, Value } from '../../capture/graph.js';
import type { Lowering } from './lowering.js';
import { DT, type TfAttr, type TfRef } from './nodes.js';
import type { TfLowering } from './ops.js';

const float: TfAttr = { type: DT.float32 };

function around(pair: readonly number[]): TfAttr {
  return { ints: [1, pair[0]!, pair[1]!, 1] };
}

/** Attributes shared by convolutions; padding is always explicit, so that one rule serves every kind. */
function convAttrs(node: GraphNode): Record<string, TfAttr> {
  const [top, left, bottom, right] = node.attrs.pads as number[];
  return {
    T: float,
    strides: around(node.attrs.strides as number[]),
    dilations: around(node.attrs.dilations as number[]),
    data_format: { string: 'NHWC' },
    padding: { string: 'EXPLICIT' },
    explicit_paddings: { ints: [0, 0, top!, bottom!, left!, right!, 0, 0] },
  };
}

function conv(op: string): TfLowering {
  return (l, node) =>
    l.builder.op(
      op,
      node.inputs.map((value) => l.ref(value)),
      convAttrs(node),
    );
}

function backpropInput(op: string): TfLowering {
  return (l, node) => {
    const [dy, filter] = node.inputs as [Value, Value];
    return l.builder.op(
      op,
      [l.builder.ints(node.outputs[0]!.shape), l.ref(filter), l.ref(dy)],
      convAttrs(node),
    );
  };
}

function backpropFilter(op: string): TfLowering {
  return (l, node) => {
    const [x, dy] = node.inputs as [Value, Value];
    return l.builder.op(op, [l.ref(x), l.builder.ints(node.outputs[0]!.shape), l.ref(dy)], convAttrs(node));
  };
}

/** Pools have no explicit padding on the CPU: pad first with what cannot win, or does not count. */
function poolAttrs(node: GraphNode, padding: string): Record<string, TfAttr> {
  return {
    T: float,
    ksize: around(node.attrs.window as number[]),
    strides: around(node.attrs.strides as number[]),
    padding: { string: padding },
    data_format: { string: 'NHWC' },
  };
}

function poolPadding(node: GraphNode, input: Value, output: Value): 'VALID' | 'SAME' | undefined {
  const [top, left, bottom, right] = node.attrs.pads as number[];
  if (top === 0 && left === 0 && bottom === 0 && right === 0) return 'VALID';
  const window = node.attrs.window as number[];
  const strides = node.attrs.strides as number[];
  const same = [0, 1].every((axis) => {
    const length = input.shape[axis + 1]!;
    const total = Math.max(
      0,
      (Math.ceil(length / strides[axis]!) - 1) * strides[axis]! + window[axis]! - length,
    );
    const before = Math.floor(total / 2);
    const [start, end] = axis === 0 ? [top, bottom] : [left, right];
    return (
      start === before &&
      end === total - before &&
      output.shape[axis + 1] === Math.ceil(length / strides[axis]!)
    );
  });
  return same ? 'SAME' : undefined;
}

function padded(l: Lowering, node: GraphNode, x: TfRef, value: number): TfRef {
  const [top, left, bottom, right] = node.attrs.pads as number[];
  const table = l.builder.constant({
    dtype: DT.int32,
    shape: [4, 2],
    data: Int32Array.of(0, 0, top!, bottom!, left!, right!, 0, 0),
  });
  return l.builder.op('PadV2', [x, table, l.builder.number(value)], {
    T: float,
    Tpaddings: { type: DT.int32 },
  });
}

function unpadded(l: Lowering, node: GraphNode, grad: TfRef): TfRef {
  const [top, left] = node.attrs.pads as number[];
  return l.builder.op(
    'Slice',
    [grad, l.builder.ints([0, top!, left!, 0]), l.builder.ints(node.outputs[0]!.shape)],
    { T: float, Index: { type: DT.int32 } },
  );
}

function paddedShape(node: GraphNode, shape: readonly number[]): number[] {
  const [top, left, bottom, right] = node.attrs.pads as number[];
  return [shape[0]!, shape[1]! + top! + bottom!, shape[2]! + left! + right!, shape[3]!];
}

function resize(op: string): TfLowering {
  return (l, node) => {
    const [images] = node.inputs as [Value];
    const [, height, width] = node.outputs[0]!.shape as number[];
    return l.builder.op(op, [l.ref(images), l.builder.ints([height!, width!])], {
      T: float,
      align_corners: { bool: node.attrs.alignCorners as boolean },
      half_pixel_centers: { bool: node.attrs.halfPixelCenters as boolean },
    });
  };
}

export const windowOps: Record<string, TfLowering> = {
  Conv2D: conv('Conv2D'),
  DepthwiseConv2D: conv('DepthwiseConv2dNative'),
  Conv2DBackpropInput: backpropInput('Conv2DBackpropInput'),
  Conv2DBackpropFilter: backpropFilter('Conv2DBackpropFilter'),
  DepthwiseConv2DBackpropInput: backpropInput('DepthwiseConv2dNativeBackpropInput'),
  DepthwiseConv2DBackpropFilter: backpropFilter('DepthwiseConv2dNativeBackpropFilter'),
  MaxPool: (l, node) => {
    const [x] = node.inputs as [Value];
    const padding = poolPadding(node, x, node.outputs[0]!);
    const from = padding === undefined ? padded(l, node, l.ref(x), Number.NEGATIVE_INFINITY) : l.ref(x);
    return l.builder.op('MaxPool', [from], poolAttrs(node, padding ?? 'VALID'));
  },
  AvgPool: (l, node) => {
    const [x] = node.inputs as [Value];
    const padding = poolPadding(node, x, node.outputs[0]!);
    if (padding !== undefined) return l.builder.op('AvgPool', [l.ref(x)], poolAttrs(node, padding));
    // The mean counts real cells only: divide the mean of the padded image by the share of real cells.
    const ones = l.builder.op('Fill', [l.builder.ints(x.shape), l.builder.number(1)], {
      T: float,
      index_type: { type: DT.int32 },
    });
    const [sum, share] = [l.ref(x), ones].map((image) =>
      l.builder.op('AvgPool', [padded(l, node, image, 0)], poolAttrs(node, 'VALID')),
    );
    return l.builder.op('RealDiv', [sum!, share!], { T: float });
  },
  MaxPoolGrad: (l, node) => {
    const [x, output, dy] = node.inputs as [Value, Value, Value];
    const padding = poolPadding(node, x, output);
    const from = padding === undefined ? padded(l, node, l.ref(x), Number.NEGATIVE_INFINITY) : l.ref(x);
    const grad = l.builder.op(
      'MaxPoolGrad',
      [from, l.ref(output), l.ref(dy)],
      poolAttrs(node, padding ?? 'VALID'),
    );
    return padding === undefined ? unpadded(l, node, grad) : grad;
  },
  AvgPoolGrad: (l, node) => {
    const [dy] = node.inputs as [Value];
    const x = node.outputs[0]!;
    const padding = poolPadding(node, x, dy);
    const shape = padding === undefined ? paddedShape(node, x.shape) : x.shape;
    const grad = l.builder.op(
      'AvgPoolGrad',
      [l.builder.ints(shape), l.ref(dy)],
      poolAttrs(node, padding ?? 'VALID'),
    );
    return padding === undefined ? unpadded(l, node, grad) : grad;
  },
  ResizeBilinear: resize('ResizeBilinear'),
  ResizeNearestNeighbor: resize('ResizeNearestNeighbor'),
};
