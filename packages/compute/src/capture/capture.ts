import * as tf from '@tensorflow/tfjs-core';
import type { Cluster } from '../distributed/cluster.js';
import { candidates } from '../executors/choose.js';
import type { CompiledProgram, CompileOptions, Dynamic, Executor } from '../executors/executor.js';
import { collectGarbage } from '../executors/host.js';
import { availableExecutors, type ExecutorName, needExecutor } from '../executors/index.js';
import { sampleSizes } from '../executors/onnx/dynamic.js';
import { engine } from './engine.js';
import { CaptureError, ExecutorError, FeedError } from './errors.js';
import { type HostArray, type Program, sizeOf, toHostArray } from './graph.js';
import { graphBackend, graphDtype } from './graph-backend.js';
import { InPlace, type Leaf, type Placed } from './in-place.js';
import { lengthOf, namedLengths, namesIn } from './named-lengths.js';
import { type FeedLeaf, isFeedLeaf, mapTree } from './structure.js';
import { isCapturing, type Trace, trace } from './trace.js';
import { slotOf, sweepVariables } from './variables.js';

/** Bytes of weights that move to an executor at once, from which their old arrays are worth a collection. */
const muchGarbage = 1 << 26;
/** Bytes from which the other weights do not wait for it. */
const tooMuchGarbage = 1 << 28;

/** How {@link capture} compiles and runs a function. */
export interface CaptureOptions {
  /**
   * `'tensorflow'` (libtensorflow), `'onnx'` (ONNX Runtime) or `'eager'` (the current TensorFlow.js backend; same numbers,
   * no speed). Default `'auto'`: the first of these three that this machine has, except that a function which reads its
   * weights for a few rows only (decoding) prefers ONNX Runtime.
   */
  readonly executor?: ExecutorName | 'auto' | 'eager';
  /**
   * `'bf16'` rounds the operands of matrix products to bfloat16 (8 bits of mantissa); weights, sums, gradients and
   * optimiser state stay float32. TensorFlow only. Default `'float32'`.
   */
  readonly matmulPrecision?: 'float32' | 'bf16';
  /** Threads of one operation. Default `0`: one for each core of the machine. */
  readonly threads?: number;
  /**
   * How ONNX Runtime stores the weights of a function that updates no variable. Default `'float32'`: packed once, and once
   * more when they change. `'live'` weights are float32 as well but passed with each run: for those that change after a few
   * hundred runs.
   */
  readonly weights?: 'float32' | 'float16' | 'int8' | 'int4' | 'live';
  /** The workers that {@link allReduceMean} spans, from `joinCluster`. TensorFlow only. */
  readonly cluster?: Cluster;
  /**
   * The variables the function may use. Optional: every `tf.Variable` it touches is found while tracing. When given, any
   * other variable is an error, which catches a model that was left out by mistake.
   */
  readonly variables?: readonly tf.Variable[];
  /**
   * Shape and type of each argument, in order of appearance, for arguments passed as plain numbers or typed arrays. A
   * length may be a name (`['batch', 'length']`) or a sum of names (`'past + length'`): with `executor: 'onnx'` one compiled version then runs all lengths;
   * elsewhere the function is compiled for each.
   */
  readonly inputs?: readonly InputSpec[];
  /**
   * Results that overwrite an argument: for a property of the result, the position of the argument, of the same structure
   * and shapes. The caller passes typed arrays there and finds the values in them after the call; what the call returns
   * lacks the property. A cache that `cachedAttention` extends is then never copied on ONNX Runtime in Node.
   */
  readonly inPlace?: Readonly<Record<string, number>>;
  /** Compiled versions kept, one per combination of argument shapes; the least recently used one goes. Default 8. */
  readonly maxTraces?: number;
}

/** One argument of a captured function. */
export interface InputSpec {
  readonly shape: readonly (number | string)[];
  readonly dtype?: 'float32' | 'int32' | 'bool';
}

/** Arguments as the caller may pass them: a scalar also as a number, any tensor as a typed array. */
export type Feed<T> = T extends tf.Tensor
  ? T | number | Float32Array | Int32Array | Uint8Array
  : T extends readonly unknown[]
    ? { readonly [K in keyof T]: Feed<T[K]> }
    : T extends object
      ? { readonly [K in keyof T]: Feed<T[K]> }
      : T;

