import * as tf from '@tensorflow/tfjs-core';

/** What we use of tfjs-backend-wasm's internals (pinned by the exact dependency). */
interface WasmBackend {
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
    readonly tfjs: {
      registerTensor(id: number, size: number, memoryOffset: number): void;
      disposeData(id: number): void;
    };
    _malloc(bytes: number): number;
    _free(offset: number): void;
    cwrap(name: string, returns: null, args: readonly string[]): (...args: unknown[]) => void;
  };
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number } };
  dataIdNextNumber: number;
  makeOutput(shape: number[], dtype: 'float32'): tf.TensorInfo;
}

const scalarType = 'number';
const signature = [
  ...[scalarType, 'array', scalarType],
  ...[scalarType, 'array', scalarType],
  ...[scalarType, scalarType, scalarType],
];
const wrapped = new WeakMap<object, (...args: unknown[]) => void>();
const patched = Symbol.for('gpt-lineage.wasm-matmul');

/**
 * tfjs-backend-wasm multiplies with XNNPACK only when nothing is transposed and the batch is 1; everything else
 * (every gradient, every attention product) goes through a plain triple loop that was measured 12 to 27 times
 * slower. This replaces its kernel: operands are transposed first, batches become views into the same memory, and
 * each product is one XNNPACK call.
 */
export function installFastWasmMatMul(): void {
  const stock = tf.getKernel('BatchMatMul', 'wasm');
  if (stock === undefined || patched in stock) return;
  tf.unregisterKernel('BatchMatMul', 'wasm');
  const config: tf.KernelConfig = {
    ...stock,
    kernelFunc: (call) => {
      const { a, b } = call.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
      const { transposeA = false, transposeB = false } = call.attrs as unknown as MatMulAttrs;
      const batched = a.shape.length > 2 || b.shape.length > 2;
      const plain = !batched && !transposeA && !transposeB;
      if (plain || a.dtype !== 'float32' || b.dtype !== 'float32') return stock.kernelFunc(call);
      return (
        matMul(call.backend as unknown as WasmBackend, a, b, transposeA, transposeB) ?? stock.kernelFunc(call)
      );
    },
  };
  tf.registerKernel(Object.assign(config, { [patched]: true }));
}

interface MatMulAttrs {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Undefined where the stock kernel should decide (bad shapes, empty tensors). */
function matMul(
  backend: WasmBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
): tf.TensorInfo | undefined {
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
  const [rows, inner] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [inner2, columns] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  if (inner !== inner2 || rows * inner * columns === 0) return undefined;
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const count = tf.util.sizeFromShape(batch);
  if (count === 0) return undefined;

  const out = backend.makeOutput([...batch, rows, columns], 'float32');
  const scratch: number[] = [];
  const operand = (t: tf.TensorInfo, height: number, width: number, transposed: boolean): number => {
    const source = backend.dataIdMap.get(t.dataId).memoryOffset;
    if (!transposed) return source;
    const size = tf.util.sizeFromShape(t.shape);
    // `>>> 0`: offsets beyond 2 GB come back negative.
    const target = backend.wasm._malloc(size * 4) >>> 0;
    scratch.push(target);
    transpose(
      backend.wasm.HEAPU8.buffer as ArrayBuffer,
      source,
      target,
      size / (height * width),
      height,
      width,
    );
    return target;
  };
  try {
    const offsetA = operand(a, aRows, aColumns, transposeA);
    const offsetB = operand(b, bRows, bColumns, transposeB);
    const offsetOut = backend.dataIdMap.get(out.dataId).memoryOffset;
    const multiply = productOf(backend, rows, inner, columns);
    const indexA = batchIndex(batch, batchA);
    const indexB = batchIndex(batch, batchB);
    for (let i = 0; i < count; i++) {
      multiply(
        offsetA + indexA(i) * rows * inner * 4,
        offsetB + indexB(i) * inner * columns * 4,
        offsetOut + i * rows * columns * 4,
      );
    }
  } finally {
    for (const offset of scratch) backend.wasm._free(offset);
  }
  return out;
}

/** One `[rows, inner] × [inner, columns]` product between places in the heap. */
function productOf(backend: WasmBackend, rows: number, inner: number, columns: number) {
  const { wasm } = backend;
  let call = wrapped.get(wasm);
  if (call === undefined) {
    call = wasm.cwrap('BatchMatMul', null, signature);
    wrapped.set(wasm, call);
  }
  const run = call;
  const shapeA = new Uint8Array(new Int32Array([1, rows, inner]).buffer);
  const shapeB = new Uint8Array(new Int32Array([1, inner, columns]).buffer);
  return (offsetA: number, offsetB: number, offsetOut: number): void => {
    const view = (size: number, offset: number) => {
      const id = backend.dataIdNextNumber++;
      wasm.tfjs.registerTensor(id, size, offset);
      return id;
    };
    const a = view(rows * inner, offsetA);
    const b = view(inner * columns, offsetB);
    const out = view(rows * columns, offsetOut);
    run(a, shapeA, 3, b, shapeB, 3, 0, 0, out);
    // Forgets the views (and XNNPACK's packed copy of b); the memory stays its owner's.
    for (const id of [a, b, out]) wasm.tfjs.disposeData(id);
  };
}

/** Flat index into `own` batch dimensions for a flat index into the broadcast ones. */
function batchIndex(batch: readonly number[], own: readonly number[]): (flat: number) => number {
  if (batch.length === own.length && batch.every((size, axis) => size === own[axis])) return (flat) => flat;
  const padded = [...new Array<number>(batch.length - own.length).fill(1), ...own];
  return (flat) => {
    let index = 0;
    let stride = 1;
    for (let axis = batch.length - 1; axis >= 0; axis--) {
      const position = flat % batch[axis]!;
      flat = Math.floor(flat / batch[axis]!);
      if (padded[axis] !== 1) index += position * stride;
      stride *= padded[axis]!;
    }
    return index;
  };
}

/** Each `[height, width]` matrix of a batch to `[width, height]`, in blocks that stay in the first-level cache. */
function transpose(
  buffer: ArrayBuffer,
  source: number,
  target: number,
  batch: number,
  height: number,
  width: number,
): void {
  const from = new Float32Array(buffer, source, batch * height * width);
  const to = new Float32Array(buffer, target, batch * height * width);
  const block = 32;
  for (let matrix = 0; matrix < batch; matrix++) {
    const base = matrix * height * width;
    for (let row0 = 0; row0 < height; row0 += block) {
      const rowEnd = Math.min(row0 + block, height);
      for (let column0 = 0; column0 < width; column0 += block) {
        const columnEnd = Math.min(column0 + block, width);
        for (let column = column0; column < columnEnd; column++) {
          let write = base + column * height + row0;
          let read = base + row0 * width + column;
          for (let row = row0; row < rowEnd; row++, write++, read += width) to[write] = from[read]!;
        }
      }
    }
  }
}
