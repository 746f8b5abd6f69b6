import { type GraphNode, type HostArray, sizeOf, type Value } from '../../capture/graph.js';
import { nodeProcess } from '../host.js';
import type { OnnxLowering } from './lower.js';
import { fillsGivenMemory } from './runtime.js';

/** Columns of a slab. Narrower ones start more products, and rows of wider ones lie too far apart. */
const slabColumns = 32;

/** Smaller weights are read in so short a time that the operators around them cost more than is gained. */
const smallestBytes = 1 << 21;

/**
 * One row of activations times a weight that stays as it is: a model that decodes one token. Such a product takes the time
 * in which the weight is read. The runtime's own packing is read in two places at once, 16 columns in each, and a processor
 * that fetches ahead does better at a single place: as a batch of products with 32 columns each the weight is read from its
 * first byte to its last. It is an argument of the model, for as a part of it it would be read from a mapped file, which
 * takes longer. On other processors than x64, and in browsers, the runtime has other kernels.
 *
 * @returns the product, `[1, columns]`, or undefined where this does not apply
 */
export function slabProduct(l: OnnxLowering, { inputs, attrs }: GraphNode): string | undefined {
  const [x, w] = inputs as [Value, Value];
  if (l.options.arrange !== true || nodeProcess()?.arch !== 'x64' || !fillsGivenMemory()) return undefined;
  const isRow = x.shape.length === 2 && x.shape[0] === 1 && attrs.transposeA !== true;
  if (!isRow || w.dtype !== 'float32' || w.shape.length !== 2 || !l.isFrozen(w)) return undefined;
  if (4 * sizeOf(w.shape) < smallestBytes) return undefined;
  const isTransposed = attrs.transposeB === true;
  const [depth, columns] = (isTransposed ? [...w.shape].reverse() : w.shape) as [number, number];
  const slabs = Math.ceil(columns / slabColumns);
  const arrange = (weight: HostArray) => inSlabs(weight, depth, columns, isTransposed);
  const { builder } = l;
  const key = `slabs ${w.node.variable!.id} ${isTransposed}`;
  const weight = l.shared(key, () => l.argument(w, arrange, [slabs, depth, slabColumns]));
  const parts = builder.op('MatMul', [l.ref(x), weight]); // [slabs, 1, 32]
  const row = builder.op('Reshape', [parts, builder.ints([1, slabs * slabColumns])]);
  if (slabs * slabColumns === columns) return row;
  return builder.op('Slice', [row, builder.ints([0]), builder.ints([columns]), builder.ints([1])]);
}

/**
 * The columns of a weight by 32, `[slabs, depth, 32]`; zeros after the last one.
 *
 * @param isTransposed the weight is `[columns, depth]` instead of `[depth, columns]`
 */
export function inSlabs(
  weight: HostArray,
  depth: number,
  columns: number,
  isTransposed: boolean,
): Float32Array {
  const [perColumn, perRow] = isTransposed ? [depth, 1] : [1, columns];
  const out = memory(Math.ceil(columns / slabColumns) * depth * slabColumns);
  // From the first byte to the last: pages that are touched one after the other lie side by side in memory too.
  for (let first = 0, to = 0; first < columns; first += slabColumns) {
    const width = Math.min(slabColumns, columns - first);
    for (let k = 0; k < depth; k++, to += slabColumns) {
      const from = first * perColumn + k * perRow;
      for (let i = 0; i < width; i++) out[to + i] = weight[from + i * perColumn]!;
    }
  }
  return out;
}

/**
 * Slabs are whole pages long, mostly. Between two of them a processor loses what it had begun ahead of time, and at the
 * first byte of a page it waits for memory once more; a quarter of the speed is lost where both come together.
 */
const bytesIntoPage = 320;

function memory(length: number): Float32Array {
  const bytes = bytesIntoPage + 4 * length;
  // Buffers that could be resized begin with a page.
  const options = { maxByteLength: bytes };
  const buffer = new (ArrayBuffer as new (bytes: number, options: object) => ArrayBuffer)(bytes, options);
  return new Float32Array(buffer, bytesIntoPage, length);
}
