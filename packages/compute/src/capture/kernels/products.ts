import { backend_util } from '@tensorflow/tfjs-core';
import { CaptureError } from '../errors.js';
import type { GraphDtype, Value } from '../graph.js';
import { activate } from './elementwise.js';
import { binary, broadcastShapes, emit, input, type KernelCall, type KernelRule, transpose } from './emit.js';

function matMul(kernel: string, a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
  const rows = transposeA ? a.shape.at(-1)! : a.shape.at(-2)!;
  const columns = transposeB ? b.shape.at(-2)! : b.shape.at(-1)!;
  const batch = broadcastShapes(kernel, a.shape.slice(0, -2), b.shape.slice(0, -2));
  return emit('MatMul', [a, b], { transposeA, transposeB }, [...batch, rows, columns], a.dtype);
}

function einsumShape(equation: string, operands: readonly Value[]): number[] {
  const [left, right] = equation.replaceAll(' ', '').split('->') as [string, string | undefined];
  if (right === undefined) {
    throw new CaptureError('einsum', `einsum '${equation}': write the output after '->'`);
  }
  const length = new Map<string, number>();
  left.split(',').forEach((letters, i) => {
    [...letters].forEach((letter, axis) => {
      length.set(letter, operands[i]!.shape[axis]!);
    });
  });
  return [...right].map((letter) => length.get(letter)!);
}

type Padding =
  | 'valid'
  | 'same'
  | number
  | [[number, number], [number, number], [number, number], [number, number]];

/** Window geometry of a convolution or a pool, in NHWC. */
function convAttrs(call: KernelCall, x: readonly number[], filter: readonly number[], depthwise = false) {
  const { strides, pad, dilations = 1, dimRoundingMode, dataFormat = 'NHWC' } = call.attrs;
  const info = backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations,
    pad as Padding,
    dimRoundingMode,
    depthwise,
    dataFormat === 'NCHW' ? 'channelsFirst' : 'channelsLast',
  );
  const { top, bottom, left, right } = info.padInfo;
  return {
    outShape: info.outShape,
    attrs: {
      strides: [info.strideHeight, info.strideWidth],
      dilations: [info.dilationHeight, info.dilationWidth],
      pads: [top, left, bottom, right],
    },
  };
}

const toNHWC = [0, 2, 3, 1];
const toNCHW = [0, 3, 1, 2];

function inNHWC(call: KernelCall, value: Value): Value {
  return call.attrs.dataFormat === 'NCHW' ? transpose(value, toNHWC) : value;
}

function outNHWC(call: KernelCall, value: Value): Value {
  return call.attrs.dataFormat === 'NCHW' ? transpose(value, toNCHW) : value;
}

function asNHWC(call: KernelCall): KernelCall {
  return { ...call, attrs: { ...call.attrs, dataFormat: 'NHWC' } };
}

function conv(op: string, call: KernelCall): Value {
  const x = inNHWC(call, input(call, 'x'));
  const filter = input(call, 'filter');
  const depthwise = op === 'DepthwiseConv2D';
  const { outShape, attrs } = convAttrs(asNHWC(call), x.shape, filter.shape, depthwise);
  return outNHWC(call, emit(op, [x, filter], attrs, outShape, 'float32'));
}

function convFused(op: string): KernelRule {
  return (call) => {
    let y = conv(op, call);
    const bias = call.inputs.bias;
    if (bias !== undefined) y = binary('Add', y, bias);
    return activate(y, call.attrs.activation, call);
  };
}

function convBackpropInput(op: string): KernelRule {
  return (call) => {
    const dy = inNHWC(call, input(call, 'dy'));
    const filter = input(call, 'filter');
    const given: number[] = call.attrs.inputShape;
    const shape = call.attrs.dataFormat === 'NCHW' ? toNHWC.map((axis) => given[axis]!) : given;
    const { attrs } = convAttrs(asNHWC(call), shape, filter.shape, op.startsWith('Depthwise'));
    return outNHWC(call, emit(op, [dy, filter], attrs, shape, 'float32'));
  };
}

