import * as tf from '@tensorflow/tfjs-core';

/**
 * TensorFlow's fused optimiser kernels update resource variables, while a `tf.Variable` is a plain tensor. This
 * lends the memory of such tensors to resource variables for the length of one update and takes it back: no copy,
 * the tensors keep their identity, and nothing changes for whoever holds the `tf.Variable`.
 */
export interface InPlace {
  /** Runs a resource update op on the memory of `tensors`; the other inputs follow the resource handles. */
  update(op: string, tensors: readonly tf.Tensor[], inputs: readonly tf.Tensor[], attrs?: BoolAttrs): void;
  /** `tensor *= factor`. */
  scale(tensor: tf.Tensor, factor: tf.Tensor): void;
}

type BoolAttrs = Readonly<Record<string, boolean>>;

interface Entry {
  id: number;
  values: unknown;
}

/** tfjs-node's backend; `tensorMap` and `getInputTensorIds` are private there but pinned by the exact version. */
interface NodeBackend {
  readonly binding: {
    executeOp(op: string, attrs: object[], inputs: number[], outputs: number): { id: number }[];
    deleteTensor(id: number): void;
    readonly TF_ATTR_TYPE: number;
    readonly TF_ATTR_SHAPE: number;
    readonly TF_ATTR_STRING: number;
    readonly TF_ATTR_BOOL: number;
    readonly TF_FLOAT: number;
  };
  readonly tensorMap: { get(dataId: object): Entry };
  refCount(dataId: object): number;
  getInputTensorIds(tensors: readonly tf.Tensor[]): number[];
}

/** Undefined when another backend is active (a graph trace included), or when a tensor shares its data. */
export function inPlace(tensors: readonly tf.Tensor[]): InPlace | undefined {
  if (tf.getBackend() !== 'tensorflow') return undefined;
  const backend = tf.backend() as unknown as NodeBackend;
  if (typeof backend.getInputTensorIds !== 'function' || backend.tensorMap === undefined) return undefined;
  // Touching the map first moves data that another backend holds.
  for (const t of tensors) backend.tensorMap.get(t.dataId as object);
  if (tensors.some((t) => backend.refCount(t.dataId as object) !== 1)) return undefined;
  return new Lender(backend);
}

const handles = new Map<string, number>();

class Lender implements InPlace {
  private readonly backend: NodeBackend;

  constructor(backend: NodeBackend) {
    this.backend = backend;
  }

  update(
    op: string,
    tensors: readonly tf.Tensor[],
    inputs: readonly tf.Tensor[],
    attrs: BoolAttrs = {},
  ): void {
    const { binding } = this.backend;
    const lent = tensors.map((t, slot) => this.lend(t, slot));
    try {
      const encoded = Object.entries(attrs).map(([name, value]) => ({
        name,
        type: binding.TF_ATTR_BOOL,
        value,
      }));
      binding.executeOp(op, encoded, [...lent, ...this.backend.getInputTensorIds(inputs)], 0);
    } finally {
      for (const [slot, t] of tensors.entries()) this.takeBack(t, lent[slot]!);
    }
  }

  scale(tensor: tf.Tensor, factor: tf.Tensor): void {
    const { binding } = this.backend;
    const ids = this.backend.getInputTensorIds([tensor, factor]);
    const [product] = binding.executeOp('Mul', [], ids, 1);
    binding.deleteTensor(ids[0]!);
    this.entry(tensor).id = product!.id;
  }

  private entry(tensor: tf.Tensor): Entry {
    return this.backend.tensorMap.get(tensor.dataId as object);
  }

  private lend(tensor: tf.Tensor, slot: number): number {
    const { binding } = this.backend;
    const handle = this.handle(tensor.shape, slot);
    const [id] = this.backend.getInputTensorIds([tensor]);
    binding.executeOp('AssignVariableOp', [], [handle, id!], 0);
    // The resource is now the only owner of the memory, so the update op need not copy it.
    binding.deleteTensor(id!);
    return handle;
  }

  private takeBack(tensor: tf.Tensor, handle: number): void {
    const { binding } = this.backend;
    const dtype = { name: 'dtype', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
    const [value] = binding.executeOp('ReadVariableOp', [dtype], [handle], 1);
    this.entry(tensor).id = value!.id;
    binding.executeOp('DestroyResourceOp', [], [handle], 0);
  }

  /** One resource per shape and slot serves every variable in turn. */
  private handle(shape: readonly number[], slot: number): number {
    const name = `gpt-lineage-optimizer-${slot}-${shape.join('x')}`;
    let handle = handles.get(name);
    if (handle === undefined) {
      const { binding } = this.backend;
      const attrs = [
        { name: 'dtype', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
        { name: 'shape', type: binding.TF_ATTR_SHAPE, value: shape },
        { name: 'shared_name', type: binding.TF_ATTR_STRING, value: name },
      ];
      handle = binding.executeOp('VarHandleOp', attrs, [], 1)[0]!.id;
      handles.set(name, handle);
    }
    return handle;
  }
}
