import { sizeOf } from '../../capture/graph.js';
import { DT, type TfNode, type TfRef } from './nodes.js';
import type { TfLowering } from './ops.js';

const float = { type: DT.float32 } as const;

/** Elements of one collective: long enough for bandwidth, short enough to overlap and to need little extra memory. */
const bucketSize = 1 << 23;

/** Identifies the group of all workers. */
const groupKey = 1;

export const collectiveOps: Record<string, TfLowering> = {
  AllReduceMean: (l, node) => {
    const { cluster } = l.options;
    if (cluster === undefined || cluster.size === 1) return node.inputs.map((value) => l.ref(value));
    const { builder } = l;
    const out = new Array<TfRef>(node.inputs.length);
    const buckets: number[][] = [];
    let filled = Number.POSITIVE_INFINITY;
    node.inputs.forEach((value, i) => {
      const size = sizeOf(value.shape);
      if (filled + size > bucketSize) {
        buckets.push([]);
        filled = 0;
      }
      buckets.at(-1)!.push(i);
      filled += size;
    });
    let before: TfNode[] = [];
    for (const bucket of buckets) {
      const flat = bucket.map((i) =>
        builder.op('Reshape', [l.ref(node.inputs[i]!), builder.ints([-1])], {
          T: float,
          Tshape: { type: DT.int32 },
        }),
      );
      const joined =
        flat.length === 1
          ? flat[0]!
          : builder.op('ConcatV2', [flat, builder.ints(0)], {
              N: { int: flat.length },
              T: float,
              Tidx: { type: DT.int32 },
            });
      // Every worker runs the collectives in this order, else two of them could wait for each other.
      const reduce = builder.add(
        'CollectiveReduceV2',
        [joined, builder.ints(cluster.size), builder.ints(groupKey), builder.ints(l.nextCollective()), []],
        {
          T: float,
          merge_op: { string: 'Add' },
          final_op: { string: 'Id' },
          communication_hint: { string: 'ring' },
          timeout_seconds: { float: cluster.timeoutSeconds },
          Nordering_token: { int: 0 },
        },
        before,
      );
      before = [reduce];
      const mean = builder.op('Mul', [{ node: reduce, index: 0 }, builder.number(1 / cluster.size)], {
        T: float,
      });
      let offset = 0;
      for (const i of bucket) {
        const { shape } = node.inputs[i]!;
        const size = sizeOf(shape);
        const part = builder.op('Slice', [mean, builder.ints([offset]), builder.ints([size])], {
          T: float,
          Index: { type: DT.int32 },
        });
        out[i] = builder.op('Reshape', [part, builder.ints(shape)], { T: float, Tshape: { type: DT.int32 } });
        offset += size;
      }
    }
    return out;
  },
};