export interface CapturedFunction<Args extends readonly unknown[], Result> {
  /** Runs off the JavaScript thread. Returned tensors belong to the caller. */
  (...args: Feed<Args> & readonly unknown[]): Promise<Result>;
  /** The same, on this thread. Not available on ONNX Runtime. */
  run(...args: Feed<Args> & readonly unknown[]): Result;
  /** Traces and compiles for these arguments without running. */
  prepare(...args: Feed<Args> & readonly unknown[]): Promise<void>;
  /** The graph for these arguments, for exporters. */
  program(...args: Feed<Args> & readonly unknown[]): Program;
  /** The same, with the samples that named lengths are found from. */
  traced(...args: Feed<Args> & readonly unknown[]): { program: Program; dynamic?: Dynamic | undefined };
  /** What runs the function: decided by `executor` and by what the machine has. */
  readonly executor: ExecutorName | 'eager';
  /** Compiled versions at the moment. */
  readonly traceCount: number;
  /** Frees the compiled versions. Variables stay: the next eager use reads their current values. */
  dispose(): void;
  [Symbol.dispose](): void;
}

type Compiled = CompiledProgram | Promise<CompiledProgram>;

interface Version {
  readonly trace: Trace;
  readonly dynamic?: Dynamic;
  /** What runs it when awaited, and what runs it synchronously. */
  readonly compiled: { awaited?: Compiled | 'eager'; sync?: Compiled | 'eager' };
}

/**
 * Turns a TensorFlow.js function into one native call: `tf.function` for TensorFlow.js. The function runs once per
 * combination of argument shapes, on symbols, while its kernels (forward, backward, optimiser) are recorded; later calls run
 * the recorded graph. `tf.Variable`s it reads or assigns live in the executor and stay coherent with eager code in both
 * directions. Tensors it closes over are constants.
 *
 * @param fn static shapes; no value may be read inside. Arguments and result may nest arrays and plain objects of tensors
 * @throws {CaptureError} when something has no place in a graph; `op` names it
 * @throws {FeedError} when arguments do not fit
 * @throws {ExecutorError} when the executor asked for is not there
 *
 * @example
 * const step = capture((x: tf.Tensor, y: tf.Tensor, learningRate: tf.Scalar) => {
 *   const { value, grads } = tf.variableGrads(() => loss(model(x), y));
 *   for (const v of variables) v.assign(tf.sub(v, tf.mul(grads[v.name]!, learningRate)));
 *   return { loss: value };
 * });
 * const { loss } = await step(x, y, 1e-3);
 */
export function capture<Args extends readonly unknown[], Result>(
  fn: (...args: Args) => Result,
  options: CaptureOptions = {},
): CapturedFunction<Args, Result> {
  const captured = new Captured(fn as unknown as (...args: unknown[]) => unknown, options);
  const call = (...args: readonly unknown[]) => captured.runAsync(args);
  const api = {
    run: (...args: readonly unknown[]) => captured.run(args),
    prepare: (...args: readonly unknown[]) => captured.prepare(args),
    program: (...args: readonly unknown[]) => captured.traced(args).program,
    traced: (...args: readonly unknown[]) => captured.traced(args),
    dispose: () => captured.dispose(),
    [Symbol.dispose]: () => captured.dispose(),
  };
  Object.assign(call, api);
  Object.defineProperties(call, {
    executor: { get: () => captured.executorName },
    traceCount: { get: () => captured.versions.size },
  });
  return call as unknown as CapturedFunction<Args, Result>;
}

class Captured {
  readonly versions = new Map<string, Version>();
  private readonly fn: (...args: unknown[]) => unknown;
  private readonly options: CaptureOptions;
  private readonly compileOptions: CompileOptions;
  private readonly inPlace: InPlace;
  /** Names of lengths in `options.inputs`. */
  private readonly lengthNames: readonly string[];
  private used: ExecutorName | 'eager' | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(fn: (...args: unknown[]) => unknown, options: CaptureOptions) {
    this.fn = fn;
    this.options = options;
    this.inPlace = new InPlace(options.inPlace);
    const { maxTraces = 8, threads = 0 } = options;
    if (!Number.isInteger(maxTraces) || maxTraces < 1) {
      throw new FeedError(`maxTraces must be a positive integer, received ${maxTraces}`);
    }
    if (!Number.isInteger(threads) || threads < 0) {
      throw new FeedError(`threads must be a non-negative integer, received ${threads}`);
    }
    this.compileOptions = {
      matmulPrecision: options.matmulPrecision ?? 'float32',
      threads,
      weights: options.weights ?? 'float32',
      ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
    };
    const named = (options.inputs ?? []).flatMap(({ shape }) => shape.flatMap(namesIn));
    this.lengthNames = [...new Set(named)];
  }

