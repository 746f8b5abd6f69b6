import type { Variable } from '@tensorflow/tfjs-core';
import { ExecutorError } from '../../capture/errors.js';
import {
  type HostArray,
  hostArray,
  type Meta,
  type Program,
  sizeOf,
  type Value,
} from '../../capture/graph.js';
import { slotOf } from '../../capture/variables.js';
import { philoxUniform } from '../../ops/philox.js';
import type { CompiledProgram, CompileOptions, Dynamic, Executor, Shaped, Targets } from '../executor.js';
import { mergeSamples } from './dynamic.js';
import { type OnnxLowered, OnnxLowering, type OnnxLowerOptions } from './lower.js';
import type { OnnxInitializer } from './model.js';
import { type ModelFile, writeModel } from './model-file.js';
import {
  fillsGivenMemory,
  loadOnnxRuntime,
  needOnnxRuntime,
  type OnnxSession,
  type OnnxTensor,
  updatesInPlace,
} from './runtime.js';
import { onnxStore } from './store.js';
import { onnxThreads } from './threads.js';

class OnnxProgram implements CompiledProgram {
  readonly store = onnxStore;
  /** Variables that are part of the model: when one changes, the model is built anew. */
  readonly frozen: ReadonlySet<Variable>;
  private readonly program: Program;
  private readonly options: CompileOptions;
  private session: OnnxSession | undefined;
  private lowered: OnnxLowered | undefined;
  /** Inputs that stay from run to run: live weights, states that are updated in place, weights in another order. */
  private readonly held = new Map<string, OnnxTensor>();
  private file: ModelFile | undefined;
  /** Revisions of the frozen variables that the session was built from. */
  private readonly built: number[] = [];

  constructor(program: Program, options: CompileOptions) {
    this.program = program;
    this.options = options;
    const updated = new Set(program.updates.map((update) => update.variable));
    const built = options.weights === 'live' ? [] : program.variables;
    this.frozen = new Set(built.filter((variable) => !updated.has(variable)));
  }

  /** Lowers without running, so that an operation without counterpart shows when a function is compiled. */
  check(): this {
    this.lower({
      frozen: (variable) => hostArray(variable.dtype as 'float32', variable.size),
      weights: 'float32',
      structure: true,
    });
    return this;
  }

  private lower(given: OnnxLowerOptions): OnnxLowered {
    const { dynamic, weights } = this.options;
    const options = { ...given, live: weights === 'live', arrange: true };
    return dynamic === undefined
      ? new OnnxLowering(this.program, options).lower()
      : lowerDynamic(dynamic, options);
  }

  /** The model with the variables' values; only those are put in anew where nothing else was made from them. */
  private lowerNow(): OnnxLowered {
    if (this.lowered === undefined || this.lowered.isBaked) {
      return this.lower({
        frozen: (variable) => slotOf(variable).current(),
        weights: this.options.weights === 'live' ? 'float32' : this.options.weights,
      });
    }
    const { initializers } = this.lowered.builder;
    initializers.forEach((initializer, i) => {
      if (initializer.read !== undefined) initializers[i] = { ...initializer, data: initializer.read() };
    });
    return this.lowered;
  }

  private async ready(): Promise<{ session: OnnxSession; lowered: OnnxLowered }> {
    let at = 0;
    let isStale = false;
    for (const variable of this.frozen) {
      const revision = slotOf(variable).revision();
      if (revision !== this.built[at]) isStale = true;
      this.built[at++] = revision;
    }
    if (this.session === undefined || isStale) {
      await this.release();
      const lowered = this.lowerNow();
      const { InferenceSession } = needOnnxRuntime();
      this.file = writeModel(lowered.builder);
      const threads = this.options.threads || onnxThreads();
      this.session = await InferenceSession.create(this.file.model, {
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        ...(threads > 0 ? { intraOpNumThreads: threads } : {}),
      });
      // The runtime has read or mapped the files; where the system allows it, they vanish now, also for a process that
      // ends without disposing.
      this.file.remove();
      for (const { input, meta, read } of lowered.constants) this.holding(input, read(), meta);
      // The runtime keeps its own packed copy of the weights.
      const { initializers } = lowered.builder;
      if (lowered.isBaked) initializers.length = 0;
      else initializers.splice(0, initializers.length, ...initializers.map(withoutContents));
      this.lowered = lowered;
    }
    return { session: this.session, lowered: this.lowered! };
  }

