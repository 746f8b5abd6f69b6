import type { Variable } from '@tensorflow/tfjs-core';
import { type GraphNode, type Program, sizeOf, type Value } from '../../capture/graph.js';
import { applyAdamW, compiledAdamW, inPlaceState } from './adamw.js';
import { lowerRegion } from './compile-region.js';
import { lowerNode } from './lower-node.js';
import { isBias, Lowering, type LowerOptions, placeholder } from './lowering.js';
import { DT, type TfGraphBuilder, type TfNode, type TfRef } from './nodes.js';
import { isAbsorbed, scatterAdd } from './output-layer.js';
import { recomputed } from './recompute.js';
import { planRegions } from './regions.js';

export interface Lowered {
  readonly builder: TfGraphBuilder;
  /** Placeholders for `program.feeds`, in order. */
  readonly feeds: readonly TfNode[];
  /** Placeholders for large constants, with their values. */
  readonly bound: readonly { readonly placeholder: TfNode; readonly value: Value }[];
  /** Placeholders for half-precision copies of variables. */
  readonly halves: readonly { readonly placeholder: TfNode; readonly variable: Variable }[];
  readonly fetches: readonly TfRef[];
  /** Operations that must run although nothing depends on them. */
  readonly updates: readonly TfNode[];
  readonly handles: ReadonlyMap<Variable, TfRef>;
}

export function lower(program: Program, options: LowerOptions): Lowered {
  const lowering = new Lowering(program, options);
  const { builder, refs } = lowering;
  const feeds = program.feeds.map((value, i) => {
    const node = placeholder(builder, value, `feed_${i}`);
    refs.set(value, { node, index: 0 });
    return node;
  });
  const bound: { placeholder: TfNode; value: Value }[] = [];
  const fused: GraphNode[] = [];

  const { addRegion } = options;
  if (addRegion !== undefined) lowering.again = (...call) => recomputed(lowering, addRegion, ...call);
  for (const unit of addRegion === undefined ? program.nodes : plan(lowering)) {
    if ('nodes' in unit) {
      lowerRegion(lowering, unit, addRegion!);
      lowering.emitted(unit);
      continue;
    }
    const node = unit;
    const [value] = node.outputs;
    if (node.op === 'Feed' || isAbsorbed(lowering, node)) continue;
    if (node.variable !== undefined) {
      refs.set(value!, lowering.read(node.variable));
    } else if (node.constant !== undefined) {
      if (sizeOf(value!.shape) > options.inlineLimit) {
        const input = placeholder(builder, value!, `constant_${bound.length}`);
        bound.push({ placeholder: input, value: value! });
        refs.set(value!, { node: input, index: 0 });
      } else {
        refs.set(value!, constant(builder, value!));
      }
    } else if (node.op === 'AdamW' && inPlaceState(lowering, node) !== undefined) {
      fused.push(node);
    } else {
      lowerNode(lowering, node);
    }
  }

  const inPlace = (node: GraphNode) =>
    (addRegion && compiledAdamW(lowering, node, addRegion)) ?? applyAdamW(lowering, node);
  const updates = [...fused.map(inPlace), ...lowerUpdates(lowering, fused)];
  // A function output must not be an input or a variable's own buffer: an identity costs nothing.
  const fetches = program.fetches.map((value) =>
    builder.op('Identity', [lowering.ref(value)], { T: { type: DT[value.dtype] } }),
  );
  const { handles, keptHalves: halves } = lowering;
  return { builder, feeds, bound, halves, fetches, updates, handles };
}

function plan(lowering: Lowering) {
  const { program, options, uses } = lowering;
  const half = options.matmulPrecision === 'bf16';
  const isProduct = (value: Value) => half && value.node.op === 'MatMul';
  return planRegions(program, {
    excluded: (node) =>
      isAbsorbed(lowering, node) ||
      scatterAdd(lowering, node) !== undefined ||
      // In float32 a bias goes into the matrix product.
      (!half && node.inputs.some((x, i) => isBias(x, node.inputs[1 - i]!, uses))),
    bytes: (value) => sizeOf(value.shape) * (isProduct(value) ? 2 : 4),
    worthwhile: ({ inputs, outputs }) =>
      inputs.some(isProduct) || outputs.some((value) => lowering.needs(value).half),
  });
}

function constant(builder: TfGraphBuilder, value: Value): TfRef {
  const data = value.node.constant!();
  if (value.shape.length === 0) return builder.number(data[0]!, value.dtype);
  return builder.constant({ dtype: DT[value.dtype], shape: value.shape, data });
}

function lowerUpdates(lowering: Lowering, fused: readonly GraphNode[]): TfNode[] {
  const rest = lowering.program.updates.filter(({ value }) => !fused.includes(value.node));
  return rest.map(({ variable, value }) =>
    lowering.builder.add(
      'AssignVariableOp',
      [lowering.handle(variable), lowering.ref(value)],
      { dtype: { type: DT[value.dtype] }, validate_shape: { bool: false } },
      lowering.afterRead(variable),
    ),
  );
}
