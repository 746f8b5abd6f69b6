import * as tf from '@tensorflow/tfjs-core';
import { type NodeBackend, NodeSession, nodeBackend } from '../executors/tensorflow/session.js';
import { engine } from './engine.js';
import { graphDtype } from './graph-backend.js';
import { isCapturing, trace } from './trace.js';

/** What {@link inOneCall} has to know about the function. */
export interface OneCallOptions {
  /** Says what the function does: everything it depends on besides the inputs' shapes, types and values. */
  readonly key: string;
  /** About how many numbers the function's operations make. */
  readonly work: number;
}

interface Entry {
  /** Numbers made so far, operation by operation. */
  spent: number;
  session?: NodeSession;
  /** There was a session, or an attempt at one, that failed. */
  failed: boolean;
}

/** Numbers made operation by operation before a graph is built: it costs about as much as they did. */
const patience = 1 << 23;
/** Functions and shapes remembered; the least recently used one goes. */
const remembered = 16;

const entries = new WeakMap<NodeBackend, Map<string, Entry>>();

/**
 * `fn(...inputs)` for ops that are called eagerly. On TensorFlow for Node, on the processor, a function that comes again
 * with the same shapes is traced, and from then on runs as one native graph on the tensors as they are, without a copy.
 * Elsewhere, until that pays, and when it cannot be a graph, `fn` simply runs; inside a captured function it becomes part
 * of that graph. Results agree up to rounding. A graph has no gradient: while one is recorded, `fn` runs too, except
 * inside `tf.customGrad`.
 *
 * @param fn pure function of its inputs, which returns one new tensor; other tensors it uses would be frozen
 */
export function inOneCall<T extends tf.Tensor>(
  fn: (...inputs: tf.Tensor[]) => T,
  inputs: readonly tf.Tensor[],
  { key, work }: OneCallOptions,
): T {
  const plainly = () => tf.tidy(() => fn(...inputs));
  const backend = isCapturing() || engine().isTapeOn() ? undefined : nodeBackend();
  if (backend === undefined) return plainly();
  const entry = entryOf(backend, `${key} ${inputs.map(({ dtype, shape }) => `${dtype}[${shape}]`)}`);
  if (entry.session === undefined && (entry.failed || entry.spent < patience)) {
    entry.spent += work;
    return plainly();
  }
  try {
    entry.session ??= build(backend, fn, inputs);
    return entry.session.run(inputs)[0] as T;
  } catch {
    // Whatever keeps it from being a graph, operation by operation it still runs, or says itself what is wrong.
    entry.failed = true;
    entry.session?.dispose();
    delete entry.session;
    return plainly();
  }
}

function build(
  backend: NodeBackend,
  fn: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
) {
  const feeds = inputs.map(({ dtype, shape }) => ({ shape, dtype: graphDtype(dtype, 'inOneCall') }));
  return new NodeSession(backend, trace((tensors) => fn(...tensors), feeds).program);
}

function entryOf(backend: NodeBackend, key: string): Entry {
  let known = entries.get(backend);
  if (known === undefined) {
    known = new Map();
    entries.set(backend, known);
  }
  const entry = known.get(key) ?? { spent: 0, failed: false };
  known.delete(key);
  known.set(key, entry);
  if (known.size > remembered) {
    const [oldest, { session }] = known.entries().next().value!;
    known.delete(oldest);
    session?.dispose();
  }
  return entry;
}
