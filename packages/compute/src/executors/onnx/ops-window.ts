import { ExecutorError } from '../../capture/errors.js';
import type { GraphNode, Value } from '../../capture/graph.js';
import type { OnnxLowering } from './lower.js';
import type { OnnxAttr } from './model.js';
import type { OnnxLoweringRule } from './ops.js';

const toNCHW = [0, 3, 1, 2];
const toNHWC = [0, 2, 3, 1];

function transpose(l: OnnxLowering, name: string, perm: readonly number[]): string {
  return l.builder.op('Transpose', [name], { perm: { ints: perm } });
}

function geometry(node: GraphNode): Record<string, OnnxAttr> {
  return { strides: { ints: node.attrs.strides as number[] }, pads: { ints: node.attrs.pads as number[] } };
}

/** TensorFlow's channels come last, ONNX's second; the runtime cancels transposes that meet. */
function channelsFirst(build: (l: OnnxLowering, x: string, node: GraphNode) => string): OnnxLoweringRule {
  return (l, node) => transpose(l, build(l, transpose(l, l.ref(node.inputs[0]!), toNCHW), node), toNHWC);
}

function resize(mode: 'linear' | 'nearest'): OnnxLoweringRule {
  return channelsFirst((l, x, node) => {
    const [batch, height, width, channels] = node.outputs[0]!.shape as number[];
    const { alignCorners, halfPixelCenters } = node.attrs;
    const coordinates = alignCorners ? 'align_corners' : halfPixelCenters ? 'half_pixel' : 'asymmetric';
    return l.builder.op('Resize', [x, '', '', l.builder.ints([batch!, channels!, height!, width!])], {
      mode: { string: mode },
      coordinate_transformation_mode: { string: coordinates },
      nearest_mode: { string: alignCorners ? 'round_prefer_ceil' : 'floor' },
    });
  });
}

function unsupported(l: OnnxLowering, node: GraphNode): never {
  void l;
  throw new ExecutorError(
    'onnx',
    `${node.op} has no ONNX operator; train this model with the TensorFlow executor`,
  );
}

export const windowOps: Record<string, OnnxLoweringRule> = {
  Conv2D: channelsFirst((l, x, node) => {
    // [height, width, in, out] → [out, in, height, width]
    const filter = transpose(l, l.ref(node.inputs[1]!), [3, 2, 0, 1]);
    return l.builder.op('Conv', [x, filter], {
      ...geometry(node),
      dilations: { ints: node.attrs.dilations as number[] },
    });
  }),
  DepthwiseConv2D: channelsFirst((l, x, node) => {
    const [height, width, channels, multiplier] = (node.inputs[1] as Value).shape as number[];
    // [height, width, channels, multiplier] → [channels · multiplier, 1, height, width]
    const filter = l.builder.op('Reshape', [
      transpose(l, l.ref(node.inputs[1]!), [2, 3, 0, 1]),
      l.builder.ints([channels! * multiplier!, 1, height!, width!]),
    ]);
    return l.builder.op('Conv', [x, filter], {
      ...geometry(node),
      dilations: { ints: node.attrs.dilations as number[] },
      group: { int: channels! },
    });
  }),
  Conv2DBackpropInput: channelsFirst((l, dy, node) => {
    const filter = transpose(l, l.ref(node.inputs[1]!), [3, 2, 0, 1]);
    const [, height, width] = node.outputs[0]!.shape as number[];
    return l.builder.op('ConvTranspose', [dy, filter], {
      ...geometry(node),
      dilations: { ints: node.attrs.dilations as number[] },
      output_padding: { ints: outputPadding(node, [height!, width!]) },
    });
  }),
  MaxPool: channelsFirst((l, x, node) =>
    l.builder.op('MaxPool', [x], {
      ...geometry(node),
      kernel_shape: { ints: node.attrs.window as number[] },
    }),
  ),
  AvgPool: channelsFirst((l, x, node) =>
    l.builder.op('AveragePool', [x], {
      ...geometry(node),
      kernel_shape: { ints: node.attrs.window as number[] },
      count_include_pad: { int: 0 },
    }),
  ),
  ResizeBilinear: resize('linear'),
  ResizeNearestNeighbor: resize('nearest'),
  Conv2DBackpropFilter: unsupported,
  DepthwiseConv2DBackpropInput: unsupported,
  DepthwiseConv2DBackpropFilter: unsupported,
  MaxPoolGrad: unsupported,
  AvgPoolGrad: unsupported,
};

/** Rows and columns that a strided convolution never touched. */
function outputPadding(node: GraphNode, target: readonly [number, number]): number[] {
  const dy = node.inputs[0]!.shape;
  const filter = node.inputs[1]!.shape;
  const strides = node.attrs.strides as number[];
  const dilations = node.attrs.dilations as number[];
  const pads = node.attrs.pads as number[];
  return [0, 1].map((axis) => {
    const covered =
      (dy[axis + 1]! - 1) * strides[axis]! +
      (filter[axis]! - 1) * dilations[axis]! +
      1 -
      pads[axis]! -
      pads[axis + 2]!;
    return target[axis]! - covered;
  });
}