  async runAsync(feeds: readonly HostArray[], targets?: Targets): Promise<HostArray[]> {
    const shaped = feeds.map((values, i) => ({ values, shape: this.program.feeds[i]!.shape }));
    return (await this.runShaped(shaped, targets)).map(({ values }) => values);
  }

  async runShaped(feeds: readonly Shaped[], targets: Targets = []): Promise<Shaped[]> {
    const { Tensor } = needOnnxRuntime();
    const { session, lowered } = await this.ready();
    const inputs: Record<string, OnnxTensor> = {};
    lowered.feeds.forEach((name, i) => {
      inputs[name] = new Tensor(this.program.feeds[i]!.dtype, feeds[i]!.values, feeds[i]!.shape);
    });
    const next: { key: number; output: string; target: HostArray | undefined }[] = [];
    const outputs: Record<string, OnnxTensor | null> = {};
    // The model's first inputs are the arguments.
    const lengths = new Map<string, number>();
    feeds.forEach(({ shape }, i) => {
      lowered.builder.inputs[i]!.shape.forEach((name, axis) => {
        if (typeof name === 'string') lengths.set(name, shape[axis]!);
      });
    });
    lowered.fetches.forEach((name, i) => {
      const feed = lowered.extendedFeeds[i];
      const shares = feed !== undefined && targets[i] === feeds[feed]!.values && updatesInPlace();
      outputs[name] = shares ? inputs[lowered.feeds[feed]!]! : this.result(i, lowered, lengths);
    });
    for (const { variable, input, output, inPlace } of lowered.state) {
      const { key, meta } = slotOf(variable);
      if (inPlace && updatesInPlace()) {
        outputs[output] = inputs[input] = this.holding(input, onnxStore.own(key), meta);
        continue;
      }
      inputs[input] = new Tensor(meta.dtype, onnxStore.get(key), meta.shape);
      const target = onnxStore.target(key, meta);
      outputs[output] = target === undefined ? null : new Tensor(meta.dtype, target, meta.shape);
      next.push({ key, output, target });
    }
    for (const { variable, input } of lowered.reads) {
      const { key, meta } = slotOf(variable);
      inputs[input] = this.holding(input, onnxStore.get(key), meta);
    }
    for (const { input } of lowered.constants) inputs[input] = this.held.get(input)!;
    const host = feeds.map(({ values }) => values);
    for (const { input, shape, seed } of lowered.random) {
      const pair = this.seedOf(seed, host);
      inputs[input] = new Tensor('float32', philoxUniform(pair, sizeOf(shape)), shape);
    }
    const out = await session.run(inputs, outputs);
    for (const { key, output, target } of next) onnxStore.advance(key, target ?? out[output]!.data);
    return lowered.fetches.map((name, i) => {
      const { data, dims } = out[name]!;
      const { dtype } = this.program.fetches[i]!;
      const isBool = dtype === 'bool' && !(data instanceof Uint8Array);
      return { values: isBool ? Uint8Array.from(data) : data, shape: dims };
    });
  }

  /** The tensor over an array that stays: the one of the last run where the array is the same. */
  private holding(input: string, values: HostArray, { dtype, shape }: Meta): OnnxTensor {
    let tensor = this.held.get(input);
    if (tensor?.data !== values) {
      tensor?.dispose?.();
      tensor = new (needOnnxRuntime().Tensor)(dtype, values, shape);
      tensor.hold?.();
      this.held.set(input, tensor);
    }
    return tensor;
  }

  /** The seed's value: arguments of the function and integer arithmetic on them. */
  private seedOf(value: Value, feeds: readonly HostArray[]): [number, number] {
    const parts = evaluateSeed(value, this.program, feeds);
    return [parts[0]!, parts[1] ?? 0];
  }

