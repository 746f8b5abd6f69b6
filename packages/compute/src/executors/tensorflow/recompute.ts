import { type GraphNode, sizeOf, type Value } from '../../capture/graph.js';
import { lowerRegion } from './compile-region.js';
import type { AddRegion, Lowering } from './lowering.js';
import type { TfRef } from './nodes.js';
import { inputsOf, type Region } from './regions.js';

/** Elements from which a stored value is worth a second computation. */
const fewest = 1 << 22;

/**
 * The input of a weight's gradient, computed a second time instead of being kept since the forward pass: the
 * activation of a feed-forward block, say, whose own input stays for the backward pass anyway. One cheap loop for the
 * largest array that a block would keep. Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
 *
 * @param product the gradient, `value`ᵀ · something
 * @param after what the product waits for in any case; the second computation must not run earlier
 * @returns undefined where the value is better kept
 */
export function recomputed(
  l: Lowering,
  addRegion: AddRegion,
  product: GraphNode,
  value: Value,
  after: TfRef,
): TfRef | undefined {
  const region = l.regionOf(value);
  if (region === undefined || sizeOf(value.shape) < fewest) return undefined;
  const forward = l.readersOf(value)?.some((reader) => reader !== product && reader.op === 'MatMul');
  if (forward !== true) return undefined;
  const part = partFor(region, value);
  // A second large input would have to be kept instead.
  const large = part.inputs.filter(({ shape }) => sizeOf(shape) >= fewest / 4);
  if (large.length !== 1) return undefined;
  const kept = l.ref(value);
  lowerRegion(l, part, addRegion, [after.node]);
  const again = l.ref(value);
  l.refs.set(value, kept);
  return l.options.matmulPrecision === 'bf16' ? l.half(again) : again;
}

/** What of a region one of its results needs. */
function partFor(region: Region, value: Value): Region {
  const needed = new Set([value.node]);
  for (const node of [...region.nodes].reverse())
    if (needed.has(node)) for (const input of node.inputs) needed.add(input.node);
  const nodes = region.nodes.filter((node) => needed.has(node));
  return { nodes, inputs: inputsOf(nodes), outputs: [value] };
}
