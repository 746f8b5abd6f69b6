import { ExecutorError } from '../../capture/errors.js';
import { requireOptional } from '../host.js';

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
  dispose?(): void;
}

export interface OnnxSession {
  run(
    feeds: Record<string, OnnxTensor>,
    fetches?: Record<string, OnnxTensor | null> | readonly string[],
    options?: Record<string, unknown>,
  ): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}

let runtime: OnnxRuntime | null | undefined;
let given = false;
let problem = '';

/** In a browser: hands over the application's `onnxruntime-web`. In Node the optional `onnxruntime-node` is found. */
export function useOnnxRuntime(module: OnnxRuntime): void {
  runtime = module;
  given = true;
}

/** `onnxruntime-node` writes results into memory that it is given; `onnxruntime-web` does not. */
export function fillsGivenMemory(): boolean {
  return !given;
}

export function loadOnnxRuntime(): OnnxRuntime | undefined {
  if (runtime !== undefined) return runtime ?? undefined;
  runtime = null;
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
