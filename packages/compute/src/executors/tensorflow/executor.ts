import type { Variable } from '@tensorflow/tfjs-core';
import type { HostArray, Program } from '../../capture/graph.js';
import { slotOf } from '../../capture/variables.js';
import { type Cluster, clusterFailure, contextOf } from '../../distributed/cluster.js';
import type { CompiledProgram, CompileOptions, Executor } from '../executor.js';
import type { Pointer } from '../koffi.js';
import { type TensorFlowContext, tensorFlowContext } from './context.js';
import { loadTensorFlow } from './library.js';
import { lower } from './lower.js';
import type { AddRegion } from './lowering.js';

/** Larger constants are kept as tensors beside the function instead of being copied into it. */
const inlineLimit = 1 << 14;

/** A variable in bfloat16, made anew when the variable has changed. */
class HalfCopy {
  private readonly context: TensorFlowContext;
  private readonly variable: Variable;
  private handle: Pointer;
  private made = -1;

  constructor(context: TensorFlowContext, variable: Variable) {
    this.context = context;
    this.variable = variable;
  }

  current(): Pointer {
    const slot = slotOf(this.variable);
    const revision = slot.revision();
    if (this.made !== revision) {
      this.dispose();
      this.handle = this.context.half(slot.key, slot.meta);
      this.made = revision;
    }
    return this.handle;
  }

  dispose(): void {
    if (this.made >= 0) this.context.library.c.TFE_DeleteTensorHandle(this.handle);
    this.made = -1;
  }
}

class TensorFlowProgram implements CompiledProgram {
  readonly store: TensorFlowContext;
  private readonly program: Program;
  private readonly name: string;
  private readonly bound: Pointer[];
  private readonly halves: HalfCopy[];
  private readonly cluster: Cluster | undefined;

  constructor(context: TensorFlowContext, program: Program, options: CompileOptions) {
    this.store = context;
    this.program = program;
    this.cluster = options.cluster;
    const addRegion: AddRegion = (key, spec) => context.addRegion(key, spec);
    const lowered = lower(program, {
      matmulPrecision: options.matmulPrecision,
      variableName: (variable) => context.variableName(slotOf(variable).key),
      inlineLimit,
      keepHalves: true,
      // Collective programs may run on other machines, whose libraries are their own affair.
      ...(options.cluster === undefined && context.compilesRegions && { addRegion }),
      ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
    });
    this.name = context.addFunction({
      nodes: lowered.builder.nodes,
      inputs: [
        ...lowered.feeds,
        ...lowered.bound.map(({ placeholder }) => placeholder),
        ...lowered.halves.map(({ placeholder }) => placeholder),
      ],
      outputs: lowered.fetches,
      targets: lowered.updates,
    });
    this.bound = lowered.bound.map(({ value }) => context.handle(value.node.constant!(), value));
    this.halves = lowered.halves.map(({ variable }) => new HalfCopy(context, variable));
  }

  private inputs(feeds: readonly Pointer[]): Pointer[] {
    return [...feeds, ...this.bound, ...this.halves.map((half) => half.current())];
  }

  private feed(feeds: readonly HostArray[]): Pointer[] {
    return feeds.map((values, i) => this.store.handle(values, this.program.feeds[i]!));
  }

  private release(handles: readonly Pointer[]): void {
    for (const handle of handles) this.store.library.c.TFE_DeleteTensorHandle(handle);
  }

  private collect(out: readonly Pointer[]): HostArray[] {
    return out.map((handle, i) => this.store.take(handle, this.program.fetches[i]!));
  }

  run(feeds: readonly HostArray[]): HostArray[] {
    const handles = this.feed(feeds);
    try {
      return this.collect(this.store.run(this.name, this.inputs(handles), this.program.fetches.length));
    } catch (error) {
      throw this.explain(error);
    } finally {
      this.release(handles);
    }
  }

  async runAsync(feeds: readonly HostArray[]): Promise<HostArray[]> {
    const handles = this.feed(feeds);
    try {
      const inputs = this.inputs(handles);
      return this.collect(await this.store.runAsync(this.name, inputs, this.program.fetches.length));
    } catch (error) {
      throw this.explain(error);
    } finally {
      this.release(handles);
    }
  }

  private explain(error: unknown): unknown {
    return this.cluster === undefined ? error : clusterFailure(this.cluster, error);
  }

  dispose(): void {
    this.release(this.bound);
    for (const half of this.halves) half.dispose();
    this.store.removeFunction(this.name);
  }
}

/** The executor on libtensorflow, or undefined where there is none. */
export function tensorFlowExecutor(): Executor | undefined {
  if (loadTensorFlow() === undefined) return undefined;
  return {
    name: 'tensorflow',
    compile: (program, options) =>
      new TensorFlowProgram(
        options.cluster === undefined ? tensorFlowContext(options.threads)! : contextOf(options.cluster),
        program,
        options,
      ),
  };
}