  get executorName(): ExecutorName | 'eager' {
    const { executor = 'auto' } = this.options;
    if (executor !== 'auto') return executor;
    return this.used ?? availableExecutors()[0]?.name ?? 'eager';
  }

  // --- arguments

  private leaves(args: readonly unknown[]): { leaves: Leaf[]; key: string } {
    const leaves: Leaf[] = [];
    const lengths =
      this.lengthNames.length > 0
        ? namedLengths(this.lengthNames, this.options.inputs ?? [], args)
        : undefined;
    const expected = new Map<InputSpec, number[]>();
    const { dynamic } = this;
    const shape = mapTree(args, isFeedLeaf, (leaf, path) => {
      const spec = this.options.inputs?.[leaves.length];
      if (spec !== undefined && !expected.has(spec))
        expected.set(
          spec,
          spec.shape.map((size) => lengthOf(size, (name) => lengths!.get(name)!)),
        );
      const feed = this.leaf(leaf as FeedLeaf, path, spec, spec && expected.get(spec)!);
      leaves.push(feed);
      return dynamic ? undefined : `${feed.dtype}[${feed.shape}]`;
    });
    return { leaves, key: dynamic ? 'named lengths' : JSON.stringify(shape) };
  }

  /** Whether one version serves all lengths. */
  private get dynamic(): boolean {
    return this.lengthNames.length > 0 && this.options.executor === 'onnx';
  }

  private leaf(value: FeedLeaf, path: string, spec?: InputSpec, expected?: number[]): Leaf {
    if (value instanceof tf.Tensor) {
      if (value.isDisposed) throw new FeedError(`argument ${path} is a disposed tensor`);
      const dtype = graphDtype(value.dtype, `argument ${path}`);
      if (expected !== undefined && !tf.util.arraysEqual(expected, value.shape)) {
        throw new FeedError(`argument ${path} must have shape [${expected}], received [${value.shape}]`);
      }
      return {
        path,
        shape: value.shape,
        dtype,
        read: () => toHostArray(dtype, engine().readSync(value.dataId as object) as ArrayLike<number>),
      };
    }
    const values: HostArray = typeof value === 'number' ? Float32Array.of(value) : value;
    const own =
      values instanceof Int32Array ? 'int32' : values instanceof Uint8Array ? 'bool' : ('float32' as const);
    const dtype = spec?.dtype ?? own;
    const shape = expected ?? (typeof value === 'number' ? [] : [values.length]);
    if (sizeOf(shape) !== values.length) {
      throw new FeedError(`argument ${path} must have ${sizeOf(shape)} elements, received ${values.length}`);
    }
    const same = typeof value !== 'number' && dtype === own;
    return { path, shape, dtype, read: () => toHostArray(dtype, values), ...(same && { memory: values }) };
  }

  /** The arguments `fn` sees: tensors in place of every leaf. */
  private withTensors(args: readonly unknown[], tensors: readonly tf.Tensor[]): unknown[] {
    let next = 0;
    return mapTree(args, isFeedLeaf, () => tensors[next++]) as unknown[];
  }

  // --- versions

  private version(args: readonly unknown[], leaves: readonly Leaf[], key: string): Version {
    if (this.disposed) throw new CaptureError('capture', 'this captured function was disposed');
    let version = this.versions.get(key);
    if (version === undefined) {
      version = this.dynamic
        ? this.traceNamed(args, leaves)
        : { trace: this.trace(args, leaves), compiled: {} };
      this.checkVariables(version.trace.program);
    } else {
      this.versions.delete(key);
    }
    this.versions.set(key, version);
    while (this.versions.size > (this.options.maxTraces ?? 8)) {
      const [oldest, { compiled }] = this.versions.entries().next().value!;
      this.versions.delete(oldest);
      this.releaseLater(compiled);
    }
    return version;
  }

