import { type GraphNode, type HostArray, type Program, sizeOf, type Value } from '../../capture/graph.js';

/** Zeros after each row: one cache line. */
const extra = 16;

/** Below this many rows a product is bound by its weights, not by the cache. */
const fewestRows = 32;

/**
 * Rows that lie a multiple of 4,096 bytes apart share few sets of the first cache, and a product that reads them runs a
 * tenth slower (ONNX Runtime multiplies straight from the rows that it is given). The hidden layer of a feed-forward
 * block, 4·768 or 4·1024 wide, is such a matrix. It gets columns of zeros: the first weight and its bias get outputs that
 * are zero, and the second weight gets rows of zeros, which leave the sums as they are.
 */
export class Widening {
  /** Values whose last axis is wider than the program says. */
  private readonly wide = new Set<Value>();
  /** By weight or bias of such a product: the axes that get zeros. */
  private readonly axes = new Map<GraphNode, { of: Value; axis: number }[]>();

  constructor(program: Program, uses: ReadonlyMap<Value, number>, isFrozen: (value: Value) => boolean) {
    const frozen = (value: Value, rank: number) => value.shape.length === rank && isFrozen(value);
    const isProduct = (node: GraphNode) =>
      node.op === 'MatMul' &&
      node.attrs.transposeA !== true &&
      node.inputs[0]!.shape.length === 2 &&
      frozen(node.inputs[1]!, 2);
    const users = new Map<Value, GraphNode[]>();
    for (const node of program.nodes)
      for (const input of node.inputs) users.set(input, [...(users.get(input) ?? []), node]);
    const results = new Set([...program.fetches, ...program.updates.map(({ value }) => value)]);

    /** From the input of the second product back to the first product; undefined where the way is another one. */
    const chain = (last: Value): Value[] | undefined => {
      const way = [last];
      for (;;) {
        const value = way.at(-1)!;
        const { node } = value;
        if (isProduct(node)) return way;
        const { fusion } = node;
        let from: Value | undefined;
        if (fusion?.op === 'Gelu' && fusion.inner.every((inner) => uses.get(inner) === 1)) {
          from = fusion.inputs[0]!;
          const inside = nodesBetween(from, node);
          if (!users.get(from)!.every((user) => inside.has(user)) || results.has(from)) return;
        } else if (node.op === 'Reshape' || node.op === 'Relu') from = node.inputs[0]!;
        else if (node.op === 'Add' && frozen(node.inputs[1]!, 1)) from = node.inputs[0]!;
        if (from === undefined || from.shape.at(-1) !== last.shape[1]) return;
        if (fusion === undefined && uses.get(from) !== 1) return;
        way.push(from);
      }
    };

    for (const node of program.nodes) {
      if (!isProduct(node)) continue;
      const [x, weight] = node.inputs as [Value, Value];
      const [rows, depth] = x.shape as [number, number];
      if (rows < fewestRows || depth % 1024 !== 0 || uses.get(x) !== 1) continue;
      const way = chain(x);
      if (way === undefined) continue;
      for (const value of way) {
        this.wide.add(value);
        if (value.node.op === 'Add') this.widen(value.node, value.node.inputs[1]!, 0);
      }
      const first = way.at(-1)!.node;
      this.widen(first, first.inputs[1]!, first.attrs.transposeB === true ? 0 : 1);
      this.widen(node, weight, node.attrs.transposeB === true ? 1 : 0);
    }
  }

  private widen(node: GraphNode, of: Value, axis: number): void {
    this.axes.set(node, [...(this.axes.get(node) ?? []), { of, axis }]);
  }

  /** The shape that a value has in the model. */
  shapeOf(value: Value): readonly number[] {
    const { shape } = value;
    return this.wide.has(value) ? [...shape.slice(0, -1), shape.at(-1)! + extra] : shape;
  }

  /** The axes of `value` that get zeros where `node` reads it. */
  axesOf(node: GraphNode, value: Value): readonly number[] {
    return (this.axes.get(node) ?? []).filter(({ of }) => of === value).map(({ axis }) => axis);
  }
}

/** The nodes on the way from a value to a node, the latter included. */
function nodesBetween(from: Value, to: GraphNode): Set<GraphNode> {
  const nodes = new Set([to]);
  for (const node of nodes)
    for (const input of node.inputs)
      if (input !== from && input.node.inputs.length > 0) nodes.add(input.node);
  return nodes;
}

/** The shape with `extra` more along `axes`. */
export function widerShape(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((length, axis) => (axes.includes(axis) ? length + extra : length));
}

/** `values` of `shape` with zeros behind, along `axes`. */
export function withZeros(values: HostArray, shape: readonly number[], axes: readonly number[]): HostArray {
  if (values.length === 0) return values; // only the structure is wanted
  const [rows, columns] = shape.length === 1 ? [1, shape[0]!] : (shape as [number, number]);
  const wider = widerShape(shape, axes);
  const width = wider.at(-1)!;
  const out = new Float32Array(sizeOf(wider));
  for (let row = 0; row < rows; row++)
    out.set(values.subarray(row * columns, (row + 1) * columns), row * width);
  return out;
}
