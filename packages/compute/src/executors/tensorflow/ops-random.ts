import type { Value } from '../../capture/graph.js';
import { DT } from './nodes.js';
import type { TfLowering } from './ops.js';

export const randomOps: Record<string, TfLowering> = {
  StatelessUniform: (l, node) => {
    const [seed] = node.inputs as [Value];
    return l.builder.op('StatelessRandomUniform', [l.builder.ints(node.outputs[0]!.shape), l.ref(seed)], {
      T: { type: DT.int32 },
      Tseed: { type: DT.int32 },
      dtype: { type: DT.float32 },
    });
  },
};
