import { sizeOf, type Value } from '../../capture/graph.js';
import type { OnnxLowering } from './lower.js';

/**
 * Adds up the rows that share an index. ONNX Runtime's ScatterND does so on several threads at once and loses some of them;
 * its ScatterElements does not.
 *
 * @param out result of shape `[.., ..row]`, where the first `depth` axes are indexed
 * @param indices int64, `[.., depth]`
 * @param updates `[.., ..row]`
 */
export function scatterAdd(
  l: OnnxLowering,
  out: Value,
  depth: number,
  indices: string,
  updates: string,
): string {
  const { builder } = l;
  const strides = Array.from({ length: depth }, (_, axis) => sizeOf(out.shape.slice(axis + 1, depth)));
  const [rows, width] = [sizeOf(out.shape.slice(0, depth)), sizeOf(out.shape.slice(depth))];
  const deep = builder.op('Reshape', [indices, builder.ints([-1, depth])]);
  const flat =
    depth === 1
      ? deep
      : builder.op('ReduceSum', [builder.op('Mul', [deep, builder.ints(strides)]), builder.ints([1])], {
          keepdims: { int: 1 },
        }); // [n, 1]
  const zeros = builder.op('Expand', [builder.scalar(0, out.dtype), builder.ints([rows, width])]);
  const sums = builder.op(
    'ScatterElements',
    [
      zeros,
      builder.op('Expand', [flat, builder.ints([1, width])]),
      builder.op('Reshape', [updates, builder.ints([-1, width])]),
    ],
    { axis: { int: 0 }, reduction: { string: 'add' } },
  );
  return builder.op('Reshape', [sums, builder.ints(out.shape)]);
}
