/**
 * One worker of the distributed test. usage: worker.ts PORTS INDEX STEPS FROM CHECKPOINT
 * PORTS: comma separated, one worker each; a single port trains alone on all the data.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { AdamW, allReduceMean, capture, initCompute, joinCluster } from '../../src/index.js';

const [ports = '', index = '0', steps = '4', from = '0', file = ''] = process.argv.slice(2);
const workers = ports.split(',').map((port) => `127.0.0.1:${port}`);
const [me, size] = [Number(index), workers.length];
await initCompute({ prefer: 'cpu' });
const cluster = size > 1 ? joinCluster({ workers, index: me, timeoutSeconds: 60, threads: 1 }) : undefined;

const rows = 16;
const data = tf.randomNormal([rows, 12], 0, 1, 'float32', 1);
const target = tf.randomNormal([rows, 3], 0, 1, 'float32', 2);
const mine = (t: tf.Tensor) => tf.slice(t, [(me * rows) / size, 0], [rows / size, t.shape[1]!]);
const [x, y] = [mine(data), mine(target)];
const w = tf.variable(tf.randomNormal([12, 3], 0, 1, 'float32', 3), true, 'w');
const b = tf.variable(tf.zeros([3]), true, 'b');
const optimizer = new AdamW({ w, b }, { learningRate: 0.05 });

interface Saved {
  weights: number[][];
  step: number;
  tensors: Record<string, { shape: number[]; values: number[] }>;
}
if (Number(from) > 0 && existsSync(file)) {
  const saved = JSON.parse(readFileSync(file, 'utf8')) as Saved;
  [w, b].forEach((v, i) => {
    v.assign(tf.tensor(saved.weights[i]!, v.shape));
  });
  const tensors = Object.fromEntries(
    Object.entries(saved.tensors).map(([name, t]) => [name, { ...t, values: Float32Array.from(t.values) }]),
  );
  optimizer.loadState({ optimizer: 'adamw', step: saved.step, tensors });
}

const step = capture(
  () => {
    const loss = () => {
      const p = tf.add(tf.matMul(x as tf.Tensor2D, w as unknown as tf.Tensor2D), b);
      return tf.mean(tf.square(tf.sub(p, y))) as tf.Scalar;
    };
    const { value, grads } = tf.variableGrads(loss, [w, b]);
    const means = allReduceMean({ ...grads, loss: value });
    const { loss: meanLoss, ...gradients } = means;
    optimizer.applyGradients(gradients);
    return meanLoss!;
  },
  cluster === undefined ? { executor: 'tensorflow' } : { cluster },
);

try {
  for (let i = Number(from); i < Number(steps); i++) {
    const loss = await step();
    console.log(JSON.stringify({ step: i, loss: loss.dataSync()[0] }));
    if (me === 0 && file !== '') {
      const { step: count, tensors } = await optimizer.state();
      const plain = Object.fromEntries(
        Object.entries(tensors).map(([name, t]) => [name, { ...t, values: [...t.values] }]),
      );
      const saved: Saved = { weights: [[...w.dataSync()], [...b.dataSync()]], step: count, tensors: plain };
      writeFileSync(`${file}.tmp`, JSON.stringify(saved));
      renameSync(`${file}.tmp`, file);
    }
    // The test kills a worker between steps.
    await new Promise((resolve) => setTimeout(resolve, Number(process.env.PAUSE_MS ?? 0)));
  }
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).name, message: (error as Error).message }));
  process.exit(3);
}
process.exit(0);
