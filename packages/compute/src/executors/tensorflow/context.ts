import { type HostArray, hostArray, type Meta, sizeOf } from '../../capture/graph.js';
import type { VariableStore } from '../../capture/variables.js';
import { nodeProcess } from '../host.js';
import type { Pointer } from '../koffi.js';
import { concatBytes, varint } from '../protobuf.js';
import { loadTensorFlow, type NativeOutput, quietly, type TensorFlowLibrary } from './library.js';
import { DT, type TfAttr, TfGraphBuilder, type TfNode, type TfRef, type TfTensor } from './nodes.js';

/** ConfigProto: intra_op_parallelism_threads = 2, inter_op_parallelism_threads = 5. */
export function configProto(threads: number): Uint8Array {
  return threads > 0 ? concatBytes([varint(2, threads), varint(5, threads)]) : new Uint8Array(0);
}

export interface NativeFunctionSpec {
  readonly nodes: readonly TfNode[];
  readonly inputs: readonly TfNode[];
  readonly outputs: readonly TfRef[];
  readonly targets: readonly TfNode[];
}

let functionCount = 0;

/**
 * One TensorFlow runtime (TFE context): its threads, the functions it was given and the variables they share. Functions
 * run through grappler like a Python `tf.function`.
 */
export class TensorFlowContext implements VariableStore {
  readonly library: TensorFlowLibrary;
  private readonly context: Pointer;
  private readonly assigned = new Set<number>();
  private readonly prefix: string;
  private readonly regions = new Map<string, string>();
  private probed: boolean | undefined;

  constructor(library: TensorFlowLibrary, options: { threads?: number; config?: Uint8Array } = {}) {
    this.library = library;
    const { c } = library;
    const config = options.config ?? configProto(options.threads ?? 0);
    const settings = c.TFE_NewContextOptions();
    library.checked('configure', (status) =>
      c.TFE_ContextOptionsSetConfig(settings, config, config.length, status),
    );
    this.context = library.checked('start', (status) => c.TFE_NewContext(settings, status));
    c.TFE_DeleteContextOptions(settings);
    functionCount += 1;
    this.prefix = `gl${functionCount}`;
  }

  /** Joins a cluster; every function added later may use collective operations. */
  enableCollectives(serverDef: Uint8Array): void {
    const { c } = this.library;
    this.library.checked('join the cluster', (status) =>
      c.TFE_EnableCollectiveOps(this.context, serverDef, serverDef.length, status),
    );
  }

  variableName(key: number): string {
    return `${this.prefix}/v${key}`;
  }

  // --- tensors

  nativeTensor(tensor: TfTensor): Pointer {
    const { c } = this.library;
    const bytes = tensor.data.byteLength;
    const { shape } = tensor;
    const native = c.TF_AllocateTensor(tensor.dtype, shape.length > 0 ? shape : [0], shape.length, bytes);
    if (bytes > 0) this.library.copy(c.TF_TensorData(native), tensor.data, bytes);
    return native;
  }

  /** A handle on a copy of `values`; the caller deletes it. */
  handle(values: HostArray, meta: Meta): Pointer {
    const { c } = this.library;
    const tensor = this.nativeTensor({ dtype: DT[meta.dtype], shape: meta.shape, data: values });
    const handle = this.library.checked('take a tensor', (status) => c.TFE_NewTensorHandle(tensor, status));
    c.TF_DeleteTensor(tensor);
    return handle;
  }

  /** Copies a result to host memory, `out` if given, and deletes the handle. */
  take(handle: Pointer, meta: Meta, out = hostArray(meta.dtype, sizeOf(meta.shape))): HostArray {
    const { c } = this.library;
    try {
      const tensor = this.library.checked('read a tensor', (status) =>
        c.TFE_TensorHandleResolve(handle, status),
      );
      if (out.byteLength > 0) this.library.copy(out, c.TF_TensorData(tensor), out.byteLength);
      c.TF_DeleteTensor(tensor);
      return out;
    } finally {
      c.TFE_DeleteTensorHandle(handle);
    }
  }

  // --- variables

