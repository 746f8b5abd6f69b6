import type { Variable } from '@tensorflow/tfjs-core';
import { ExecutorError } from '../../capture/errors.js';
import {
  type GraphNode,
  type HostArray,
  type Meta,
  type Program,
  sizeOf,
  toHostArray,
  type Value,
} from '../../capture/graph.js';
import { OnnxBuilder, OT } from './model.js';
import { lowerings } from './ops.js';
import { extendedInput, fusions } from './ops-fused.js';
import { quantizedMatMul, type WeightStorage } from './weights.js';
import { Widening, widerShape, withZeros } from './widen.js';

export interface OnnxLowerOptions {
  /** Current value of a variable that the program does not update; it becomes part of the model. */
  readonly frozen: (variable: Variable) => HostArray;
  readonly weights: WeightStorage;
  /** Variables are inputs of the model instead of parts of it. Default false. */
  readonly live?: boolean;
  /** The graph alone, without contents of variables. Default false. */
  readonly structure?: boolean;
  /** Equal constants become one. Default true. */
  readonly shareConstants?: boolean;
  /** Weights may stand in the model in another order and with more zeros, for speed. Default false. */
  readonly arrange?: boolean;
  /** Integer arguments are int64 outside, as other libraries pass token ids. Default false. */
  readonly int64Inputs?: boolean;
  /** Names of the inputs and outputs, for people; default `feed_0`, `out_0`. */
  readonly inputNames?: readonly string[];
  readonly outputNames?: readonly string[];
}

/** A random tensor that the host draws before each run, for ONNX has no stateless generator. */
export interface HostRandom {
  readonly input: string;
  readonly shape: readonly number[];
  /** Where the seed comes from. */
  readonly seed: Value;
}

export interface OnnxState {
  readonly variable: Variable;
  readonly input: string;
  readonly output: string;
  /** The new value may take the memory of the old one. */
  readonly inPlace: boolean;
}

/** A variable that the program only reads, as an input. */
export interface OnnxRead {
  readonly variable: Variable;
  readonly input: string;
}

/** What every run gets as an input again, until the variable that it was made from changes. */
export interface OnnxConstant {
  readonly input: string;
  readonly meta: Meta;
  readonly read: () => HostArray;
}

export interface OnnxLowered {
  readonly builder: OnnxBuilder;
  readonly feeds: readonly string[];
  readonly fetches: readonly string[];
  /** Variables the program updates: an input with the old value, an output with the new one. */
  readonly state: readonly OnnxState[];
  readonly reads: readonly OnnxRead[];
  /** By fetch: the feed whose memory it may take. */
  readonly extendedFeeds: readonly (number | undefined)[];
  readonly random: readonly HostRandom[];
  readonly constants: readonly OnnxConstant[];
  /** The model holds more of its frozen variables than their values as they are. */
  readonly isBaked: boolean;
}

export class OnnxLowering {
  readonly builder: OnnxBuilder;
  readonly names = new Map<Value, string>();
  readonly uses = new Map<Value, number>();
  readonly random: HostRandom[] = [];
  private readonly constants: OnnxConstant[] = [];
  readonly options: OnnxLowerOptions;
  private readonly program: Program;
  private isBaked = false;
  private readonly widening: Widening | undefined;
  private readonly common = new Map<string, string>();
  /** Variables that are inputs. */
  private readonly outside: ReadonlySet<Variable>;

  constructor(program: Program, options: OnnxLowerOptions) {
    this.program = program;
    this.options = options;
    this.builder = new OnnxBuilder(options.shareConstants);
    this.outside = new Set(
      options.live === true ? program.variables : program.updates.map((update) => update.variable),
    );
    const count = (value: Value) => this.uses.set(value, (this.uses.get(value) ?? 0) + 1);
    for (const node of program.nodes) node.inputs.forEach(count);
    program.fetches.forEach(count);
    for (const update of program.updates) count(update.value);
    if (options.arrange === true && options.weights === 'float32')
      this.widening = new Widening(program, this.uses, (value) => this.isFrozen(value));
  }

  /** The shape of a value in the model. */
  shapeOf(value: Value): readonly number[] {
    return this.widening?.shapeOf(value) ?? value.shape;
  }

  /** What `node` reads: as {@link ref}, or a weight with more zeros. */
  refFor(node: GraphNode, value: Value): string {
    const axes = this.widening?.axesOf(node, value) ?? [];
    if (axes.length === 0) return this.ref(value);
    const read = () => withZeros(this.contents(value)!, value.shape, axes);
    return this.builder.variable(read, value.dtype, widerShape(value.shape, axes));
  }

  /** A variable that stays as it is, in another order, as an input of the model. */
  argument(value: Value, arrange: (contents: HostArray) => HostArray, shape: readonly number[]): string {
    const input = this.builder.name('argument');
    const { dtype } = value;
    this.builder.inputs.push({ name: input, type: dtype, shape });
    this.constants.push({ input, meta: { dtype, shape }, read: () => arrange(this.contents(value)!) });
    return input;
  }

