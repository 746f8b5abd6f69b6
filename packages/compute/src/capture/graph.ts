import type { Variable } from '@tensorflow/tfjs-core';

/** The element types a captured graph carries; half precision appears only inside an executor. */
export type GraphDtype = 'float32' | 'int32' | 'bool';

/** Host memory of one tensor: `Uint8Array` holds booleans. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

export type Attr = number | string | boolean | readonly number[] | readonly (readonly number[])[] | undefined;

export interface Meta {
  readonly shape: readonly number[];
  readonly dtype: GraphDtype;
}

/** One output of one node. Values are compared by identity: the graph has no names of its own. */
export interface Value extends Meta {
  readonly node: GraphNode;
  /** Which output of `node`. */
  readonly index: number;
}

/**
 * One operation. Besides the mathematical ones (see `kernels/`), three ops are leaves: `Feed` (an argument of the
 * captured function), `Constant` (host memory) and `Variable` (the value a `tf.Variable` has when a run begins).
 */
export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly attrs: Readonly<Record<string, Attr>>;
  readonly outputs: readonly Value[];
  /** `Constant` only. Read lazily: the tensor behind it may live on a device. */
  readonly constant?: () => HostArray;
  /** `Variable` only. */
  readonly variable?: Variable;
  /** The same value as one larger operation, for executors that have it. */
  readonly fusion?: Fusion;
}

/** An operation that stands for several nodes. */
export interface Fusion {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly attrs: Readonly<Record<string, Attr>>;
  /** Values inside; when another node needs one of them (a gradient), nothing is gained. */
  readonly inner: readonly Value[];
}

/** What one trace produced: everything an executor needs to run, and everything an exporter needs to write. */
export interface Program {
  readonly feeds: readonly Value[];
  readonly fetches: readonly Value[];
  /** New values of variables, written after every read of the old ones. */
  readonly updates: readonly { readonly variable: Variable; readonly value: Value }[];
  /** Every variable the program reads or writes, in order of first use. */
  readonly variables: readonly Variable[];
  /** Nodes that matter for `fetches` and `updates`, each after its inputs. */
  readonly nodes: readonly GraphNode[];
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

export function makeNode(
  op: string,
  inputs: readonly Value[],
  attrs: Readonly<Record<string, Attr>>,
  outputs: readonly Meta[],
  leaf: Pick<GraphNode, 'constant' | 'variable' | 'fusion'> = {},
): GraphNode {
  const node: GraphNode = { op, inputs, attrs, outputs: [], ...leaf };
  (node as { outputs: readonly Value[] }).outputs = outputs.map((meta, index) => ({
    node,
    index,
    shape: [...meta.shape],
    dtype: meta.dtype,
  }));
  return node;
}

export function constantNode(values: HostArray, shape: readonly number[], dtype: GraphDtype): Value {
  return makeNode('Constant', [], {}, [{ shape, dtype }], { constant: () => values }).outputs[0]!;
}

export function hostArray(dtype: GraphDtype, size: number): HostArray {
  if (dtype === 'float32') return new Float32Array(size);
  if (dtype === 'int32') return new Int32Array(size);
  return new Uint8Array(size);
}

/** Copies any array of numbers or booleans to the host representation of `dtype`. */
export function toHostArray(dtype: GraphDtype, values: ArrayLike<number | boolean>): HostArray {
  if (dtype === 'float32' && values instanceof Float32Array) return values;
  if (dtype === 'int32' && values instanceof Int32Array) return values;
  if (dtype === 'bool' && values instanceof Uint8Array) return values;
  const out = hostArray(dtype, values.length);
  for (let i = 0; i < values.length; i++) out[i] = Number(values[i]);
  return out;
}

/** The nodes that `roots` depend on, inputs first. Iterative: a training step is thousands of nodes deep. */
export function orderNodes(roots: readonly Value[]): GraphNode[] {
  const order: GraphNode[] = [];
  const state = new Map<GraphNode, 'open' | 'done'>();
  for (const root of roots) {
    const stack = [root.node];
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      if (state.get(node) === 'done') {
        stack.pop();
      } else if (state.get(node) === 'open') {
        state.set(node, 'done');
        order.push(node);
        stack.pop();
      } else {
        state.set(node, 'open');
        for (let i = node.inputs.length - 1; i >= 0; i--) {
          const input = node.inputs[i]!.node;
          if (!state.has(input)) stack.push(input);
        }
      }
    }
  }
  return order;
}
