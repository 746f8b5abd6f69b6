import { CaptureError } from '../errors.js';
import type { KernelRule } from './emit.js';

const dynamicShape = 'its output shape depends on data';
const hostRandom = 'it draws random numbers on the host, which a graph would freeze; use statelessUniform';
const text = 'strings cannot be captured';
const noRule = 'no graph counterpart exists yet; compute it outside the captured function';

const reasons: Record<string, string> = {
  Multinomial: hostRandom,
  NonMaxSuppressionV3: dynamicShape,
  NonMaxSuppressionV4: dynamicShape,
  NonMaxSuppressionV5: dynamicShape,
  Unique: dynamicShape,
  SparseFillEmptyRows: dynamicShape,
  SparseReshape: dynamicShape,
  SparseSegmentMean: dynamicShape,
  SparseSegmentSum: dynamicShape,
  RaggedGather: dynamicShape,
  RaggedRange: dynamicShape,
  RaggedTensorToTensor: dynamicShape,
  StringNGrams: text,
  StringSplit: text,
  StringToHashBucketFast: text,
  StaticRegexReplace: text,
};

const others = [
  'AvgPool3D', 'AvgPool3DGrad', 'BatchToSpaceND', 'Bincount', 'BitwiseAnd', 'BroadcastArgs', 'Complex', 'ComplexAbs',
  'Conv3D', 'Conv3DBackpropFilterV2', 'Conv3DBackpropInputV2', 'CropAndResize', 'DenseBincount', 'DepthToSpace', 'Diag',
  'Dilation2D', 'Dilation2DBackpropInput', 'Dilation2DBackpropFilter', 'Draw', 'FFT', 'FlipLeftRight', 'IFFT', 'Imag',
  'LRN', 'LRNGrad', 'LowerBound', 'MaxPool3D', 'MaxPool3DGrad', 'MaxPoolWithArgmax', 'Pool', 'Real',
  'ResizeNearestNeighborGrad', 'ResizeBilinearGrad', 'SearchSorted', 'SpaceToBatchND', 'SparseToDense', 'Transform',
  'UpperBound', 'FromPixels', 'RotateWithOffset',
]; // biome-ignore format: a table

function refuse(reason: string): KernelRule {
  return ({ kernel }) => {
    throw new CaptureError(kernel, `${kernel} cannot be captured: ${reason}`);
  };
}

export const unsupportedRules: Record<string, KernelRule> = Object.fromEntries([
  ...Object.entries(reasons).map(([name, reason]) => [name, refuse(reason)] as const),
  ...others.map((name) => [name, refuse(noRule)] as const),
]);
