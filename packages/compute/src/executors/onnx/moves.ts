import type { Value } from '../../capture/graph.js';
import type { OnnxLowering } from './lower.js';

/** What a value was before reshapes, and before transpositions that the next one undoes: the same numbers in the same order. */
export function beforeMoves(value: Value): Value {
  for (let at = value; ; ) {
    const before = at.node.op === 'Reshape' ? at.node.inputs[0] : beforeTransposes(at);
    if (before === undefined) return at;
    at = before;
  }
}

/** Where `value` is a transposition of a transposition that brings the axes back: what they began with. */
export function beforeTransposes({ node }: Value): Value | undefined {
  const inner = node.inputs[0]?.node;
  if (node.op !== 'Transpose' || inner?.op !== 'Transpose') return undefined;
  const [first, second] = [inner.attrs.perm as number[], node.attrs.perm as number[]];
  return second.every((axis, i) => first[axis] === i) ? inner.inputs[0] : undefined;
}

/** `value` in another shape. Of several reshapes in a row the last one counts, and none where the first shape comes back. */
export function reshaped(l: OnnxLowering, value: Value, shape: readonly number[]): string {
  const from = beforeMoves(value);
  if (String(l.shapeOf(from)) === String(shape)) return l.ref(from);
  // A length of 0 means "copy from the input" unless told otherwise.
  return l.builder.op('Reshape', [l.ref(from), l.builder.ints(shape)], { allowzero: { int: 1 } });
}
