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

class TensorFlowProgram implements CompiledProgram {
  readonly store: TensorFlowContext;
  private readonly program: Program;
  private readonly name: string;
  private readonly bound: Pointer[];
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
      // Collective programs may run on other machines, whose libraries are their own affair.
      ...(options.cluster === undefined && context.compilesRegions && { addRegion }),
      ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
    });
    this.name = context.addFunction({
      nodes: lowered.builder.nodes,
      inputs: [...lowered.feeds, ...lowered.bound.map(({ placeholder }) => placeholder)],
      outputs: lowered.fetches,
      targets: lowered.updates,
    });
    this.bound = lowered.bound.map(({ value }) => context.handle(value.node.constant!(), value));
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
      return this.collect(
        this.store.run(this.name, [...handles, ...this.bound], this.program.fetches.length),
      );
    } catch (error) {
      throw this.explain(error);
    } finally {
      this.release(handles);
    }
  }

  async runAsync(feeds: readonly HostArray[]): Promise<HostArray[]> {
    const handles = this.feed(feeds);
    try {
      const inputs = [...handles, ...this.bound];
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
