// One long prompt in a process of its own, so that its peak memory is nobody else's. Prints one JSON line.
import { readFileSync } from 'node:fs';
import { initCompute } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { chunkedAttention } from '../src/index.js';

const [length, prefer] = [Number(process.argv[2]), process.argv[3] as 'tensorflow' | 'wasm'];
await initCompute({ prefer, strict: true });
const [query, key, value] = [1, 2, 3].map((seed) =>
  tf.randomNormal([1, 8, length, 64], 0, 1, 'float32', seed),
);
const start = performance.now();
const output = chunkedAttention(query as tf.Tensor4D, key as tf.Tensor4D, value as tf.Tensor4D, {
  causal: true,
});
const sample = await tf.slice(output, [0, 7, length - 1, 0], [1, 1, 1, 4]).data();
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ seconds, peakBytes: peakMemory(), sample: [...sample] }));

/** The most memory resident at once. Linux's `maxRSS` also counts the parent that started us, `VmHWM` does not. */
function peakMemory(): number {
  try {
    const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kilobytes) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
