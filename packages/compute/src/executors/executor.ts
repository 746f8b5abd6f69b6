import type { Variable } from '@tensorflow/tfjs-core';
import type { HostArray, Program } from '../capture/graph.js';
import type { VariableStore } from '../capture/variables.js';
import type { Cluster } from '../distributed/cluster.js';

export interface CompileOptions {
  /** `'bf16'` computes matrix products in bfloat16 from float32 operands; everything else stays float32. */
  readonly matmulPrecision: 'float32' | 'bf16';
  /** Threads of one operation; `0` lets the executor choose. */
  readonly threads: number;
  /** How an inference executor stores weights; `'live'` ones are passed with each run. */
  readonly weights: 'float32' | 'float16' | 'int8' | 'int4' | 'live';
  /** Workers that `allReduceMean` spans. */
  readonly cluster?: Cluster;
  /** The same function traced at several sizes of its named lengths; then one program runs all sizes. */
  readonly dynamic?: Dynamic | undefined;
}

export interface Dynamic {
  readonly names: readonly string[];
  /** The first program is the one that is compiled. */
  readonly samples: readonly { readonly sizes: readonly number[]; readonly program: Program }[];
}

/** Values with the shape that they have in this run. */
export interface Shaped {
  readonly values: HostArray;
  readonly shape: readonly number[];
}

export type Targets = readonly (HostArray | undefined)[];

/** A program ready to run. Variables are read from and written to `store`; values cross only as feeds and fetches. */
export interface CompiledProgram {
  readonly store: VariableStore;
  /** Variables whose values the program holds itself; they are not pushed to `store`. */
  readonly frozen?: ReadonlySet<Variable>;
  /** Absent where the engine only runs asynchronously. */
  run?(feeds: readonly HostArray[]): HostArray[];
  /** @param targets by fetch: the memory of a feed that its values may overwrite. Then that array is returned. */
  runAsync(feeds: readonly HostArray[], targets?: Targets): Promise<HostArray[]>;
  /** For programs with named lengths. */
  runShaped?(feeds: readonly Shaped[], targets?: Targets): Promise<Shaped[]>;
  dispose(): void;
}

/** An engine that runs programs: TensorFlow, ONNX Runtime. */
export interface Executor {
  readonly name: 'tensorflow' | 'onnx';
  compile(program: Program, options: CompileOptions): CompiledProgram | Promise<CompiledProgram>;
}
