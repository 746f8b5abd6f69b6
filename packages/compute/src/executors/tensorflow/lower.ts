import type { Variable } from '@tensorflow/tfjs-core';
import { ExecutorError } from '../../capture/errors.js';
import { type GraphNode, type Program, sizeOf, type Value } from '../../capture/graph.js';
import { applyAdamW, inPlaceState } from './adamw.js';
import { DT, TfGraphBuilder, type TfNode, type TfRef } from './nodes.js';
import { lowerings } from './ops.js';

export interface LowerOptions {
  readonly matmulPrecision: 'float32' | 'bf16';
  /** Name of a variable's resource. */
  readonly variableName: (variable: Variable) => string;
  /** Constants with more elements than this become inputs of the graph instead of living in it. */
  readonly inlineLimit: number;
  /** The workers that collective operations span, and how long they wait. */
  readonly cluster?: { readonly size: number; readonly timeoutSeconds: number };
  /** Prefix of every node's name. */
  readonly prefix?: string;
}

export interface Lowered {
  readonly builder: TfGraphBuilder;
  /** Placeholders for `program.feeds`, in order. */
  readonly feeds: readonly TfNode[];
  /** Placeholders for large constants, with their values. */
  readonly bound: readonly { readonly placeholder: TfNode; readonly value: Value }[];
  readonly fetches: readonly TfRef[];
  /** Operations that must run although nothing depends on them. */
  readonly updates: readonly TfNode[];
  readonly handles: ReadonlyMap<Variable, TfRef>;
}

let collectives = 0;

/** The state a rule needs to turn one node into TensorFlow operations. */
export class Lowering {
  readonly builder: TfGraphBuilder;
  readonly program: Program;
  readonly options: LowerOptions;
  readonly refs = new Map<Value, TfRef>();
  readonly uses = new Map<Value, number>();
  readonly handles = new Map<Variable, TfRef>();
  private readonly reads = new Map<Variable, TfNode>();
  private readonly halves = new Map<TfRef, TfRef>();
  private readonly common = new Map<Value, Map<string, unknown>>();
  private readonly updated = new Map<Value, Variable>();

  constructor(program: Program, options: LowerOptions) {
    this.program = program;
    this.options = options;
    this.builder = new TfGraphBuilder(options.prefix);
    const count = (value: Value) => this.uses.set(value, (this.uses.get(value) ?? 0) + 1);
    for (const node of program.nodes) node.inputs.forEach(count);
    program.fetches.forEach(count);
    for (const update of program.updates) {
      count(update.value);
      this.updated.set(update.value, update.variable);
    }
  }

  /** The variable that takes `value` when the run ends. */
  updateOf(value: Value): Variable | undefined {
    return this.updated.get(value);
  }

  /** Something derived from `value` that several nodes need; made once. */
  shared<T>(value: Value, key: string, make: () => T): T {
    const known = this.common.get(value) ?? new Map<string, unknown>();
    this.common.set(value, known);
    if (!known.has(key)) known.set(key, make());
    return known.get(key) as T;
  }

  /** A number that this collective has on every worker: programs are built in the same order everywhere. */
  nextCollective(): number {
    collectives += 1;
    return collectives;
  }

  ref(value: Value): TfRef {
    const ref = this.refs.get(value);
    if (ref === undefined) throw new ExecutorError('tensorflow', `no operation produced a ${value.node.op}`);
    return ref;
  }

  handle(variable: Variable): TfRef {
    let handle = this.handles.get(variable);
    if (handle === undefined) {
      handle = this.builder.op('VarHandleOp', [], {
        dtype: { type: DT[variable.dtype as 'float32'] },
        shape: { shape: variable.shape },
        shared_name: { string: this.options.variableName(variable) },
        container: { string: '' },
      });
      this.handles.set(variable, handle);
    }
    return handle;
  }

  read(variable: Variable): TfRef {
    const ref = this.builder.op('ReadVariableOp', [this.handle(variable)], {
      dtype: { type: DT[variable.dtype as 'float32'] },
    });
    this.reads.set(variable, ref.node);
    return ref;
  }

  /** Control dependencies that put a write after the read of the old value. */
  afterRead(...variables: Variable[]): TfNode[] {
    return variables.flatMap((variable) => this.reads.get(variable) ?? []);
  }

  half(ref: TfRef): TfRef {
    let half = this.halves.get(ref);
    if (half === undefined) {
      half = this.builder.op('Cast', [ref], {
        SrcT: { type: DT.float32 },
        DstT: { type: DT.bfloat16 },
        Truncate: { bool: false },
      });
      this.halves.set(ref, half);
    }
    return half;
  }
}

export function lower(program: Program, options: LowerOptions): Lowered {
  const lowering = new Lowering(program, options);
  const { builder, refs } = lowering;
  const placeholder = (value: Value, name: string) =>
    builder.add(
      'Placeholder',
      [],
      { dtype: { type: DT[value.dtype] }, shape: { shape: value.shape } },
      [],
      name,
    );
  const feeds = program.feeds.map((value, i) => {
    const node = placeholder(value, `feed_${i}`);
    refs.set(value, { node, index: 0 });
    return node;
  });
  const bound: { placeholder: TfNode; value: Value }[] = [];
  const fused: GraphNode[] = [];

  for (const node of program.nodes) {
    const [value] = node.outputs;
    if (node.op === 'Feed') continue;
    if (node.variable !== undefined) {
      refs.set(value!, lowering.read(node.variable));
    } else if (node.constant !== undefined) {
      if (sizeOf(value!.shape) > options.inlineLimit) {
        const input = placeholder(value!, `constant_${bound.length}`);
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

  const updates = [...fused.map((node) => applyAdamW(lowering, node)), ...lowerUpdates(lowering, fused)];
  // A function output must not be an input or a variable's own buffer: an identity costs nothing.
  const fetches = program.fetches.map((value) =>
    builder.op('Identity', [lowering.ref(value)], { T: { type: DT[value.dtype] } }),
  );
  return { builder, feeds, bound, fetches, updates, handles: lowering.handles };
}

function constant(builder: TfGraphBuilder, value: Value): TfRef {
  const data = value.node.constant!();
  if (value.shape.length === 0) return builder.number(data[0]!, value.dtype);
  return builder.constant({ dtype: DT[value.dtype], shape: value.shape, data });
}

function lowerNode(lowering: Lowering, node: GraphNode): void {
  const rule = lowerings[node.op];
  if (rule === undefined) {
    throw new ExecutorError('tensorflow', `the TensorFlow executor has no lowering for ${node.op}`);
  }
  const out = rule(lowering, node);
  const refs = Array.isArray(out) ? out : [out];
  node.outputs.forEach((value, i) => {
    lowering.refs.set(value, refs[i]!);
  });
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