  private eager(
    op: string,
    inputs: readonly Pointer[],
    attrs: (op: Pointer) => void,
    outputs: number,
  ): Pointer[] {
    const { c } = this.library;
    const native = this.library.checked(`prepare ${op}`, (status) => c.TFE_NewOp(this.context, op, status));
    try {
      attrs(native);
      for (const input of inputs) {
        this.library.checked(op, (status) => c.TFE_OpAddInput(native, input, status));
      }
      const out: Pointer[] = new Array(outputs).fill(null);
      this.library.checked(`run ${op}`, (status) => c.TFE_Execute(native, out, [outputs], status));
      return out;
    } finally {
      c.TFE_DeleteOp(native);
    }
  }

  private resource(key: number, meta: Meta): Pointer {
    const { c } = this.library;
    const name = this.variableName(key);
    const [handle] = this.eager(
      'VarHandleOp',
      [],
      (op) => {
        c.TFE_OpSetAttrType(op, 'dtype', DT[meta.dtype]);
        this.library.checked('VarHandleOp', (status) =>
          c.TFE_OpSetAttrShape(op, 'shape', [...meta.shape, 0], meta.shape.length, status),
        );
        c.TFE_OpSetAttrString(op, 'shared_name', name, name.length);
        c.TFE_OpSetAttrString(op, 'container', '', 0);
      },
      1,
    );
    return handle;
  }

  write(key: number, values: HostArray, meta: Meta): void {
    const { c } = this.library;
    const resource = this.resource(key, meta);
    const value = this.handle(values, meta);
    try {
      this.eager(
        'AssignVariableOp',
        [resource, value],
        (op) => c.TFE_OpSetAttrType(op, 'dtype', DT[meta.dtype]),
        0,
      );
      this.assigned.add(key);
    } finally {
      c.TFE_DeleteTensorHandle(value);
      c.TFE_DeleteTensorHandle(resource);
    }
  }

  read(key: number, meta: Meta): HostArray {
    const values = hostArray(meta.dtype, sizeOf(meta.shape));
    this.readInto(key, meta, values);
    return values;
  }

  readInto(key: number, meta: Meta, target: HostArray): void {
    const { c } = this.library;
    const resource = this.resource(key, meta);
    try {
      const [value] = this.eager(
        'ReadVariableOp',
        [resource],
        (op) => c.TFE_OpSetAttrType(op, 'dtype', DT[meta.dtype]),
        1,
      );
      this.take(value, meta, target);
    } finally {
      c.TFE_DeleteTensorHandle(resource);
    }
  }

  /** A copy of a float32 variable in bfloat16; the caller deletes it. */
  half(key: number, meta: Meta): Pointer {
    const { c } = this.library;
    const resource = this.resource(key, meta);
    const dtype = (op: Pointer) => c.TFE_OpSetAttrType(op, 'dtype', DT.float32);
    const [value] = this.eager('ReadVariableOp', [resource], dtype, 1);
    try {
      const cast = (op: Pointer) => {
        c.TFE_OpSetAttrType(op, 'SrcT', DT.float32);
        c.TFE_OpSetAttrType(op, 'DstT', DT.bfloat16);
        c.TFE_OpSetAttrBool(op, 'Truncate', 0);
      };
      return this.eager('Cast', [value], cast, 1)[0];
    } finally {
      c.TFE_DeleteTensorHandle(value);
      c.TFE_DeleteTensorHandle(resource);
    }
  }

  free(key: number): void {
    if (!this.assigned.delete(key)) return;
    const { c } = this.library;
    const resource = this.resource(key, { shape: [], dtype: 'float32' });
    this.eager('DestroyResourceOp', [resource], (op) => c.TFE_OpSetAttrBool(op, 'ignore_lookup_error', 1), 0);
    c.TFE_DeleteTensorHandle(resource);
  }

  // --- functions

