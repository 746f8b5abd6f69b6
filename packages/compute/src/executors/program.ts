import type { Program } from '../capture/graph.js';

/** Up to this many rows, reading the weights takes longer than multiplying by them. */
const fewRows = 8;

/**
 * Whether a program's time goes into reading weights that it does not change: decoding one token at a time. ONNX Runtime
 * reads them at memory speed; TensorFlow's matrix-vector products reach a third of that.
 */
export function readsWeightsOnce(program: Program): boolean {
  const updated = new Set(program.updates.map((update) => update.variable));
  let found = false;
  for (const node of program.nodes) {
    if (node.op !== 'MatMul') continue;
    const weight = node.inputs[1]!.node.variable ?? node.inputs[0]!.node.variable;
    if (weight === undefined || weight.rank !== 2) continue;
    const rows = node.outputs[0]!.shape.at(-2)!;
    if (rows > fewRows || updated.has(weight)) return false;
    found = true;
  }
  return found;
}
