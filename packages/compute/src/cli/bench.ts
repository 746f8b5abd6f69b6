import * as tf from '@tensorflow/tfjs-core';
import type { BackendName } from '../backends/names.js';
import { type ComputeInfo, initCompute } from '../init.js';
import { softmaxCrossEntropy } from '../ops/cross-entropy.js';
import { gelu } from '../ops/gelu.js';
import { layerNorm } from '../ops/layer-norm.js';
import { causalSoftmax } from '../ops/softmax.js';

export interface QuickBench {
  readonly compute: ComputeInfo;
  readonly rows: readonly { name: string; ms: number; rate: number; unit: string }[];
}

/** Medians of a few runs each; the serious comparisons are in the repository's bench folder. */
export async function quickBench(backend: BackendName | undefined): Promise<QuickBench> {
  const compute = await initCompute(backend === undefined ? {} : { prefer: backend });
  const small = compute.backend === 'cpu';
  const rows: { name: string; ms: number; rate: number; unit: string }[] = [];

  const measure = async (name: string, amount: number, unit: string, body: () => tf.Tensor) => {
    const times: number[] = [];
    for (let run = 0; run < 6; run++) {
      const start = performance.now();
      const out = body();
      // The CPU backends are synchronous; only a GPU must be waited for.
      if (compute.backend === 'webgpu') await out.data();
      times.push(performance.now() - start);
      out.dispose();
    }
    const ms = times.slice(1).sort((x, y) => x - y)[2]!;
    rows.push({ name, ms, rate: amount / ms / 1e6, unit });
  };

  const normal = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 1);
  const products = small ? [128, 256] : [256, 512, 1024];
  for (const size of products) {
    const a = normal(size, size) as tf.Tensor2D;
    await measure(`matMul ${size}×${size}×${size}`, 2 * size ** 3, 'GFLOP/s', () => tf.matMul(a, a));
    await measure(`matMul ${size}, b transposed`, 2 * size ** 3, 'GFLOP/s', () =>
      tf.matMul(a, a, false, true),
    );
    a.dispose();
  }
  const [rowCount, width] = small ? [64, 256] : [512, 3072];
  const x = normal(rowCount, width);
  const gamma = tf.ones([width]) as tf.Tensor1D;
  const scores = normal(8, 128, 128);
  const labels = tf.zeros([rowCount], 'int32');
  const bytes = x.size * 4;
  await measure(`add [${x.shape}]`, 3 * bytes, 'GB/s', () => tf.add(x, x));
  // Rates of the ops below count one read and one write of their data.
  await measure(`layerNorm [${x.shape}]`, 2 * bytes, 'GB/s', () => layerNorm(x, gamma, gamma));
  await measure(`gelu [${x.shape}]`, 2 * bytes, 'GB/s', () => gelu(x));
  await measure(`gelu gradient [${x.shape}]`, 2 * bytes, 'GB/s', () => tf.grad((t: tf.Tensor) => gelu(t))(x));
  await measure(`causalSoftmax [${scores.shape}]`, 8 * scores.size, 'GB/s', () => causalSoftmax(scores));
  await measure(`crossEntropy [${x.shape}]`, 2 * bytes, 'GB/s', () => softmaxCrossEntropy(x, labels));
  tf.dispose([x, gamma, scores, labels]);
  return { compute, rows };
}