  addFunction(spec: NativeFunctionSpec, compiled = false): string {
    const { library } = this;
    const { c } = library;
    const graph = c.TF_NewGraph();
    functionCount += 1;
    const name = `captured_${functionCount}`;
    try {
      const operations = new Map<TfNode, Pointer>();
      for (const node of spec.nodes) operations.set(node, this.addOperation(graph, node, operations));
      const output = ({ node, index }: TfRef): NativeOutput => ({ oper: operations.get(node)!, index });
      const targets = spec.targets.map((node) => operations.get(node)!);
      const native = library.checked('build a function', (status) =>
        c.TF_GraphToFunctionWithControlOutputs(
          graph,
          name,
          0,
          -1,
          null,
          spec.inputs.length,
          spec.inputs.map((node) => output({ node, index: 0 })),
          spec.outputs.length,
          spec.outputs.map(output),
          spec.outputs.map((_, i) => `out_${i}`),
          targets.length,
          targets,
          targets.map((_, i) => `update_${i}`),
          null,
          null,
          status,
        ),
      );
      if (compiled) {
        const yes = varint(5, 1); // AttrValue { b: true }
        library.checked('mark a function', (status) =>
          c.TF_FunctionSetAttrValueProto(native, '_XlaMustCompile', yes, yes.length, status),
        );
      }
      library.checked('add a function', (status) => c.TFE_ContextAddFunction(this.context, native, status));
      c.TF_DeleteFunction(native);
    } finally {
      c.TF_DeleteGraph(graph);
    }
    return name;
  }

  /** Whether elementwise regions can be compiled: on the processor, by a libtensorflow that has XLA. */
  get compilesRegions(): boolean {
    this.probed ??= this.onProcessor() && this.compilesOne();
    return this.probed;
  }

  private onProcessor(): boolean {
    const { c } = this.library;
    const list = this.library.checked('list devices', (status) =>
      c.TFE_ContextListDevices(this.context, status),
    );
    const count = c.TF_DeviceListCount(list) as number;
    const types = Array.from({ length: count }, (_, i) =>
      this.library.checked('name a device', (status) => c.TF_DeviceListType(list, i, status)),
    );
    c.TF_DeleteDeviceList(list);
    return types.every((type) => type === 'CPU' || String(type).startsWith('XLA'));
  }

  /** Compiles and runs a function of one operation. */
  private compilesOne(): boolean {
    if (nodeProcess()?.env.GPT_LINEAGE_XLA === 'off') return false;
    const { c } = this.library;
    const float = { type: DT.float32 };
    try {
      return quietly(() => {
        const inner = new TfGraphBuilder();
        const x = inner.add('Placeholder', [], { dtype: float, shape: { shape: [2] } });
        const square = inner.op('Square', [{ node: x, index: 0 }], { T: float });
        const region = this.addRegion('probe', () => ({
          nodes: inner.nodes,
          inputs: [x],
          outputs: [square],
          targets: [],
        }));
        const outer = new TfGraphBuilder();
        const y = outer.add('Placeholder', [], { dtype: float, shape: { shape: [2] } });
        const attrs = { Tin: { types: [1] }, Tout: { types: [1] }, f: { func: region } };
        const call = outer.op('PartitionedCall', [[{ node: y, index: 0 }]], {
          ...attrs,
          _XlaMustCompile: { bool: true },
        });
        const name = this.addFunction({ nodes: outer.nodes, inputs: [y], outputs: [call], targets: [] });
        const meta: Meta = { shape: [2], dtype: 'float32' };
        const given = this.handle(Float32Array.of(2, 3), meta);
        const [out] = this.run(name, [given], 1);
        c.TFE_DeleteTensorHandle(given);
        const values = this.take(out, meta);
        this.removeFunction(name);
        return values[0] === 4 && values[1] === 9;
      });
    } catch {
      return false;
    }
  }

  /** A function that XLA compiles; equal keys share one, as long as the context lives. */
  addRegion(key: string, spec: () => NativeFunctionSpec): string {
    let name = this.regions.get(key);
    if (name === undefined) {
      name = this.addFunction(spec(), true);
      this.regions.set(key, name);
    }
    return name;
  }

  removeFunction(name: string): void {
    const { c } = this.library;
    this.library.checked('remove a function', (status) =>
      c.TFE_ContextRemoveFunction(this.context, name, status),
    );
  }