function convBackpropFilter(op: string): KernelRule {
  return (call) => {
    const x = inNHWC(call, input(call, 'x'));
    const dy = inNHWC(call, input(call, 'dy'));
    const shape: number[] = call.attrs.filterShape;
    const { attrs } = convAttrs(asNHWC(call), x.shape, shape, op.startsWith('Depthwise'));
    return emit(op, [x, dy], attrs, shape, 'float32');
  };
}

function poolAttrs(call: KernelCall, x: Value) {
  const { filterSize, strides, pad, dimRoundingMode } = call.attrs;
  const info = backend_util.computePool2DInfo(
    x.shape as unknown as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const { top, bottom, left, right } = info.padInfo;
  return {
    outShape: info.outShape,
    attrs: {
      window: [info.filterHeight, info.filterWidth],
      strides: [info.strideHeight, info.strideWidth],
      pads: [top, left, bottom, right],
    },
  };
}

function pool(op: string): KernelRule {
  return (call) => {
    const x = input(call, 'x');
    const { outShape, attrs } = poolAttrs(call, x);
    return emit(op, [x], attrs, outShape, 'float32');
  };
}

function resize(op: string): KernelRule {
  return (call) => {
    const images = input(call, 'images');
    const { size, alignCorners = false, halfPixelCenters = false } = call.attrs;
    const shape = [images.shape[0]!, size[0], size[1], images.shape[3]!];
    return emit(op, [images], { alignCorners, halfPixelCenters }, shape, 'float32');
  };
}

export const productRules: Record<string, KernelRule> = {
  BatchMatMul: (call) =>
    matMul(
      call.kernel,
      input(call, 'a'),
      input(call, 'b'),
      call.attrs.transposeA ?? false,
      call.attrs.transposeB ?? false,
    ),
  _FusedMatMul: (call) => {
    const { transposeA = false, transposeB = false, activation } = call.attrs;
    let y = matMul(call.kernel, input(call, 'a'), input(call, 'b'), transposeA, transposeB);
    const bias = call.inputs.bias;
    if (bias !== undefined) y = binary('Add', y, bias);
    return activate(y, activation, call);
  },
  Einsum: (call) => {
    const equation: string = call.attrs.equation;
    const dtype: GraphDtype = call.list[0]!.dtype;
    return emit('Einsum', call.list, { equation }, einsumShape(equation, call.list), dtype);
  },
  Conv2D: (call) => conv('Conv2D', call),
  DepthwiseConv2dNative: (call) => conv('DepthwiseConv2D', call),
  FusedConv2D: convFused('Conv2D'),
  FusedDepthwiseConv2D: convFused('DepthwiseConv2D'),
  Conv2DBackpropInput: convBackpropInput('Conv2DBackpropInput'),
  Conv2DBackpropFilter: convBackpropFilter('Conv2DBackpropFilter'),
  DepthwiseConv2dNativeBackpropInput: convBackpropInput('DepthwiseConv2DBackpropInput'),
  DepthwiseConv2dNativeBackpropFilter: convBackpropFilter('DepthwiseConv2DBackpropFilter'),
  MaxPool: pool('MaxPool'),
  AvgPool: pool('AvgPool'),
  MaxPoolGrad: (call) => {
    const x = input(call, 'input');
    const output = input(call, 'output');
    return emit('MaxPoolGrad', [x, output, input(call, 'dy')], poolAttrs(call, x).attrs, x.shape, 'float32');
  },
  AvgPoolGrad: (call) => {
    const x = input(call, 'input');
    return emit('AvgPoolGrad', [input(call, 'dy')], poolAttrs(call, x).attrs, x.shape, 'float32');
  },
  ResizeBilinear: resize('ResizeBilinear'),
  ResizeNearestNeighbor: resize('ResizeNearestNeighbor'),
};
