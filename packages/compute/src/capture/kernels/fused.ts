import { CaptureError } from '../errors.js';
import { type Fusion, makeNode, type Value } from '../graph.js';
import {
  binary,
  broadcastShapes,
  emit,
  emitMany,
  input,
  type KernelRule,
  reduce,
  reshape,
  scalar,
  unary,
  vector,
} from './emit.js';

/** The last node of a composite that some executors have as one operation. */
function fusible(op: string, a: Value, b: Value, fusion: Fusion): Value {
  const shape = broadcastShapes(op, a.shape, b.shape);
  return makeNode(op, [a, b], {}, [{ shape, dtype: 'float32' }], { fusion }).outputs[0]!;
}

// x·sigmoid(x·(linear + cubic·x²)), as in ops/gelu.ts
const linear = 2 * Math.sqrt(2 / Math.PI);
const cubic = 0.044715 * linear;
const quick = 1.702;

function geluGate(x: Value, approximate: string): Value {
  const number = (value: number) => scalar(value, 'float32');
  if (approximate === 'tanh') {
    const slope = binary('Add', binary('Multiply', unary('Square', x), number(cubic)), number(linear));
    return unary('Sigmoid', binary('Multiply', x, slope));
  }
  if (approximate === 'quick') return unary('Sigmoid', binary('Multiply', x, number(quick)));
  const erf = unary('Erf', binary('Multiply', x, number(Math.SQRT1_2)));
  return binary('Multiply', binary('Add', erf, number(1)), number(0.5));
}

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
  // → [y, normalized, inverse deviation [.., 1]]
  FusedLayerNorm: (call) => {
    const [x, gamma, beta] = [input(call, 'x'), input(call, 'gamma'), input(call, 'beta')];
    const epsilon: number = call.attrs.epsilon;
    const last = [x.shape.length - 1];
    const mean = (value: Value) => reduce('Mean', value, last, true, 'float32');
    const centered = binary('Sub', x, mean(x));
    const variance = mean(unary('Square', centered));
    const inverse = unary('Rsqrt', binary('Add', variance, scalar(epsilon, 'float32')));
    const normalized = binary('Multiply', centered, inverse);
    const y = fusible('Add', binary('Multiply', normalized, gamma), beta, {
      op: 'LayerNorm',
      inputs: [x, gamma, beta],
      attrs: { epsilon },
      inner: [normalized, inverse],
    });
    return [y, normalized, inverse];
  },
  // → [y, gate]
  FusedGelu: (call) => {
    const x = input(call, 'x');
    const approximate: string = call.attrs.approximate;
    const gate = geluGate(x, approximate);
    const y = fusible('Multiply', x, gate, {
      op: 'Gelu',
      inputs: [x],
      attrs: { approximate },
      inner: [gate],
    });
    return [y, gate];
  },
  // → [context, keys, values]: the cache with the new keys and values behind those of each row
  CachedAttention: (call) => {
    const names = ['query', 'key', 'value', 'keys', 'values', 'last', 'slots'];
    const inputs = names.map((name) => input(call, name));
    if (call.inputs.bias !== undefined) inputs.push(call.inputs.bias);
    const [query, , , keys, values] = inputs as [Value, Value, Value, Value, Value];
    return emitMany('CachedAttention', inputs, call.attrs, [query, keys, values]);
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
    inputs.push(keep ?? scalar(1, 'float32'));
    if (scale !== undefined) inputs.push(input(call, 'scale'));
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
