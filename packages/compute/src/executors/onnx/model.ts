import { type Bytes, bytes, concatBytes, float, packed, rawBytes, string, varint } from '../protobuf.js';

/** Element types by ONNX's numbers. */
export const OT = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
} as const;

export type OnnxType = keyof typeof OT;

export type OnnxAttr =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

export interface OnnxNode {
  op: string;
  readonly domain: string;
  inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, OnnxAttr>>;
}

export interface OnnxTensorInfo {
  readonly name: string;
  readonly type: OnnxType;
  /** A length that differs from run to run has a name. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxInitializer extends OnnxTensorInfo {
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
  /** A variable's value, in whatever storage: its contents do not depend on the sizes of inputs. */
  readonly weight: boolean;
  /** What `data` would be now; absent where it does not change, or is made from a variable in another way. */
  readonly read?: () => ArrayBufferView;
}

/** Operators outside the standard that ONNX Runtime brings along. */
export const microsoft = 'com.microsoft';

const opset = 21;
const irVersion = 10;

/** Collects an ONNX graph; names are made here, so nodes refer to results by what `op` returned. */
export class OnnxBuilder {
  readonly inputs: OnnxTensorInfo[] = [];
  readonly outputs: OnnxTensorInfo[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly nodes: OnnxNode[] = [];
  private readonly shareConstants: boolean;
  private readonly constants = new Map<string, string>();
  private readonly renamed = new Map<string, string>();
  private count = 0;

  /** @param shareConstants equal constants become one initializer. Default true. */
  constructor(shareConstants = true) {
    this.shareConstants = shareConstants;
  }

  name(prefix: string): string {
    this.count += 1;
    return `${prefix}_${this.count}`;
  }

  many(
    op: string,
    inputs: readonly string[],
    outputs: number,
    attrs: Record<string, OnnxAttr> = {},
    domain = '',
  ): string[] {
    const names = Array.from({ length: outputs }, () => this.name(op));
    this.nodes.push({ op, domain, inputs, outputs: names, attrs });
    return names;
  }

  op(op: string, inputs: readonly string[], attrs: Record<string, OnnxAttr> = {}, domain = ''): string {
    return this.many(op, inputs, 1, attrs, domain)[0]!;
  }

  /** Gives a result the name the outside knows. */
  output(info: OnnxTensorInfo, from: string): void {
    const produced = this.nodes.some((node) => node.outputs.includes(from));
    if (produced && !this.renamed.has(from)) {
      this.renamed.set(from, info.name);
    } else {
      // An input, a weight, or a result that already has an outside name.
      this.nodes.push({ op: 'Identity', domain: '', inputs: [from], outputs: [info.name], attrs: {} });
    }
    this.outputs.push(info);
  }

  initializer(data: ArrayBufferView, type: OnnxType, shape: readonly number[], weight = false): string {
    const name = this.name('w');
    this.initializers.push({ name, type, shape, data, weight });
    return name;
  }

  /** A variable as it is. */
  variable(read: () => ArrayBufferView, type: OnnxType, shape: readonly number[]): string {
    const name = this.name('w');
    this.initializers.push({ name, type, shape, data: read(), weight: true, read });
    return name;
  }

  ints(values: readonly number[]): string {
    return this.cached(`i${values}`, () =>
      this.initializer(BigInt64Array.from(values, BigInt), 'int64', [values.length]),
    );
  }

  scalar(value: number, type: 'float32' | 'int32' | 'bool' = 'float32'): string {
    const data =
      type === 'float32'
        ? Float32Array.of(value)
        : type === 'int32'
          ? Int32Array.of(value)
          : Uint8Array.of(value);
    return this.cached(`${type}${Object.is(value, -0) ? '-0' : value}`, () =>
      this.initializer(data, type, []),
    );
  }

  /** The node that made `name`. */
  producer(name: string): OnnxNode | undefined {
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      if (this.nodes[i]!.outputs.includes(name)) return this.nodes[i];
    }
    return undefined;
  }

  /** Drops nodes and initializers that no output depends on. */
  prune(): void {
    const original = new Map([...this.renamed].map(([from, to]) => [to, from]));
    const needed = new Set(this.outputs.map(({ name }) => original.get(name) ?? name));
    const kept: OnnxNode[] = [];
    for (const node of [...this.nodes].reverse()) {
      if (!node.outputs.some((name) => needed.has(name))) continue;
      kept.push(node);
      for (const name of node.inputs) needed.add(name);
    }
    this.nodes.splice(0, this.nodes.length, ...kept.reverse());
    const used = this.initializers.filter(({ name }) => needed.has(name));
    this.initializers.splice(0, this.initializers.length, ...used);
  }