  private trace(args: readonly unknown[], leaves: readonly Placed[]): Trace {
    const traced = trace((tensors) => this.fn(...this.withTensors(args, tensors)), leaves);
    this.inPlace.check(traced, leaves);
    return traced;
  }

  /** Traces at several sizes of the named lengths. */
  private traceNamed(args: readonly unknown[], leaves: readonly Leaf[]): Version {
    const { lengthNames: names } = this;
    const traces = sampleSizes(names.length).map((sizes) => {
      const sized = leaves.map((leaf, i) => {
        const shape = this.options.inputs?.[i]?.shape ?? leaf.shape;
        const sized = shape.map((size) => lengthOf(size, (name) => sizes[names.indexOf(name)]!));
        return { path: leaf.path, shape: sized, dtype: leaf.dtype };
      });
      return { sizes, trace: this.trace(args, sized) };
    });
    const samples = traces.map(({ sizes, trace: { program } }) => ({ sizes, program }));
    return { trace: traces[0]!.trace, compiled: {}, dynamic: { names, samples } };
  }

  private checkVariables(program: Program): void {
    const { variables } = this.options;
    if (variables === undefined) return;
    const known = new Set(variables);
    const stranger = program.variables.find((variable) => !known.has(variable));
    if (stranger !== undefined) {
      throw new CaptureError(
        'variable',
        `the captured function uses variable ${stranger.name} [${stranger.shape}], which options.variables does ` +
          'not list; add it, or leave the option out',
      );
    }
  }

  private compile(version: Version, sync: boolean): Compiled | 'eager' {
    const kind = sync ? 'sync' : 'awaited';
    version.compiled[kind] ??= this.firstThatCompiles(version, sync);
    return version.compiled[kind];
  }

  private firstThatCompiles(
    { trace: { program }, compiled, dynamic }: Version,
    sync: boolean,
  ): Compiled | 'eager' {
    const { executor: name = 'auto' } = this.options;
    const use = (executor: Executor) => {
      this.used = executor.name;
      // TensorFlow runs both ways: one function serves both.
      const other = sync ? compiled.awaited : compiled.sync;
      const shared = other !== undefined && other !== 'eager' && !(other instanceof Promise);
      if (shared && other.run !== undefined && executor.name === 'tensorflow') return other;
      return executor.compile(program, { ...this.compileOptions, dynamic });
    };
    if (name === 'eager') return 'eager';
    if (this.options.cluster !== undefined && name !== 'onnx') return use(needExecutor('tensorflow'));
    if (name !== 'auto') return use(needExecutor(name));
    for (const executor of candidates(program, this.compileOptions, sync)) {
      try {
        return use(executor);
      } catch (error) {
        if (!(error instanceof ExecutorError)) throw error;
      }
    }
    this.used = 'eager';
    return 'eager';
  }

  // --- running

  run(args: readonly unknown[]): unknown {
    if (isCapturing()) return this.fn(...args);
    const { leaves, key } = this.leaves(args);
    const version = this.version(args, leaves, key);
    const compiled = this.compile(version, true);
    if (compiled === 'eager') return this.runEagerly(args, leaves);
    if (compiled instanceof Promise || compiled.run === undefined) {
      throw new ExecutorError('onnx', 'ONNX Runtime runs asynchronously: await the captured function itself');
    }
    const targets = this.inPlace.targets(version.trace.paths, leaves);
    this.before(version.trace.program, compiled);
    const out = compiled.run(leaves.map((leaf) => leaf.read()));
    return this.after(version.trace, compiled, targets, out);
  }

