import type { Variable } from '@tensorflow/tfjs-core';
import { ExecutorError } from '../../capture/errors.js';
import type { GraphNode, Program, Value } from '../../capture/graph.js';
import { DT, TfGraphBuilder, type TfNode, type TfRef } from './nodes.js';
import type { Region } from './regions.js';

/** Adds a function that XLA compiles, once per key, and gives its name. */
export type AddRegion = (key: string, spec: () => RegionSpec) => string;

export interface RegionSpec {
  readonly nodes: readonly TfNode[];
  readonly inputs: readonly TfNode[];
  readonly outputs: readonly TfRef[];
  readonly targets: readonly TfNode[];
}

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
  /** Takes groups of elementwise operations as functions for XLA; without it every operation stands alone. */
  readonly addRegion?: AddRegion;
  /**
   * With `bf16`: half-precision copies of variables that the program does not update become inputs, made once by the
   * caller instead of in every run. Default false.
   */
  readonly keepHalves?: boolean;
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
  readonly keptHalves: { placeholder: TfNode; variable: Variable }[] = [];
  private readonly frozen = new Map<TfRef, Variable>();
  private readonly reads = new Map<Variable, TfNode>();
  private readonly halves = new Map<TfRef, TfRef>();
  private readonly common = new Map<Value, Map<string, unknown>>();
  private readonly updated = new Map<Value, Variable>();
  private readonly users = new Map<Value, GraphNode[]>();
  /** {@link recomputed}, where regions are compiled. */
  again: ((product: GraphNode, value: Value, after: TfRef) => TfRef | undefined) | undefined;
  private readonly kept: ReadonlySet<Value>;
  private readonly regions = new Map<Value, Region>();

  constructor(program: Program, options: LowerOptions) {
    this.program = program;
    this.options = options;
    this.builder = new TfGraphBuilder(options.prefix);
    const count = (value: Value) => this.uses.set(value, (this.uses.get(value) ?? 0) + 1);
    for (const node of program.nodes) {
      node.inputs.forEach(count);
      for (const input of node.inputs) {
        const users = this.users.get(input);
        if (users === undefined) this.users.set(input, [node]);
        else users.push(node);
      }
    }
    this.kept = new Set([...program.fetches, ...program.updates.map(({ value }) => value)]);
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

  /** Who reads `value`; undefined where it is also a result of the program. */
  readersOf(value: Value): readonly GraphNode[] | undefined {
    return this.kept.has(value) ? undefined : (this.users.get(value) ?? []);
  }

  /** The region that computed `value`. */
  regionOf(value: Value): Region | undefined {
    return this.regions.get(value);
  }

  /** Notes that the results of `region` are there. */
  emitted(region: Region): void {
    for (const value of region.outputs) this.regions.set(value, region);
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
    const updates = this.program.updates.some((update) => update.variable === variable);
    if (this.options.keepHalves === true && !updates) this.frozen.set(ref, variable);
    return ref;
  }

  /** Control dependencies that put a write after the read of the old value. */
  afterRead(...variables: Variable[]): TfNode[] {
    return variables.flatMap((variable) => this.reads.get(variable) ?? []);
  }

  /** The same, and after everyone who got the old value so far: while someone holds it, its memory is not free. */
  afterUse(...variables: Variable[]): TfNode[] {
    const nodes = new Set(this.afterRead(...variables));
    for (const node of nodes) {
      const holds = node.op === 'ReadVariableOp' || sharesMemory.has(node.op);
      if (holds) for (const consumer of this.builder.consumersOf(node)) nodes.add(consumer);
    }
    return [...nodes];
  }

  /** `ref` in bfloat16. */
  half(ref: TfRef): TfRef {
    let half = this.halves.get(ref);
    if (half === undefined) {
      half = this.keptHalf(ref) ?? this.cast(ref, DT.float32, DT.bfloat16);
      this.halves.set(ref, half);
    }
    return half;
  }

  /** A placeholder for the copy of a variable that stays as it is. */
  private keptHalf(ref: TfRef): TfRef | undefined {
    const variable = this.frozen.get(ref);
    if (variable === undefined) return undefined;
    const attrs = { dtype: { type: DT.bfloat16 }, shape: { shape: variable.shape } };
    const node = this.builder.add('Placeholder', [], attrs, [], `half_${this.keptHalves.length}`);
    this.keptHalves.push({ placeholder: node, variable });
    return { node, index: 0 };
  }

  /** A bfloat16 result in float32. The way back to bfloat16 is then known, and exact. */
  full(half: TfRef): TfRef {
    const ref = this.cast(half, DT.bfloat16, DT.float32);
    this.halves.set(ref, half);
    return ref;
  }

  knownHalf(ref: TfRef): TfRef | undefined {
    return this.halves.get(ref);
  }

  setHalf(ref: TfRef, half: TfRef): void {
    this.halves.set(ref, half);
  }

  private cast(ref: TfRef, from: number, to: number): TfRef {
    return this.builder.op('Cast', [ref], {
      SrcT: { type: from },
      DstT: { type: to },
      Truncate: { bool: false },
    });
  }

  /** In which precisions the users of `value` want it. */
  needs(value: Value): { full: boolean; half: boolean } {
    if (this.options.matmulPrecision !== 'bf16' || this.kept.has(value)) return { full: true, half: false };
    const need = { full: false, half: false };
    for (const user of this.users.get(value) ?? []) {
      if (user.op === 'MatMul') need.half = true;
      else if (layout.has(user.op)) {
        const behind = this.needs(user.outputs[0]!);
        need.full ||= behind.full;
        need.half ||= behind.half;
      } else need.full = true;
    }
    return need;
  }
}

/** TensorFlow operations whose result can be the same memory. */
const sharesMemory = new Set(['Identity', 'Reshape', 'Slice']);

/** Operations that move numbers only; they move bfloat16 as well. */
const layout = new Set(['Concat', 'Reshape', 'Transpose', 'Slice']);

export function placeholder(
  builder: TfGraphBuilder,
  value: Value,
  name: string,
  type: number = DT[value.dtype],
): TfNode {
  return builder.add('Placeholder', [], { dtype: { type }, shape: { shape: value.shape } }, [], name);
}

/** `x` is a matrix product and `y` a bias over its last axis. */
export function isBias(x: Value, y: Value | undefined, uses: ReadonlyMap<Value, number>): boolean {
  return (
    x.node.op === 'MatMul' &&
    x.shape.length === 2 &&
    y?.shape.length === 1 &&
    y.shape[0] === x.shape[1] &&
    x.dtype === 'float32' &&
    uses.get(x) === 1
  );
}
