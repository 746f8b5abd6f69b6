import type { Value } from '../../capture/graph.js';
import { lowerNode } from './lower-node.js';
import { type AddRegion, Lowering, type LowerOptions, placeholder } from './lowering.js';
import { DT, type TfNode, type TfRef } from './nodes.js';
import type { Region } from './regions.js';

/**
 * Emits a region as a call of a function that XLA compiles. Equal regions, one in each layer say, share a function.
 *
 * @param after nodes that the call waits for
 */
export function lowerRegion(
  l: Lowering,
  region: Region,
  addRegion: AddRegion,
  after: readonly TfNode[] = [],
): void {
  const numbers = region.inputs.filter(isNumber);
  const inputs = region.inputs.filter((value) => !isNumber(value));
  const given = inputs.map((value) => {
    const ref = l.ref(value);
    const half = l.knownHalf(ref);
    return half === undefined ? { value, ref, half: false } : { value, ref: half, half: true };
  });
  const results = region.outputs.flatMap((value) => {
    const need = l.needs(value);
    return [...(need.full ? [{ value, half: false }] : []), ...(need.half ? [{ value, half: true }] : [])];
  });
  const key = JSON.stringify([
    given.map(({ value, half }) => [value.shape, half]),
    region.nodes.map(({ op, inputs: from, attrs }) => [
      op,
      attrs,
      from.map((value) => indexIn(region, value)),
    ]),
    numbers.map((value) => [indexIn(region, value), value.node.constant!()[0], value.shape]),
    results.map(({ value, half }) => [indexIn(region, value), half]),
  ]);
  const name = addRegion(key, () => {
    const inner = new Lowering(
      { feeds: [], fetches: region.outputs, updates: [], variables: [], nodes: region.nodes },
      { ...l.options, matmulPrecision: 'float32' } satisfies LowerOptions,
    );
    const feeds = given.map(({ value, half }, i) => {
      const node = placeholder(inner.builder, value, `in_${i}`, half ? DT.bfloat16 : DT.float32);
      inner.refs.set(value, half ? inner.full({ node, index: 0 }) : { node, index: 0 });
      return node;
    });
    for (const value of numbers) {
      const number = value.node.constant!()[0]!;
      inner.refs.set(
        value,
        value.shape.length === 0
          ? inner.builder.number(number)
          : inner.builder.constant({ dtype: DT.float32, shape: value.shape, data: Float32Array.of(number) }),
      );
    }
    for (const node of region.nodes) lowerNode(inner, node);
    const outputs = results.map(({ value, half }) =>
      half ? inner.half(inner.ref(value)) : inner.ref(value),
    );
    return { nodes: inner.builder.nodes, inputs: feeds, outputs, targets: [] };
  });
  const attrs = {
    Tin: { types: given.map(({ half }) => (half ? DT.bfloat16 : DT.float32)) },
    Tout: { types: results.map(({ half }) => (half ? DT.bfloat16 : DT.float32)) },
    f: { func: name },
    _XlaMustCompile: { bool: true },
  };
  const call = l.builder.add('PartitionedCall', [given.map(({ ref }) => ref)], attrs, after);
  const refs = new Map<Value, { full?: TfRef; half?: TfRef }>();
  for (const [index, { value, half }] of results.entries()) {
    const known = refs.get(value) ?? {};
    known[half ? 'half' : 'full'] = { node: call, index };
    refs.set(value, known);
  }
  for (const [value, { full, half }] of refs) {
    const ref = full ?? l.full(half!);
    l.refs.set(value, ref);
    if (half !== undefined) l.setHalf(ref, half);
  }
}

const isNumber = (value: Value) =>
  value.node.constant !== undefined && value.shape.every((length) => length === 1);

/** Where a value comes from, in words that do not depend on the layer. */
function indexIn(region: Region, value: Value): string {
  const input = region.inputs.indexOf(value);
  return input >= 0 ? `i${input}` : `n${region.nodes.indexOf(value.node)}`;
}