  private cached(key: string, make: () => string): string {
    if (!this.shareConstants) return make();
    let name = this.constants.get(key);
    if (name === undefined) {
      name = make();
      this.constants.set(key, name);
    }
    return name;
  }

  /** Bytes of all weights and constants. */
  get weightBytes(): number {
    return this.initializers.reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  /**
   * The model file. Initializers of at least `externalBytes` bytes are left out of it and go to a second file, in the
   * order of `external`, each at a multiple of 4,096 bytes, so that the runtime can map them.
   */
  serialize(
    graphName: string,
    externalFile?: { readonly name: string; readonly minBytes: number },
  ): OnnxFiles {
    const external: { data: ArrayBufferView; offset: number }[] = [];
    let offset = 0;
    const initializer = (tensor: OnnxInitializer): Bytes => {
      const head = [
        ...tensor.shape.map((length) => varint(1, length)),
        varint(2, OT[tensor.type]),
        string(8, tensor.name),
      ];
      if (externalFile === undefined || tensor.data.byteLength < externalFile.minBytes) {
        return concatBytes([...head, bytes(9, rawBytes(tensor.data))]);
      }
      const entry = (key: string, value: string) => bytes(13, [string(1, key), string(2, value)]);
      head.push(
        entry('location', externalFile.name),
        entry('offset', `${offset}`),
        entry('length', `${tensor.data.byteLength}`),
        varint(14, 1),
      );
      external.push({ data: tensor.data, offset });
      offset = Math.ceil((offset + tensor.data.byteLength) / 4096) * 4096;
      return concatBytes(head);
    };
    const graph = [
      ...this.nodes.map((node, i) => bytes(1, nodeProto(node, i, this.renamed))),
      string(2, graphName),
      ...this.initializers.map((tensor) => bytes(5, initializer(tensor))),
      ...this.inputs.map((info) => bytes(11, valueInfo(info))),
      ...this.outputs.map((info) => bytes(12, valueInfo(info))),
    ];
    const domains = new Set(this.nodes.map((node) => node.domain).filter((domain) => domain !== ''));
    const model = concatBytes([
      varint(1, irVersion),
      string(2, '@gpt-lineage/compute'),
      bytes(7, graph),
      bytes(8, [string(1, ''), varint(2, opset)]),
      ...[...domains].map((domain) => bytes(8, [string(1, domain), varint(2, 1)])),
    ]);
    return { model, external };
  }
}

export interface OnnxFiles {
  readonly model: Bytes;
  /** Contents of the second file. */
  readonly external: readonly { readonly data: ArrayBufferView; readonly offset: number }[];
}

function attribute(name: string, attr: OnnxAttr): Bytes {
  if ('int' in attr) return concatBytes([string(1, name), varint(3, attr.int), varint(20, 2)]);
  if ('float' in attr) return concatBytes([string(1, name), float(2, attr.float), varint(20, 1)]);
  if ('string' in attr) return concatBytes([string(1, name), string(4, attr.string), varint(20, 3)]);
  return concatBytes([string(1, name), packed(8, attr.ints), varint(20, 7)]);
}

function nodeProto(node: OnnxNode, index: number, renamed: ReadonlyMap<string, string>): Bytes {
  const named = (name: string) => renamed.get(name) ?? name;
  return concatBytes([
    ...node.inputs.map((name) => string(1, named(name))),
    ...node.outputs.map((name) => string(2, named(name))),
    string(3, `${node.op}_${index}`),
    string(4, node.op),
    ...Object.entries(node.attrs).map(([name, attr]) => bytes(5, attribute(name, attr))),
    ...(node.domain === '' ? [] : [string(7, node.domain)]),
  ]);
}

function valueInfo(info: OnnxTensorInfo): Bytes {
  const shape = concatBytes(
    info.shape.map((length) => bytes(1, typeof length === 'string' ? string(2, length) : varint(1, length))),
  );
  const tensorType = concatBytes([varint(1, OT[info.type]), bytes(2, shape)]);
  return concatBytes([string(1, info.name), bytes(2, bytes(1, tensorType))]);
}
