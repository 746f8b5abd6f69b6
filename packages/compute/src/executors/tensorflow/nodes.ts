import type { HostArray } from '../../capture/graph.js';

/** Element types by TensorFlow's numbers. */
export const DT = {
  float32: 1,
  int32: 3,
  string: 7,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  resource: 20,
  uint64: 23,
} as const;

export type DtypeNumber = (typeof DT)[keyof typeof DT];

export interface TfTensor {
  readonly dtype: DtypeNumber;
  readonly shape: readonly number[];
  readonly data: HostArray | BigUint64Array | BigInt64Array;
}

export type TfAttr =
  | { readonly type: number }
  | { readonly types: readonly number[] }
  | { readonly func: string }
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly bool: boolean }
  | { readonly string: string }
  | { readonly shape: readonly number[] }
  | { readonly tensor: TfTensor };

/** One output of a TensorFlow node. */
export interface TfRef {
  readonly node: TfNode;
  readonly index: number;
}

/** A TensorFlow operation, before it becomes an operation of a native graph or an entry of a `GraphDef`. */
export interface TfNode {
  readonly name: string;
  readonly op: string;
  /** A nested array is an input that takes a list. */
  readonly inputs: readonly (TfRef | readonly TfRef[])[];
  readonly control: readonly TfNode[];
  readonly attrs: Readonly<Record<string, TfAttr>>;
}

/** Collects nodes in an order in which every node follows its inputs. */
export class TfGraphBuilder {
  readonly nodes: TfNode[] = [];
  private readonly consumers = new Map<TfNode, TfNode[]>();
  private readonly counts = new Map<string, number>();
  private readonly constants = new Map<string, TfRef>();
  private readonly prefix: string;

  /** @param prefix of every node's name, to keep several graphs apart in one file */
  constructor(prefix = '') {
    this.prefix = prefix;
  }

  add(
    op: string,
    inputs: readonly (TfRef | readonly TfRef[])[],
    attrs: Readonly<Record<string, TfAttr>> = {},
    control: readonly TfNode[] = [],
    name = op,
  ): TfNode {
    const count = this.counts.get(name) ?? 0;
    this.counts.set(name, count + 1);
    const node: TfNode = {
      name: `${this.prefix}${name}${count === 0 ? '' : `_${count}`}`,
      op,
      inputs,
      control,
      attrs,
    };
    this.nodes.push(node);
    for (const input of inputs.flat() as TfRef[]) {
      const known = this.consumers.get(input.node);
      if (known === undefined) this.consumers.set(input.node, [node]);
      else known.push(node);
    }
    return node;
  }

  /** Who reads a result of `node` so far. */
  consumersOf(node: TfNode): readonly TfNode[] {
    return this.consumers.get(node) ?? [];
  }

  op(
    op: string,
    inputs: readonly (TfRef | readonly TfRef[])[],
    attrs: Readonly<Record<string, TfAttr>> = {},
    control: readonly TfNode[] = [],
  ): TfRef {
    return { node: this.add(op, inputs, attrs, control), index: 0 };
  }

  constant(tensor: TfTensor): TfRef {
    const node = this.add('Const', [], { dtype: { type: tensor.dtype }, value: { tensor } });
    return { node, index: 0 };
  }

  /** A list of integers (axes, a shape) or one integer; equal ones share a node. */
  ints(values: readonly number[] | number): TfRef {
    const key = `i${JSON.stringify(values)}`;
    let ref = this.constants.get(key);
    if (ref === undefined) {
      const list = typeof values === 'number' ? [values] : values;
      const shape = typeof values === 'number' ? [] : [list.length];
      ref = this.constant({ dtype: DT.int32, shape, data: Int32Array.from(list) });
      this.constants.set(key, ref);
    }
    return ref;
  }

  number(value: number, dtype: 'float32' | 'int32' | 'bool' = 'float32'): TfRef {
    const key = `${dtype}${Object.is(value, -0) ? '-0' : value}`;
    let ref = this.constants.get(key);
    if (ref === undefined) {
      const data =
        dtype === 'float32'
          ? Float32Array.of(value)
          : dtype === 'int32'
            ? Int32Array.of(value)
            : Uint8Array.of(value);
      ref = this.constant({ dtype: DT[dtype], shape: [], data });
      this.constants.set(key, ref);
    }
    return ref;
  }
}
