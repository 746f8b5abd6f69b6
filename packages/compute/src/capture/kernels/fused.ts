import { CaptureError } from '../errors.js';
import type { Value } from '../graph.js';
import { binary, emit, emitMany, input, type KernelRule, reshape, scalar, unary, vector } from './emit.js';

/**
 * Kernels that enter the graph as one node, or as other nodes than their composite, because executors have something
 * better. Every other fused kernel of this package is traced through its composite.
 */
export const fusedRules: Record<string, KernelRule> = {
  FusedBatchNorm: (call) => {
    const x = input(call, 'x');
    const epsilon = scalar(call.attrs.varianceEpsilon ?? 1e-3, 'float32');
    const inverse = unary('Rsqrt', binary('Add', input(call, 'variance'), epsilon));
    const scale = call.inputs.scale === undefined ? inverse : binary('Multiply', inverse, call.inputs.scale);
    const y = binary('Multiply', binary('Sub', x, input(call, 'mean')), scale);
    return call.inputs.offset === undefined ? y : binary('Add', y, call.inputs.offset);
  },
  // logits [rows, vocabSize], labels [rows] → loss [rows], softmax − one-hot [rows, vocabSize]
  FusedSparseCrossEntropy: (call) => {
    const logits = input(call, 'logits');
    const labels = input(call, 'labels');
    return emitMany('SparseSoftmaxCrossEntropy', [logits, labels], {}, [
      { shape: labels.shape, dtype: 'float32' },
      { shape: logits.shape, dtype: 'float32' },
    ]);
  },
  FusedSumOfSquares: (call) => emit('SumOfSquares', [input(call, 'x')], {}, [], 'float32'),
  FusedScatterAdd: (call) => {
    const updates = input(call, 'updates');
    const numSegments: number = call.attrs.vocabSize;
    const shape = [numSegments, ...updates.shape.slice(1)];
    return emit('UnsortedSegmentSum', [updates, input(call, 'rows')], { numSegments }, shape, 'float32');
  },
  FusedLinear: (call) => {
    const x = input(call, 'x');
    const weight = input(call, 'weight');
    const transposeB: boolean = call.attrs.transposeWeight;
    const shape = [x.shape[0]!, transposeB ? weight.shape[0]! : weight.shape[1]!];
    const y = emit('MatMul', [x, weight], { transposeA: false, transposeB }, shape, 'float32');
    return call.inputs.bias === undefined ? y : binary('Add', y, call.inputs.bias);
  },
  FusedAdamW: (call) => {
    const value = input(call, 'value');
    const needed = ['value', 'mean', 'square', 'gradient', 'stepSize', 'epsilon'];
    const inputs = needed.map((name) => input(call, name));
    const { keep, scale } = call.inputs;
    const { beta1, beta2 } = call.attrs;
    // A gradient is scaled before the update: no native kernel takes the factor.
    if (scale !== undefined) inputs[3] = binary('Multiply', inputs[3]!, scale);
    inputs.push(keep ?? scalar(1, 'float32'));
    const state = { shape: value.shape, dtype: 'float32' } as const;
    return emitMany('AdamW', inputs, { beta1, beta2, decay: keep !== undefined }, [state, state, state]);
  },
  AllReduceMean: (call) => {
    const values = Object.values(call.inputs) as Value[];
    return emitMany('AllReduceMean', values, {}, values);
  },
  StatelessUniform: (call) => {
    const fixed: [number, number] | undefined = call.attrs.seed;
    const seed: Value = fixed === undefined ? input(call, 'seed') : vector(fixed);
    if (seed.dtype !== 'int32') {
      throw new CaptureError('statelessUniform', 'a seed must be an int32 tensor');
    }
    return emit('StatelessUniform', [reshape(seed, [2])], {}, call.attrs.shape, 'float32');
  },
};
