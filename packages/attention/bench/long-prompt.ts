// One long prompt in a process of its own, so that its peak memory is nobody else's. Prints one JSON line.
import { initCompute } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { chunkedAttention } from '../src/index.js';

const [length, prefer] = [Number(process.argv[2]), process.argv[3] as 'tensorflow' | 'wasm'];
await initCompute({ prefer, strict: true });
const before = process.resourceUsage().maxRSS;
const [query, key, value] = [1, 2, 3].map((seed) =>
  tf.randomNormal([1, 8, length, 64], 0, 1, 'float32', seed),
);
const start = performance.now();
const output = chunkedAttention(query as tf.Tensor4D, key as tf.Tensor4D, value as tf.Tensor4D, {
  causal: true,
});
const sample = await tf.slice(output, [0, 7, length - 1, 0], [1, 1, 1, 4]).data();
const seconds = (performance.now() - start) / 1000;
const peak = process.resourceUsage().maxRSS;
console.log(
  JSON.stringify({
    seconds,
    peakBytes: peak * 1024,
    addedBytes: (peak - before) * 1024,
    sample: [...sample],
  }),
);