  /** Memory for a result whose shape is known before the run. */
  private result(
    index: number,
    { builder }: OnnxLowered,
    lengths: ReadonlyMap<string, number>,
  ): OnnxTensor | null {
    const shape = builder.outputs[index]!.shape.map((length) =>
      typeof length === 'number' ? length : lengths.get(length),
    );
    if (!fillsGivenMemory() || shape.includes(undefined) || shape.includes(0)) return null;
    const { Tensor } = needOnnxRuntime();
    const { dtype } = this.program.fetches[index]!;
    const known = shape as number[];
    return new Tensor(dtype, hostArray(dtype, sizeOf(known)), known);
  }

  private async release(): Promise<void> {
    for (const tensor of this.held.values()) tensor.dispose?.();
    this.held.clear();
    await this.session?.release();
    this.session = undefined;
    this.file?.remove();
    this.file = undefined;
  }

  dispose(): void {
    void this.release();
  }
}

const withoutContents = (initializer: OnnxInitializer): OnnxInitializer =>
  initializer.read === undefined ? initializer : { ...initializer, data: new Uint8Array(0) };

/** One model for all sizes of the named lengths. */
export function lowerDynamic({ names, samples }: Dynamic, options: OnnxLowerOptions): OnnxLowered {
  const lowered = samples.map(({ program }, i) =>
    new OnnxLowering(program, {
      ...options,
      shareConstants: false,
      structure: options.structure === true || i > 0,
    }).lower(),
  );
  const [first] = lowered as [OnnxLowered];
  if (first.random.length > 0) {
    throw new ExecutorError('onnx', 'random numbers of a length that has a name are not supported');
  }
  mergeSamples(
    samples.map(({ sizes }, i) => ({ sizes, builder: lowered[i]!.builder })),
    names,
  );
  return first;
}

function evaluateSeed(value: Value, program: Program, feeds: readonly HostArray[]): number[] {
  const { node } = value;
  if (node.constant !== undefined) return [...node.constant()];
  if (node.op === 'Feed') return [...feeds[program.feeds.indexOf(value)]!];
  if (node.variable !== undefined) return [...slotOf(node.variable).current()];
  const parts = node.inputs.map((input) => evaluateSeed(input, program, feeds));
  const [a = [], b = []] = parts;
  const pick = (list: number[], i: number) => list[list.length === 1 ? 0 : i]!;
  const both = (combine: (x: number, y: number) => number) =>
    Array.from({ length: Math.max(a.length, b.length) }, (_, i) => combine(pick(a, i), pick(b, i)) | 0);
  switch (node.op) {
    case 'Reshape':
    case 'BroadcastTo':
      return a;
    case 'Cast':
      return value.dtype === 'int32' ? a.map(Math.trunc) : a;
    case 'Fill':
      return new Array<number>(sizeOf(value.shape)).fill(node.attrs.value as number);
    case 'Concat':
      return parts.flat();
    case 'Slice': {
      const first = (node.attrs.begin as number[])[0] ?? 0;
      return a.slice(first, first + sizeOf(value.shape));
    }
    case 'Add':
      return both((x, y) => x + y);
    case 'Sub':
      return both((x, y) => x - y);
    case 'Multiply':
      return both(Math.imul);
    default:
      throw new ExecutorError(
        'onnx',
        `a random seed may be an argument, a variable, or sums and products of them; ${node.op} is none of these`,
      );
  }
}

/** The executor on ONNX Runtime, or undefined where there is none. */
export function onnxExecutor(): Executor | undefined {
  if (loadOnnxRuntime() === undefined) return undefined;
  return {
    name: 'onnx',
    compile: (program, options) => {
      if (options.matmulPrecision === 'bf16') {
        throw new ExecutorError('onnx', "matmulPrecision 'bf16' needs the TensorFlow executor");
      }
      return new OnnxProgram(program, options).check();
    },
  };
}
