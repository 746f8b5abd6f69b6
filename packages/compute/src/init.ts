import * as tf from '@tensorflow/tfjs-core';
import { platform } from '#platform';
import { type BackendName, backendNames, parseBackendName } from './backends/names.js';
import { BackendUnavailableError, InvalidArgumentError } from './errors.js';

export interface InitOptions {
  /** Tried first, in this order; the others follow. Default: tensorflow, webgpu, wasm, cpu. */
  readonly prefer?: BackendName | readonly BackendName[];
  /** Throw {@link BackendUnavailableError} instead of going on to backends that `prefer` does not name. */
  readonly strict?: boolean;
  /** CPU threads. Default: all. Counts only before a backend is loaded for the first time. */
  readonly threads?: number;
  /** Let TensorFlow print its start-up log. Default: whether `GPT_LINEAGE_VERBOSE` is set. */
  readonly verbose?: boolean;
  /** Browsers: folder that serves tfjs-backend-wasm's `.wasm` files, with a trailing slash. */
  readonly wasmPath?: string;
}

export interface ComputeInfo {
  readonly backend: BackendName;
  readonly device: 'cpu' | 'gpu';
  /** Package, and where its native part came from. */
  readonly library: string;
  /** Version of that library; for `tensorflow` the one of libtensorflow itself. */
  readonly version: string;
  /** One sentence: what was tried before, and why it was skipped. */
  readonly why: string;
  readonly threads?: number;
}

interface State {
  info: ComputeInfo | undefined;
  pending: Promise<unknown>;
  failures: Map<BackendName, string>;
}

// Shared by the ESM and the CJS copy of this module in one process.
const key = Symbol.for('gpt-lineage.compute');
const shared = globalThis as { [key]?: State };

function state(): State {
  shared[key] ??= { info: undefined, pending: Promise.resolve(), failures: new Map() };
  return shared[key];
}

/**
 * Picks the fastest TensorFlow.js backend that works here, activates it, and says which one it is and why. A
 * backend that is missing or broken is skipped, never fatal: `cpu` always works. The environment variable
 * `GPT_LINEAGE_BACKEND` goes before `prefer`. Calling again is cheap and can switch the backend; tensors made
 * before a switch move along when they are next used.
 *
 * @throws {InvalidArgumentError} for an unknown backend name or thread count
 * @throws {BackendUnavailableError} with `strict`, when no preferred backend works
 */
export async function initCompute(options: InitOptions = {}): Promise<ComputeInfo> {
  const plan = planOf(options);
  const current = state();
  // One initialisation at a time: tfjs has one global backend.
  const run = current.pending.then(() => select(plan, options, current));
  current.pending = run.catch(() => undefined);
  return run;
}

/** What the last {@link initCompute} chose, or `undefined` before the first. */
export function computeInfo(): ComputeInfo | undefined {
  return state().info;
}

interface Plan {
  readonly order: readonly BackendName[];
  readonly asked: string | undefined;
}

function planOf(options: InitOptions): Plan {
  const { threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new InvalidArgumentError('threads', 'a positive integer', threads);
  }
  const fromEnv = platform.env('GPT_LINEAGE_BACKEND');
  const asked = [options.prefer ?? []].flat().map((name) => parseBackendName(name, 'prefer'));
  const named = fromEnv ? [parseBackendName(fromEnv, 'GPT_LINEAGE_BACKEND')] : asked;
  const preferred = [...new Set(named)];
  const rest =
    options.strict && preferred.length > 0 ? [] : backendNames.filter((n) => !preferred.includes(n));
  const source = fromEnv ? 'GPT_LINEAGE_BACKEND' : preferred.length > 0 ? 'prefer' : undefined;
  return { order: [...preferred, ...rest], asked: source };
}

async function select(plan: Plan, options: InitOptions, current: State): Promise<ComputeInfo> {
  // A library that only needs some backend leaves alone what the application chose before.
  if (plan.asked === undefined && current.info !== undefined && tf.getBackend() === current.info.backend) {
    return current.info;
  }
  const skipped: string[] = [];
  for (const backend of plan.order) {
    const known = current.failures.get(backend);
    if (known !== undefined) {
      skipped.push(`${backend} (${known})`);
      continue;
    }
    try {
      const loaded = await platform.loaders[backend]({
        verbose: options.verbose ?? Boolean(platform.env('GPT_LINEAGE_VERBOSE')),
        ...(options.threads === undefined ? {} : { threads: options.threads }),
        ...(options.wasmPath === undefined ? {} : { wasmPath: options.wasmPath }),
      });
      current.info = { backend, ...loaded, why: explain(backend, plan, skipped) };
      return current.info;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String((error as Error)?.message ?? error);
      current.failures.set(backend, reason);
      skipped.push(`${backend} (${reason})`);
    }
  }
  throw new BackendUnavailableError(plan.order.join(' or '), skipped.join('; '));
}

function explain(backend: BackendName, plan: Plan, skipped: string[]): string {
  const chosen =
    backend === plan.order[0] && plan.asked !== undefined
      ? `${backend} was asked for by ${plan.asked}`
      : `${backend} is the fastest backend that works here`;
  return skipped.length === 0 ? `${chosen}.` : `${chosen}; skipped: ${skipped.join('; ')}.`;
}
