// What the fused ops and the optimiser bring in eager execution: one training step of a GPT, theirs against ours.
//   tsx --conditions=@gpt-lineage/source bench/fused-ops.bench.ts [--quick] [--rounds N]    (GPT_LINEAGE_BACKEND chooses)
import os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { AdamW, type ComputeInfo, clipFactor, globalNorm, initCompute } from '../src/index.js';
import { createWeights, type GptShape, gptLoss, shapes } from './gpt.js';
import { stockLoss } from './stock.js';

const quick = process.argv.includes('--quick');
const tiny: GptShape = {
  vocabSize: 256, contextLength: 64, nLayer: 2, nEmbd: 64, nHead: 2, batch: 4, length: 64,
}; // biome-ignore format: one line
const wanted: Record<string, GptShape> = quick ? { '2x64 4x64': tiny } : shapes;
const roundsAt = process.argv.indexOf('--rounds');
const rounds = roundsAt >= 0 ? Number(process.argv[roundsAt + 1]) : quick ? 3 : 7;

interface Result {
  readonly case: string;
  readonly metric: string;
  readonly unit: string;
  readonly ours: number;
  readonly peers: Record<string, number>;
  readonly ratio: Record<string, number>;
}

function trainer(shape: GptShape, fused: boolean) {
  const weights = createWeights(shape);
  const list = [...weights.all];
  const names = Object.fromEntries(list.map((v) => [v.name, v]));
  const loss = fused ? gptLoss : stockLoss;
  const ours = fused ? new AdamW(names, { learningRate: 3e-4, weightDecay: 0, epsilon: 1e-7 }) : undefined;
  const theirs = fused ? undefined : tf.train.adam(3e-4);
  const tokens = tf.randomUniform([shape.batch, shape.length], 0, shape.vocabSize, 'int32', 5);
  const targets = tf.randomUniform([shape.batch, shape.length], 0, shape.vocabSize, 'int32', 6);
  return {
    async step(): Promise<{ ms: number; cpuMs: number; loss: number }> {
      const cpu = process.cpuUsage();
      const start = performance.now();
      const value = tf.tidy(() => {
        const { value, grads } = tf.variableGrads(() => loss(weights, shape, tokens, targets), list);
        // Clipping at 1 is part of every published recipe, so both do it.
        const norm = fused ? globalNorm(grads) : stockNorm(Object.values(grads));
        if (ours) ours.applyGradients(grads, { scale: clipFactor(norm, 1) });
        if (theirs) {
          const factor = tf.minimum(tf.div(1, tf.add(norm, 1e-6)), 1);
          const scaled = Object.entries(grads).map(([name, g]) => ({ name, tensor: tf.mul(g, factor) }));
          theirs.applyGradients(scaled);
        }
        return value;
      });
      const [number] = await value.data();
      value.dispose();
      const ms = performance.now() - start;
      const { user, system } = process.cpuUsage(cpu);
      return { ms, cpuMs: (user + system) / 1000, loss: number! };
    },
    dispose() {
      tf.dispose([...list, tokens, targets]);
      ours?.dispose();
      theirs?.dispose();
    },
  };
}

function stockNorm(grads: tf.Tensor[]): tf.Scalar {
  return tf.sqrt(tf.addN(grads.map((g) => tf.sum(tf.square(g))))) as tf.Scalar;
}

/** `initCompute` replaces wasm's matrix product for everybody; stock runs get the original back. */
function productSwitch(): (stock: boolean) => void {
  if (tf.getBackend() !== 'wasm' || originalProduct === undefined) return () => {};
  const ours = tf.getKernel('BatchMatMul', 'wasm');
  const theirs = originalProduct;
  return (stock) => {
    tf.unregisterKernel('BatchMatMul', 'wasm');
    tf.registerKernel(stock ? theirs : ours);
  };
}

const median = (values: number[]) => values.slice().sort((a, b) => a - b)[values.length >> 1]!;

async function compare(name: string, shape: GptShape): Promise<Result[]> {
  const useStockProduct = productSwitch();
  const fused = trainer(shape, true);
  const stock = trainer(shape, false);
  const times = { fused: [] as number[], stock: [] as number[] };
  // Processor time says the same on a machine that others use too, where wall time does not.
  const cpu = { fused: [] as number[], stock: [] as number[] };
  const losses = { fused: 0, stock: 0 };
  for (let round = -1; round < rounds; round++) {
    for (const [key, run] of [
      ['fused', fused],
      ['stock', stock],
    ] as const) {
      useStockProduct(key === 'stock');
      const { ms, cpuMs, loss } = await run.step();
      losses[key] = loss;
      if (round < 0) continue;
      times[key].push(ms);
      cpu[key].push(cpuMs);
    }
  }
  useStockProduct(false);
  fused.dispose();
  stock.dispose();
  const tokens = shape.batch * shape.length;
  const rate = (ms: number[]) => (tokens / median(ms)) * 1000;
  // The ratio of each interleaved pair, so that other load on the machine falls on both.
  const pairs = (t: typeof times) => median(t.fused.map((ms, i) => t.stock[i]! / ms));
  const [ratio, cpuRatio] = [pairs(times), pairs(cpu)];
  console.log(
    `${name.padEnd(20)} fused ${rate(times.fused).toFixed(0).padStart(7)} tok/s   stock ${rate(times.stock).toFixed(0).padStart(7)} tok/s   ratio ${ratio.toFixed(2)} (processor time ${cpuRatio.toFixed(2)})   losses ${losses.fused.toFixed(4)} ${losses.stock.toFixed(4)}`,
  );
  const metric = 'training step, eager, with AdamW and clipping';
  return [
    {
      case: name,
      metric,
      unit: 'tokens/s',
      ours: rate(times.fused),
      peers: { 'tfjs stock': rate(times.stock) },
      ratio: { 'tfjs stock': ratio },
    },
    {
      case: name,
      metric: `${metric}: processor time`,
      unit: 'ms per step',
      ours: median(cpu.fused),
      peers: { 'tfjs stock': median(cpu.stock) },
      ratio: { 'tfjs stock': cpuRatio },
    },
  ];
}

function machine(info: ComputeInfo) {
  const cpu = os.cpus()[0]?.model.trim();
  return {
    cpu,
    threads: os.availableParallelism(),
    node: process.version,
    ...info,
    date: new Date().toISOString().slice(0, 10),
  };
}

await import('@tensorflow/tfjs-backend-wasm');
const originalProduct = tf.getKernel('BatchMatMul', 'wasm');
const info = await initCompute();
console.log(`backend ${info.backend}: ${info.library} ${info.version}`);
const results: Result[] = [];
for (const [name, shape] of Object.entries(wanted)) results.push(...(await compare(name, shape)));
console.log(JSON.stringify({ bench: 'fused-ops', machine: machine(info), results }));
