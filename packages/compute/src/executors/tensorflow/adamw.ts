import type { Variable } from '@tensorflow/tfjs-core';
import { type GraphNode, sizeOf, type Value } from '../../capture/graph.js';
import { type AddRegion, Lowering, placeholder } from './lowering.js';
import { DT, type TfNode, type TfRef } from './nodes.js';

const float = { type: DT.float32 } as const;

/**
 * The variables of an AdamW node (value, mean, square) when its results are exactly their new values: then one native
 * kernel updates them in place.
 */
export function inPlaceState(l: Lowering, node: GraphNode): [Variable, Variable, Variable] | undefined {
  const states = node.inputs.slice(0, 3).map((value) => value.node.variable);
  const updated = node.outputs.every((value, i) => {
    const update = l.updateOf(value);
    return update !== undefined && update === states[i] && l.uses.get(value) === 1;
  });
  return updated ? (states as [Variable, Variable, Variable]) : undefined;
}

/** Elements from which a compiled update pays for its call. */
const smallest = 1 << 16;

/**
 * The whole update as one loop that XLA compiles: it writes into the variables' own memory, decays, and takes a clip factor
 * and half-precision gradients as they are. `ResourceApplyAdam` goes over the memory once more for each of these.
 *
 * @returns undefined where {@link applyAdamW} does as well
 */
export function compiledAdamW(l: Lowering, node: GraphNode, addRegion: AddRegion): TfNode | undefined {
  const [value, , , gradient, stepSize, epsilon, keep, scale] = node.inputs as Value[];
  if (sizeOf(value!.shape) < smallest) return undefined;
  const states = inPlaceState(l, node)!;
  const half = l.knownHalf(l.ref(gradient!));
  const type = half === undefined ? DT.float32 : DT.bfloat16;
  const decay = node.attrs.decay === true;
  const numbers = [stepSize!, epsilon!, ...(decay ? [keep!] : []), ...(scale === undefined ? [] : [scale])];
  const key = JSON.stringify(['AdamW', value!.shape, node.attrs, type, scale !== undefined]);
  const name = addRegion(key, () => {
    const inner = new Lowering(
      { feeds: [], fetches: [], updates: [], variables: [], nodes: [] },
      { ...l.options, matmulPrecision: 'float32' },
    );
    const { builder } = inner;
    const handles = states.map((_, i) =>
      builder.add(
        'Placeholder',
        [],
        { dtype: { type: DT.resource }, shape: { shape: [] } },
        [],
        `state_${i}`,
      ),
    );
    const old = handles.map((handle, i) => {
      const read = builder.op('ReadVariableOp', [{ node: handle, index: 0 }], { dtype: float });
      inner.refs.set(node.inputs[i]!, read);
      return read.node;
    });
    const slope = placeholder(builder, gradient!, 'gradient', type);
    const scalars = numbers.map((number, i) => {
      const fed = placeholder(builder, number, `number_${i}`);
      inner.refs.set(number, { node: fed, index: 0 });
      return fed;
    });
    const fed = { node: slope, index: 0 };
    inner.refs.set(gradient!, half === undefined ? fed : inner.full(fed));
    if (!decay) inner.refs.set(keep!, builder.number(1));
    const targets = composeAdamW(inner, node).map((fresh, i) =>
      builder.add('AssignVariableOp', [{ node: handles[i]!, index: 0 }, fresh], { dtype: float }, old),
    );
    return { nodes: builder.nodes, inputs: [...handles, slope, ...scalars], outputs: [], targets };
  });
  const attrs = {
    Tin: { types: [DT.resource, DT.resource, DT.resource, type, ...numbers.map(() => DT.float32)] },
    Tout: { types: [] },
    f: { func: name },
    _XlaMustCompile: { bool: true },
  };
  const args = [
    ...states.map((state) => l.handle(state)),
    half ?? l.ref(gradient!),
    ...numbers.map((x) => l.ref(x)),
  ];
  return l.builder.add('StatefulPartitionedCall', [args], attrs, l.afterUse(...states));
}

/** The gradient times the clip factor, if there is one. */
function clipped(l: Lowering, { inputs }: GraphNode): TfRef {
  const [gradient, scale] = [l.ref(inputs[3]!), inputs[7]];
  return scale === undefined ? gradient : l.builder.op('Mul', [gradient, l.ref(scale)], { T: float });
}

/** `ResourceApplyAdam` on the variables themselves; weight decay first, on the parameter alone. */
export function applyAdamW(l: Lowering, node: GraphNode): TfNode {
  const [param, mean, square] = inPlaceState(l, node)!;
  const { builder } = l;
  const [value, , , , stepSize, epsilon, keep] = node.inputs as Value[];
  const beta1 = node.attrs.beta1 as number;
  const beta2 = node.attrs.beta2 as number;
  // The kernel computes 1 − β in float32, which makes its moments too small by these factors.
  const r1 = (1 - beta1) / (1 - Math.fround(beta1));
  const r2 = (1 - beta2) / (1 - Math.fround(beta2));
  const scaled = (scalar: Value, factor: number) =>
    l.shared(scalar, `times ${factor}`, () =>
      builder.op('Mul', [l.ref(scalar), builder.number(factor)], { T: float }),
    );
  const control = l.afterUse(param, mean, square);
  if (node.attrs.decay === true) {
    const kept = builder.op('Mul', [l.ref(value!), l.ref(keep!)], { T: float });
    const assign = [l.handle(param), kept] as const;
    control.push(builder.add('AssignVariableOp', assign, { dtype: float }, l.afterRead(param)));
  }
  return builder.add(
    'ResourceApplyAdam',
    [
      l.handle(param),
      l.handle(mean),
      l.handle(square),
      // Powers of zero switch off the kernel's own bias correction: the step size already holds it.
      builder.number(0),
      builder.number(0),
      scaled(stepSize!, r1 / Math.sqrt(r2)),
      builder.number(beta1),
      builder.number(beta2),
      scaled(epsilon!, 1 / Math.sqrt(r2)),
      clipped(l, node),
    ],
    { T: float, use_locking: { bool: false }, use_nesterov: { bool: false } },
    control,
  );
}

/** The same arithmetic as separate operations, where a result is more than a new state. */
export function composeAdamW(l: Lowering, node: GraphNode): TfRef[] {
  const { builder } = l;
  const [value, mean, square, , stepSize, epsilon, keep] = node.inputs.map((input) => l.ref(input)) as [
    TfRef,
    TfRef,
    TfRef,
    TfRef,
    TfRef,
    TfRef,
    TfRef,
  ];
  const gradient = clipped(l, node);
  const op = (name: string, ...inputs: TfRef[]) => builder.op(name, inputs, { T: float });
  const mix = (old: TfRef, beta: number, fresh: TfRef) =>
    op('AddV2', op('Mul', old, builder.number(beta)), op('Mul', fresh, builder.number(1 - beta)));
  const m = mix(mean, node.attrs.beta1 as number, gradient);
  const v = mix(square, node.attrs.beta2 as number, op('Square', gradient));
  const change = op('RealDiv', op('Mul', m, stepSize), op('AddV2', op('Sqrt', v), epsilon));
  return [op('Sub', node.attrs.decay === true ? op('Mul', value, keep) : value, change), m, v];
}