  private addOperation(graph: Pointer, node: TfNode, operations: Map<TfNode, Pointer>): Pointer {
    const { c } = this.library;
    const output = ({ node: source, index }: TfRef): NativeOutput => ({
      oper: operations.get(source)!,
      index,
    });
    const description = c.TF_NewOperation(graph, node.op, node.name);
    for (const input of node.inputs) {
      if (Array.isArray(input)) c.TF_AddInputList(description, input.map(output), input.length);
      else c.TF_AddInput(description, output(input as TfRef));
    }
    for (const control of node.control) c.TF_AddControlInput(description, operations.get(control)!);
    for (const [key, attr] of Object.entries(node.attrs)) this.setAttr(description, key, attr);
    return this.library.checked(`build ${node.op}`, (status) => c.TF_FinishOperation(description, status));
  }

  private setAttr(description: Pointer, key: string, attr: TfAttr): void {
    const { c } = this.library;
    if ('type' in attr) c.TF_SetAttrType(description, key, attr.type);
    else if ('types' in attr) c.TF_SetAttrTypeList(description, key, [...attr.types], attr.types.length);
    else if ('func' in attr) c.TF_SetAttrFuncName(description, key, attr.func, attr.func.length);
    else if ('int' in attr) c.TF_SetAttrInt(description, key, attr.int);
    else if ('ints' in attr) c.TF_SetAttrIntList(description, key, [...attr.ints], attr.ints.length);
    else if ('float' in attr) c.TF_SetAttrFloat(description, key, attr.float);
    else if ('bool' in attr) c.TF_SetAttrBool(description, key, attr.bool ? 1 : 0);
    else if ('string' in attr) c.TF_SetAttrString(description, key, attr.string, attr.string.length);
    else if ('shape' in attr) c.TF_SetAttrShape(description, key, [...attr.shape, 0], attr.shape.length);
    else {
      const tensor = this.nativeTensor(attr.tensor);
      this.library.checked(`set ${key}`, (status) => c.TF_SetAttrTensor(description, key, tensor, status));
      c.TF_DeleteTensor(tensor);
    }
  }

  private call(name: string, inputs: readonly Pointer[]): Pointer {
    const { c } = this.library;
    const op = this.library.checked('call a function', (status) => c.TFE_NewOp(this.context, name, status));
    for (const input of inputs) {
      this.library.checked('pass an argument', (status) => c.TFE_OpAddInput(op, input, status));
    }
    return op;
  }

  /** Runs a function on this thread. */
  run(name: string, inputs: readonly Pointer[], outputs: number): Pointer[] {
    const { c } = this.library;
    const op = this.call(name, inputs);
    try {
      const out: Pointer[] = new Array(outputs).fill(null);
      this.library.checked('run a captured function', (status) => c.TFE_Execute(op, out, [outputs], status));
      return out;
    } finally {
      c.TFE_DeleteOp(op);
    }
  }

  /** Runs a function on a thread of its own pool, so that JavaScript goes on. */
  async runAsync(name: string, inputs: readonly Pointer[], outputs: number): Promise<Pointer[]> {
    const { c } = this.library;
    const op = this.call(name, inputs);
    const status = c.TF_NewStatus();
    try {
      const out: Pointer[] = new Array(outputs).fill(null);
      await new Promise<void>((resolve, reject) => {
        c.TFE_Execute.async(op, out, [outputs], status, (error: Error | null) =>
          error === null ? resolve() : reject(error),
        );
      });
      this.library.check('run a captured function', status);
      return out;
    } finally {
      c.TF_DeleteStatus(status);
      c.TFE_DeleteOp(op);
    }
  }
}

const contexts = new Map<number, TensorFlowContext>();

/** The process's runtime for a thread count; captured functions with the same count share variables natively. */
export function tensorFlowContext(threads: number): TensorFlowContext | undefined {
  const library = loadTensorFlow();
  if (library === undefined) return undefined;
  let context = contexts.get(threads);
  if (context === undefined) {
    context = quietly(() => new TensorFlowContext(library, { threads }));
    contexts.set(threads, context);
  }
  return context;
}