  async runAsync(args: readonly unknown[]): Promise<unknown> {
    if (isCapturing()) {
      throw new CaptureError(
        'capture',
        'a captured function was awaited inside another; call its run() there',
      );
    }
    const { leaves, key } = this.leaves(args);
    const version = this.version(args, leaves, key);
    const pending = this.compile(version, false);
    if (pending === 'eager') return this.runEagerly(args, leaves);
    const targets = this.inPlace.targets(version.trace.paths, leaves);
    const feeds = leaves.map((leaf) => leaf.read());
    // One run at a time: runs of one function change the same variables.
    const result = this.queue.then(async () => {
      const compiled = await pending;
      this.before(version.trace.program, compiled);
      if (version.dynamic !== undefined && compiled.runShaped !== undefined) {
        const shaped = feeds.map((values, i) => ({ values, shape: leaves[i]!.shape }));
        const out = await compiled.runShaped(shaped, targets);
        return this.after(
          version.trace,
          compiled,
          targets,
          out.map(({ values }) => values),
          out.map(({ shape }) => shape),
        );
      }
      return this.after(version.trace, compiled, targets, await compiled.runAsync(feeds, targets));
    });
    this.queue = result.catch(() => {});
    return result;
  }

  async prepare(args: readonly unknown[]): Promise<void> {
    const { leaves, key } = this.leaves(args);
    const compiled = this.compile(this.version(args, leaves, key), false);
    if (compiled !== 'eager') await compiled;
  }

  traced(args: readonly unknown[]): { program: Program; dynamic: Dynamic | undefined } {
    const { leaves, key } = this.leaves(args);
    const { trace: traced, dynamic } = this.version(args, leaves, key);
    return { program: traced.program, dynamic };
  }

  private before(program: Program, compiled: CompiledProgram): void {
    let released = 0;
    for (const variable of program.variables) {
      if (variable.isDisposed) {
        throw new FeedError(`variable ${variable.name} of a captured function was disposed`);
      }
      if (!compiled.frozen?.has(variable)) released += slotOf(variable).push(compiled.store);
      // At once, or all old arrays would lie beside all new ones.
      if (released >= tooMuchGarbage) {
        collectGarbage();
        released = 0;
      }
    }
    if (released >= muchGarbage) collectGarbage();
  }

  private after(
    traced: Trace,
    compiled: CompiledProgram,
    targets: readonly (HostArray | undefined)[],
    out: readonly HostArray[],
    shapes?: readonly (readonly number[])[],
  ): unknown {
    for (const { variable } of traced.program.updates) slotOf(variable).updated(compiled.store);
    const tensors = out.map((values, i) => {
      const target = targets[i];
      if (target !== undefined) {
        if (values !== target) target.set(values);
        return undefined;
      }
      const { dtype, shape } = traced.program.fetches[i]!;
      return graphBackend().hostTensor(values, { dtype, shape: shapes?.[i] ?? shape });
    });
    return this.inPlace.strip(traced.rebuild(tensors));
  }

  private runEagerly(args: readonly unknown[], leaves: readonly Leaf[]): unknown {
    return tf.tidy(() => {
      const originals: unknown[] = [];
      mapTree(args, isFeedLeaf, (leaf) => originals.push(leaf));
      const tensors = leaves.map((leaf, i) => {
        const original = originals[i];
        if (original instanceof tf.Tensor) return original;
        return tf.tensor(leaf.read(), leaf.shape as number[], leaf.dtype as 'float32');
      });
      const result = this.fn(...this.withTensors(args, tensors));
      // Results are new tensors on every executor: what the function passed through must survive its owner.
      const copy = mapTree(
        result,
        (value) => value instanceof tf.Tensor,
        (value, path) => {
          const [target] = this.inPlace.targets([path], leaves);
          if (target === undefined) return tf.clone(value as tf.Tensor);
          target.set((value as tf.Tensor).dataSync());
          return undefined;
        },
      );
      return this.inPlace.strip(copy) as tf.TensorContainer;
    });
  }

  /** After the runs that may still use it. */
  private releaseLater(compiled: Version['compiled']): void {
    this.queue = this.queue.then(() => releaseBoth(compiled));
  }

  dispose(): void {
    this.disposed = true;
    for (const { compiled } of this.versions.values()) this.releaseLater(compiled);
    this.versions.clear();
    sweepVariables();
  }
}

function releaseBoth({ awaited, sync }: Version['compiled']): void {
  release(awaited);
  if (sync !== awaited) release(sync);
}

function release(compiled: Compiled | 'eager' | undefined): void {
  if (compiled === undefined || compiled === 'eager') return;
  if (compiled instanceof Promise) compiled.then((program) => program.dispose()).catch(() => {});
  else compiled.dispose();
}
