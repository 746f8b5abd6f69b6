import { ExecutorError } from '../../capture/errors.js';
import { nodeProcess, requireOptional } from '../host.js';
import { openOnnxLibrary } from './native-library.js';
import { nativeRuntime } from './native-session.js';

/** The part of onnxruntime-common that we use; `onnxruntime-node` and `onnxruntime-web` both have it. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: string | Uint8Array, options?: Record<string, unknown>): Promise<OnnxSession>;
  };
  readonly Tensor: new (
    type: string,
    data: Float32Array | Int32Array | Uint8Array,
    dims: readonly number[],
  ) => OnnxTensor;
  readonly env?: { logLevel?: string };
}

export interface OnnxTensor {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly dims: readonly number[];
  /** Keeps what the runtime makes of the tensor from one run to the next, until `dispose`. */
  hold?(): void;
  dispose?(): void;
}

export interface OnnxSession {
  run(
    feeds: Record<string, OnnxTensor>,
    fetches: Record<string, OnnxTensor | null>,
  ): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}

let runtime: OnnxRuntime | null | undefined;
let binding: 'library' | 'package' | 'given' = 'package';
let problem = '';

/** In a browser: hands over the application's `onnxruntime-web`. In Node the optional `onnxruntime-node` is found. */
export function useOnnxRuntime(module: OnnxRuntime): void {
  runtime = module;
  binding = 'given';
}

/** `onnxruntime-node` writes results into memory that it is given; `onnxruntime-web` does not. */
export function fillsGivenMemory(): boolean {
  return binding !== 'given';
}

/** Whether a result can take the memory of an argument without being copied: where the library is called directly. */
export function updatesInPlace(): boolean {
  return loadOnnxRuntime() !== undefined && binding === 'library';
}

export function loadOnnxRuntime(): OnnxRuntime | undefined {
  if (runtime !== undefined) return runtime ?? undefined;
  runtime = null;
  const library = nodeProcess()?.env.GPT_LINEAGE_ONNX_BINDING === 'package' ? undefined : openOnnxLibrary();
  if (library !== undefined) {
    binding = 'library';
    runtime = nativeRuntime(library);
    return runtime;
  }
  try {
    runtime = requireOptional<OnnxRuntime>('onnxruntime-node') ?? null;
    if (runtime === null) problem = 'the optional dependency onnxruntime-node is not installed';
  } catch (error) {
    problem = `onnxruntime-node could not be loaded: ${(error as Error).message}`;
  }
  return runtime ?? undefined;
}

export function onnxProblem(): string {
  loadOnnxRuntime();
  return problem;
}

export function needOnnxRuntime(): OnnxRuntime {
  const found = loadOnnxRuntime();
  if (found === undefined) throw new ExecutorError('onnx', `no ONNX executor: ${problem}`);
  return found;
}