  ref(value: Value): string {
    let name = this.names.get(value);
    if (name === undefined && value.node.variable !== undefined) {
      // Read late: a quantized product may be the only user, and then the float copy stays out of the model.
      name = this.builder.variable(() => this.contents(value)!, value.dtype, value.shape);
      this.names.set(value, name);
    }
    if (name === undefined) throw new ExecutorError('onnx', `no operation produced a ${value.node.op}`);
    return name;
  }

  /** Whether a value is a variable whose contents stand in the model. */
  isFrozen({ node }: Value): boolean {
    return node.variable !== undefined && !this.outside.has(node.variable);
  }

  /**
   * Contents of a value that is known when the model is built: a constant, or a variable that stays as it is. What is made
   * from them stands in the model, so another value of the variable needs another model.
   */
  frozen(value: Value): HostArray | undefined {
    const contents = this.contents(value);
    if (contents !== undefined && value.node.variable !== undefined) this.isBaked = true;
    return contents;
  }

  private contents(value: Value): HostArray | undefined {
    const { constant, variable } = value.node;
    if (constant !== undefined) return constant();
    if (variable === undefined || this.outside.has(variable)) return undefined;
    if (this.options.structure) return new Float32Array(0);
    return toHostArray(value.dtype, this.options.frozen(variable));
  }

  shared(key: string, make: () => string): string {
    let name = this.common.get(key);
    if (name === undefined) {
      name = make();
      this.common.set(key, name);
    }
    return name;
  }

  lower(): OnnxLowered {
    const { builder, names, program } = this;
    const { inputNames = [], outputNames = [] } = this.options;
    const feeds = program.feeds.map((value, i) => {
      const name = inputNames[i] ?? `feed_${i}`;
      const wide = this.options.int64Inputs === true && value.dtype === 'int32';
      builder.inputs.push({ name, type: wide ? 'int64' : value.dtype, shape: value.shape });
      names.set(value, wide ? builder.op('Cast', [name], { to: { int: OT.int32 } }) : name);
      return name;
    });
    const stateInputs = new Map<Variable, string>();
    for (const variable of program.variables) {
      if (!this.outside.has(variable)) continue;
      const name = `state_${stateInputs.size}`;
      stateInputs.set(variable, name);
      builder.inputs.push({ name, type: variable.dtype as 'float32', shape: variable.shape });
    }
    for (const node of program.nodes) this.lowerNode(node, stateInputs);
    const fetches = program.fetches.map((value, i) => {
      const name = outputNames[i] ?? `out_${i}`;
      builder.output({ name, type: value.dtype, shape: value.shape }, this.ref(value));
      return name;
    });
    const state = program.updates.map(({ variable, value }, i) => {
      const output = `next_${i}`;
      builder.output({ name: output, type: value.dtype, shape: value.shape }, this.ref(value));
      const inPlace = extendedInput(value, this.uses)?.node.variable === variable;
      return { variable, input: stateInputs.get(variable)!, output, inPlace };
    });
    const updated = new Set(program.updates.map(({ variable }) => variable));
    const reads = [...stateInputs]
      .filter(([variable]) => !updated.has(variable))
      .map(([variable, input]) => ({ variable, input }));
    builder.prune();
    const extendedFeeds = program.fetches.map((value) => {
      const feed = program.feeds.indexOf(extendedInput(value, this.uses)!);
      return feed < 0 ? undefined : feed;
    });
    const { random, constants, isBaked } = this;
    return { builder, feeds, fetches, state, reads, extendedFeeds, random, constants, isBaked };
  }

  private lowerNode(node: GraphNode, stateInputs: ReadonlyMap<Variable, string>): void {
    const { builder, names } = this;
    const [value] = node.outputs as [Value];
    if (node.op === 'Feed') return;
    if (node.variable !== undefined) {
      const name = stateInputs.get(node.variable);
      if (name !== undefined) names.set(value, name);
      return;
    }
    if (node.constant !== undefined) {
      const data = node.constant();
      const name =
        sizeOf(value.shape) === 1 && value.shape.length === 0
          ? builder.scalar(data[0]!, value.dtype)
          : builder.initializer(data, value.dtype, value.shape);
      names.set(value, name);
      return;
    }
    const { fusion } = node;
    if (fusion?.inner.every((inner) => this.uses.get(inner) === 1) && fusions[fusion.op] !== undefined) {
      names.set(value, fusions[fusion.op]!(this, fusion));
      return;
    }
    const quantized = quantizedMatMul(this, node);
    if (quantized !== undefined) {
      names.set(value, quantized);
      return;
    }
    const rule = lowerings[node.op];
    if (rule === undefined) {
      throw new ExecutorError('onnx', `the ONNX executor has no lowering for ${node.op}`);
    }
    const out = rule(this, node);
    const refs = Array.isArray(out) ? out : [out];
    node.outputs.forEach((output, i) => {
      names.set(output, refs[i]!);
    });
  }
}
