import type { GraphNode, Value } from '../../capture/graph.js';
import type { OnnxLowering } from './lower.js';
import { microsoft } from './model.js';

/** How weights of matrix products are stored; sums and everything else stay float32. */
export type WeightStorage = 'float32' | 'float16' | 'int8' | 'int4';

/**
 * Values that share one scale. Products with 8-bit weights are a fifth faster with fewer scales, and lose little by it; the
 * coarser 4-bit codes need them.
 */
function blockSizeFor(depth: number, bits: 8 | 4): number {
  return bits === 8 && depth % 128 === 0 ? 128 : 32;
}

interface Blocks {
  /** `[columns, depth / blockSize, bytes]`. */
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
}

/**
 * Symmetric quantization along the depth of a product, `blockSize` values to a scale: code = round(w / scale) + middle. The
 * reading function hides which axis of the weight is the depth.
 */
export function quantizeBlocks(
  read: (column: number, k: number) => number,
  columns: number,
  depth: number,
  bits: 8 | 4,
  blockSize: number,
): Blocks {
  const blocks = Math.ceil(depth / blockSize);
  const middle = 1 << (bits - 1);
  const perBlock = (blockSize * bits) / 8;
  const codes = new Uint8Array(columns * blocks * perBlock);
  const scales = new Float32Array(columns * blocks);
  for (let column = 0; column < columns; column++) {
    for (let block = 0; block < blocks; block++) {
      const first = block * blockSize;
      const last = Math.min(depth, first + blockSize);
      let extreme = 0;
      for (let k = first; k < last; k++) {
        const w = read(column, k);
        if (Math.abs(w) > Math.abs(extreme)) extreme = w;
      }
      // The extreme value takes the code that reaches further: −middle.
      const scale = extreme / -middle;
      scales[column * blocks + block] = scale;
      const inverse = scale === 0 ? 0 : 1 / scale;
      const offset = (column * blocks + block) * perBlock;
      for (let k = first; k < first + blockSize; k++) {
        const w = k < last ? read(column, k) : 0;
        const code = Math.min(2 * middle - 1, Math.max(0, Math.round(w * inverse) + middle));
        const i = k - first;
        if (bits === 8) codes[offset + i] = code;
        else codes[offset + (i >> 1)]! |= i % 2 === 0 ? code : code << 4;
      }
    }
  }
  return { codes, scales };
}

/** Products with fewer weights gain nothing. */
const smallest = 1 << 12;

/**
 * A product of activations with a weight that does not change, on quantized weights; undefined where that does not apply.
 * Half precision is a storage format only: the weight is converted to float32 when the model is loaded.
 */
export function quantizedMatMul(l: OnnxLowering, node: GraphNode): string | undefined {
  const { weights } = l.options;
  if (weights === 'float32' || node.op !== 'MatMul' || node.attrs.transposeA === true) return undefined;
  const [x, w] = node.inputs as [Value, Value];
  const variable = w.node.variable;
  if (variable === undefined || w.shape.length !== 2 || w.dtype !== 'float32') return undefined;
  if (w.shape[0]! * w.shape[1]! < smallest) return undefined;
  const data = l.frozen(w);
  if (data === undefined) return undefined;
  const transposed = node.attrs.transposeB === true;
  const [columns, depth] = transposed ? [w.shape[0]!, w.shape[1]!] : [w.shape[1]!, w.shape[0]!];
  if (weights === 'float16') return halfProduct(l, node, w, data as Float32Array);
  const read = transposed
    ? (column: number, k: number) => data[column * depth + k]!
    : (column: number, k: number) => data[k * columns + column]!;
  const bits = weights === 'int8' ? 8 : 4;
  const blockSize = blockSizeFor(depth, bits);
  const { codes, scales } = l.options.structure
    ? { codes: new Uint8Array(0), scales: new Float32Array(0) }
    : quantizeBlocks(read, columns, depth, bits, blockSize);
  const blocks = Math.ceil(depth / blockSize);
  const { builder } = l;
  const b = builder.initializer(codes, 'uint8', [columns, blocks, (blockSize * bits) / 8], true);
  const s = builder.initializer(scales, 'float32', [columns * blocks], true);
  return builder.op(
    'MatMulNBits',
    [l.ref(x), b, s],
    {
      K: { int: depth },
      N: { int: columns },
      bits: { int: bits },
      block_size: { int: blockSize },
      // Multiply in 8-bit integers where the processor has instructions for it.
      accuracy_level: { int: 4 },
    },
    microsoft,
  );
}

function halfProduct(l: OnnxLowering, node: GraphNode, w: Value, data: Float32Array): string {
  const { builder } = l;
  const stored = builder.initializer(toHalf(data), 'float16', w.shape, true);
  const full = builder.op('Cast', [stored], { to: { int: 1 } });
  const b =
    node.attrs.transposeB === true ? builder.op('Transpose', [full], { perm: { ints: [1, 0] } }) : full;
  return builder.op('MatMul', [l.ref(node.inputs[0]!), b]);
}

const scratch = new DataView(new ArrayBuffer(4));

/** IEEE 754 binary16, round to nearest even; what does not fit becomes infinite. */
export function toHalf(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    scratch.setFloat32(0, values[i]!);
    const bits = scratch.getUint32(0);
    const sign = (bits >>> 16) & 0x8000;
    const exponent = (bits >>> 23) & 0xff;
    let mantissa = bits & 0x7fffff;
    if (exponent === 255) {
      out[i] = sign | 0x7c00 | (mantissa === 0 ? 0 : 0x200);
      continue;
    }
    const shifted = exponent - 112;
    if (shifted >= 31) {
      out[i] = sign | 0x7c00;
      continue;
    }
    let drop = 13;
    if (shifted <= 0) {
      drop = 14 - shifted;
      mantissa |= 0x800000;
    }
    if (drop > 24) {
      out[i] = sign;
      continue;
    }
    const kept = mantissa >>> drop;
    const rest = mantissa & ((1 << drop) - 1);
    const half = 1 << (drop - 1);
    const up = rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0;
    out[i] = sign | ((shifted <= 0 ? 0 : shifted << 10) + kept + up);
  }
  return out;
}
