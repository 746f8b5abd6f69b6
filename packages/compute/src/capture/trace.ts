import * as tf from '@tensorflow/tfjs-core';
import { registerFusedKernels } from '../ops/kernel.js';
import { currentOp, engine } from './engine.js';
import { CaptureError } from './errors.js';
import {
  type GraphNode,
  type HostArray,
  hostArray,
  type Meta,
  makeNode,
  orderNodes,
  type Program,
  sizeOf,
  toHostArray,
  type Value,
} from './graph.js';
import { type GraphBackend, graphBackend, graphBackendName } from './graph-backend.js';
import { mapTree } from './structure.js';

/** What a captured function returned: its shape, with indices into `program.fetches` where tensors were. */
export interface Trace {
  readonly program: Program;
  /** Where each of `program.fetches` stands in the return value: `loss`, `keys.0`. */
  readonly paths: readonly string[];
  /** Builds the function's return value from tensors in the order of `program.fetches`. */
  readonly rebuild: (tensors: readonly (tf.Tensor | undefined)[]) => unknown;
}

const isTensor = (value: unknown) => value instanceof tf.Tensor;

/** True inside a captured function, while it is being traced. */
export function isCapturing(): boolean {
  return tf.findBackend(graphBackendName) !== null && graphBackend().tracing;
}

/**
 * Runs `fn` once on symbols and records what it does. Nothing is computed, no variable changes, and every exit restores
 * the eager backend.
 *
 * @param feeds shapes of the tensors handed to `fn`
 * @throws {CaptureError} naming the operation that has no place in a graph
 */
export function trace(fn: (tensors: tf.Tensor[]) => unknown, feeds: readonly Meta[]): Trace {
  const backend = graphBackend();
  if (backend.tracing) throw new CaptureError('capture', 'a trace cannot start inside another trace');
  registerFusedKernels(graphBackendName);
  const eager = tf.getBackend();
  const session = new TraceSession(backend, eager);
  tf.setBackend(graphBackendName);
  session.begin();
  try {
    let out: { result: unknown; fetches: Value[]; paths: string[]; feedValues: Value[] } | undefined;
    tf.tidy(() => {
      const feedValues = feeds.map((meta, index) => makeNode('Feed', [], { index }, [meta]).outputs[0]!);
      const tensors = feedValues.map((value) =>
        engine().makeTensorFromTensorInfo(backend.symbol(value), backend),
      );
      const result = fn(tensors);
      if (result instanceof Promise) {
        result.catch(() => {});
        throw new CaptureError('capture', 'an async function cannot be captured; await before or after it');
      }
      const fetches: Value[] = [];
      const paths: string[] = [];
      const indexed = mapTree(result, isTensor, (tensor, path) => {
        fetches.push(backend.resolve(tensor as tf.Tensor));
        paths.push(path);
        return new Fetch(fetches.length - 1);
      });
      out = { result: indexed, fetches, paths, feedValues };
    });
    const { result, fetches, paths, feedValues } = out!;
    const program = buildProgram(feedValues, fetches, session.updates());
    return {
      program,
      paths,
      rebuild: (tensors) =>
        mapTree(
          result,
          (value) => value instanceof Fetch,
          (fetch) => tensors[(fetch as Fetch).index],
        ),
    };
  } finally {
    session.end();
    backend.reset();
    tf.setBackend(eager);
  }
}

class Fetch {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

function buildProgram(
  feeds: readonly Value[],
  fetches: readonly Value[],
  updates: Program['updates'],
): Program {
  const nodes: GraphNode[] = orderNodes([...fetches, ...updates.map((update) => update.value)]);
  const variables = new Set<tf.Variable>();
  for (const node of nodes) if (node.variable !== undefined) variables.add(node.variable);
  for (const update of updates) variables.add(update.variable);
  return { feeds, fetches, updates, variables: [...variables], nodes };
}

/** What a trace changes outside the graph, and how it is put back. */
class TraceSession {
  private readonly backend: GraphBackend;
  private readonly eager: string;
  private readonly assigned = new Map<tf.Variable, { dataId: object; value: Value }>();
  private readonly created = new Set<tf.Variable>();
  private restore: (() => void)[] = [];

  constructor(backend: GraphBackend, eager: string) {
    this.backend = backend;
    this.eager = eager;
  }

  begin(): void {
    const { backend, assigned, created } = this;
    backend.tracing = true;

    const random = Math.random;
    Math.random = () => {
      const op = currentOp('Math.random');
      throw new CaptureError(
        op,
        `${op} draws random numbers on the host inside a captured function, which a graph would freeze; ` +
          'use statelessUniform or dropout with a seed that is an argument',
      );
    };

    const prototype = tf.Variable.prototype;
    const { assign, dispose } = prototype;
    prototype.assign = function (this: tf.Variable, newValue: tf.Tensor) {
      if (newValue.dtype !== this.dtype || !tf.util.arraysEqual(newValue.shape, this.shape)) {
        throw new CaptureError(
          'assign',
          `variable ${this.name} is ${this.dtype} [${this.shape}] and cannot take ${newValue.dtype} [${newValue.shape}]`,
        );
      }
      const value = backend.resolve(newValue);
      const original = assigned.get(this)?.dataId ?? (this.dataId as object);
      assigned.set(this, { dataId: original, value });
      (this as { dataId: object }).dataId = backend.symbol(value).dataId as object;
    };
    prototype.dispose = function (this: tf.Variable) {
      if (!backend.tracing || created.has(this)) return dispose.call(this);
      throw new CaptureError('dispose', `variable ${this.name} was disposed inside a captured function`);
    };

    const owner = engine();
    const makeVariable = owner.makeVariable;
    owner.makeVariable = (initial, trainable, name, dtype) => {
      const variable = this.eagerly(() => {
        const values = initialValue(backend.resolve(initial));
        const tensor = tf.tensor(values, initial.shape as number[], initial.dtype as 'float32');
        return makeVariable.call(owner, tensor, trainable, name, dtype);
      });
      created.add(variable);
      return variable;
    };
    this.restore = [
      () => {
        Math.random = random;
        prototype.assign = assign;
        prototype.dispose = dispose;
        // An own property was set over the class's method.
        delete (owner as Partial<typeof owner>).makeVariable;
      },
    ];
  }

  /** Runs `fn` on the backend that was active before the trace. */
  private eagerly<T>(fn: () => T): T {
    this.backend.tracing = false;
    tf.setBackend(this.eager);
    try {
      return fn();
    } finally {
      tf.setBackend(graphBackendName);
      this.backend.tracing = true;
    }
  }

  updates(): Program['updates'] {
    const updates = [];
    for (const [variable, { value }] of this.assigned) {
      if (value.node.variable !== variable) updates.push({ variable, value });
    }
    return updates;
  }

  end(): void {
    for (const [variable, { dataId }] of this.assigned) (variable as { dataId: object }).dataId = dataId;
    for (const undo of this.restore) undo();
    this.backend.tracing = false;
  }
}

/** A variable made inside a captured function (an optimiser's moments) starts from a value known now. */
function initialValue(value: Value): HostArray {
  const { node } = value;
  if (node.constant !== undefined) return node.constant();
  if (node.op === 'Fill') {
    return hostArray(value.dtype, sizeOf(value.shape)).fill(Number(node.attrs.value));
  }
  if (node.variable !== undefined) {
    return toHostArray(value.dtype, node.variable.dataSync() as ArrayLike<number>).slice();
  }
  throw new CaptureError(
    node.op,
    `a variable made inside a captured function starts from the result of ${node.op}; create it before, or ` +
      'start it from a constant',
  );
}
