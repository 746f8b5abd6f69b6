import { ExecutorError } from '../../capture/errors.js';
import type { GraphNode } from '../../capture/graph.js';
import type { Lowering } from './lowering.js';
import { lowerings } from './ops.js';

export function lowerNode(lowering: Lowering, node: GraphNode): void {
  const rule = lowerings[node.op];
  if (rule === undefined) {
    throw new ExecutorError('tensorflow', `the TensorFlow executor has no lowering for ${node.op}`);
  }
  const out = rule(lowering, node);
  const refs = Array.isArray(out) ? out : [out];
  node.outputs.forEach((value, i) => {
    lowering.refs.set(value, refs[i]!);
  });
}
