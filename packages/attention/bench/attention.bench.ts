import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { type CapturedFunction, capture, initCompute } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { attendDense } from '../src/dense.js';
import { bandedAttention, denseAttention, fixedAttention, stridedAttention } from '../src/index.js';
import { checkInputs } from '../src/validate.js';
import { startTorch, type TorchPeer } from './peers/torch.js';

const quick = process.argv.includes('--quick');
/** `--only=dense,growth` runs these parts. */
const only = process.argv
  .find((arg) => arg.startsWith('--only='))
  ?.slice('--only='.length)
  .split(',');
const runs = (part: string) => only?.includes(part) ?? true;
const [heads, headDim] = [8, 64];
const rounds = quick ? 2 : 7;

type Attention = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) => tf.Tensor4D;
/** Milliseconds, and milliseconds of processor time: the second hardly moves when others use the machine too. */
type Sample = [wall: number, processor: number];
type Measure = () => Promise<Sample>;

type Times = Record<string, Sample[]>;

interface Result {
  readonly case: string;
  readonly metric: string;
  readonly unit: string;
  readonly ours: number;
  readonly peers: Record<string, number>;
  readonly ratio: Record<string, number>;
}

const info = await initCompute();
const torch = await startTorch();
const isNative = info.backend === 'tensorflow';
console.log(
  `backend ${info.backend}; PyTorch ${typeof torch === 'string' ? `absent: ${torch}` : torch.version}`,
);

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const dense: Attention = (q, k, v) => denseAttention(q, k, v, { causal: true });
/** What eager calls did before they became one graph, and do on other backends. */
const byOperations: Attention = (q, k, v) =>
  attendDense(q, k, v, { causal: true }, checkInputs(q, k, v)) as tf.Tensor4D;
const window = 256;
const banded: Attention = (q, k, v) => bandedAttention(q, k, v, { window });
const strided: Attention = (q, k, v) => stridedAttention(q, k, v, { stride: 128 });
const fixed: Attention = (q, k, v) => fixedAttention(q, k, v, { stride: 128, summary: 8 });

/** Inputs of one length, shared by all contestants and freed with them. */
function inputsOf(length: number): tf.Tensor4D[] {
  return [1, 2, 3].map((seed) => tf.randomNormal([1, heads, length, headDim], 0, 1, 'float32', seed));
}

async function time(run: () => tf.Tensor[] | Promise<tf.Tensor[]>): Promise<Sample> {
  const [start, usage] = [performance.now(), process.cpuUsage()];
  const outputs = await run();
  await outputs.at(-1)!.data(); // waits for backends that run behind JavaScript
  const spent = process.cpuUsage(usage);
  const sample: Sample = [performance.now() - start, (spent.user + spent.system) / 1000];
  tf.dispose(outputs);
  return sample;
}

/** What is timed: the output, or its sum's gradient in query, key and value. Small results, so that nothing is copied out. */
function work(attention: Attention, mode: 'forward' | 'training') {
  if (mode === 'forward') {
    return (...x: tf.Tensor[]) =>
      tf.tidy(() => [tf.slice(attention(...(x as [never, never, never])), [0, 0, 0, 0], [1, 1, 1, 1])]);
  }
  const gradients = tf.grads((q, k, v) =>
    tf.sum(attention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D)),
  );
  return (...x: tf.Tensor[]) =>
    tf.tidy(() => gradients(x).map((g) => tf.slice(g as tf.Tensor4D, [0, 0, 0, 0], [1, 1, 1, 1])));
}

const eager = (attention: Attention, mode: 'forward' | 'training', inputs: tf.Tensor4D[]): Measure => {
  const step = work(attention, mode);
  return () => time(() => step(...inputs));
};

/** The same as one native graph; the inputs are variables, so that they stay where the graph is. */
function captured(attention: Attention, mode: 'forward' | 'training', inputs: tf.Tensor4D[]) {
  const variables = inputs.map((x) => tf.variable(x));
  const step = work(attention, mode);
  const fn = capture(() => step(...variables)) as unknown as CapturedFunction<[], tf.Tensor[]>;
  return {
    measure: () => time(() => fn()),
    dispose() {
      fn.dispose();
      tf.dispose(variables);
    },
  };
}

const sdpa =
  (peer: TorchPeer, mode: 'forward' | 'training', length: number): Measure =>
  () =>
    peer.measure(mode, [1, heads, length, headDim]);

/** Runs everybody in turn, after one warm-up each, so that other load on the machine falls on all. */
async function interleave(contestants: Record<string, Measure>, count = rounds): Promise<Times> {
  const times: Times = {};
  for (const [name, measure] of Object.entries(contestants)) {
    await measure();
    times[name] = [];
  }
  for (let round = 0; round < count; round++) {
    // Who comes after whom changes, for everybody leaves another state of the caches behind.
    const order = Object.entries(contestants);
    order.push(...order.splice(0, round % order.length));
    for (const [name, measure] of order) {
      await setTimeout(30); // threads of the one before spin for a while when they are done
      times[name]!.push(await measure());
    }
  }
  return times;
}

const results: Result[] = [];

function report(name: string, times: Times, own: string, peers: readonly string[]): void {
  const present = peers.filter((peer) => times[peer]);
  for (const [which, metric] of ['time', 'processor time'].entries()) {
    const at = (who: string) => times[who]!.map((sample) => sample[which]!);
    // The median of each round's ratio, not the ratio of medians.
    const ratioTo = (peer: string) => median(at(own).map((ms, i) => at(peer)[i]! / ms));
    const result: Result = {
      case: name,
      metric,
      unit: 'ms',
      ours: round(median(at(own))),
      peers: Object.fromEntries(present.map((peer) => [peer, round(median(at(peer)))])),
      ratio: Object.fromEntries(present.map((peer) => [peer, round(ratioTo(peer))])),
    };
    results.push(result);
    const beside = present
      .map((peer) => `${peer} ${result.peers[peer]} (${result.ratio[peer]}×)`)
      .join(' · ');
    const label = which === 0 ? name : '  processor time';
    console.log(`${label.padEnd(56)} ${String(result.ours).padStart(8)} ms   ${beside}`);
  }
}

function round(x: number): number {
  return Number(x.toPrecision(4));
}

const torchIf = (mode: 'forward' | 'training', length: number): Record<string, Measure> =>
  typeof torch === 'string' ? {} : { 'PyTorch SDPA': sdpa(torch, mode, length) };

async function compare(
  length: number,
  mode: 'forward' | 'training',
  own: Record<string, Attention>,
  count = rounds,
) {
  const inputs = inputsOf(length);
  const contestants: Record<string, Measure> = {};
  const graphs: { dispose(): void }[] = [];
  for (const [name, attention] of Object.entries(own)) {
    contestants[name] = eager(attention, mode, inputs);
    if (!isNative) continue;
    const graph = captured(attention, mode, inputs);
    graphs.push(graph);
    contestants[`${name}, captured`] = graph.measure;
  }
  const times = await interleave({ ...contestants, ...torchIf(mode, length) }, count);
  for (const graph of graphs) graph.dispose();
  tf.dispose(inputs);
  return times;
}

// Dense, forward
if (runs('dense')) {
  const length = quick ? 256 : 1024;
  const times = await compare(length, 'forward', { dense, 'by operations': byOperations }, 2 * rounds);
  report(`dense forward, T = ${length}, eager`, times, 'dense', ['by operations', 'PyTorch SDPA']);
  report(`dense forward, T = ${length}, eager, by operations`, times, 'by operations', ['PyTorch SDPA']);
  if (isNative) {
    report(`dense forward, T = ${length}, captured`, times, 'dense, captured', ['dense', 'PyTorch SDPA']);
  }
  if (isNative && !quick) {
    // The second call of a shape this large builds the graph.
    const building: Sample[] = [];
    for (let i = 1; i <= rounds; i++) {
      const inputs = inputsOf(length + i);
      const call = eager(dense, 'forward', inputs);
      await call();
      building.push(await call());
      tf.dispose(inputs);
    }
    report(
      `dense forward, T = ${length + 1} to ${length + rounds}, eager, second call`,
      { dense: building },
      'dense',
      [],
    );
  }
}

// Banded beside dense, forward + backward
if (runs('banded')) {
  const length = quick ? 1024 : 4096;
  const times = await compare(length, 'training', { banded, dense });
  report(`banded forward + backward, T = ${length}, W = ${window}, eager`, times, 'banded', [
    'dense',
    'PyTorch SDPA',
  ]);
  if (isNative) {
    report(`banded forward + backward, T = ${length}, W = ${window}, captured`, times, 'banded, captured', [
      'dense, captured',
      'PyTorch SDPA',
    ]);
  }
  report(`dense forward + backward, T = ${length}, eager`, times, 'dense', ['PyTorch SDPA']);
}

// Banded: does the time grow linearly?
if (runs('growth')) {
  const lengths = quick ? [512, 1024, 2048] : [2048, 4096, 8192, 16384];
  const inputs = lengths.map(inputsOf);
  const times = await interleave(
    Object.fromEntries(lengths.map((length, i) => [String(length), eager(banded, 'training', inputs[i]!)])),
  );
  tf.dispose(inputs);
  for (const length of lengths)
    report(`banded forward + backward, T = ${length}, eager`, times, String(length), []);
  const [first, last] = [lengths[0]!, lengths.at(-1)!];
  const slope = median(
    times[String(first)]!.map(
      (sample, i) => Math.log(times[String(last)]![i]![1] / sample[1]) / Math.log(last / first),
    ),
  );
  results.push({
    case: `banded, growth from T = ${first} to ${last}`,
    metric: 'exponent of processor time',
    unit: '',
    ours: round(slope),
    peers: {},
    ratio: {},
  });
  console.log(
    `${`banded, exponent of growth from ${first} to ${last}`.padEnd(52)} ${slope.toFixed(3)}   (1 is linear)`,
  );
}

// Sparse Transformer patterns beside dense, forward + backward
if (runs('sparse')) {
  const length = quick ? 2048 : 8192;
  const inputs = inputsOf(length);
  const times = await interleave(
    {
      strided: eager(strided, 'training', inputs),
      fixed: eager(fixed, 'training', inputs),
      dense: eager(dense, 'training', inputs),
    },
    quick ? 1 : 3,
  );
  tf.dispose(inputs);
  report(`strided (128) forward + backward, T = ${length}, eager`, times, 'strided', ['dense']);
  report(`fixed (128, 8) forward + backward, T = ${length}, eager`, times, 'fixed', ['dense']);
}

// A long prompt in linear memory
if (runs('prompt')) {
  const length = quick ? 4096 : 32768;
  const script = new URL('./long-prompt.ts', import.meta.url).pathname;
  const args = [...process.execArgv, script, String(length), isNative ? 'tensorflow' : 'wasm'];
  const output = execFileSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  const { seconds, peakBytes } = JSON.parse(output.trim().split('\n').at(-1)!) as {
    seconds: number;
    peakBytes: number;
  };
  const gigabytes = round(peakBytes / 2 ** 30);
  results.push({
    case: `chunked forward, T = ${length}`,
    metric: 'peak memory',
    unit: 'GiB',
    ours: gigabytes,
    peers: {},
    ratio: {},
  });
  console.log(
    `${`chunked forward, T = ${length}`.padEnd(52)} ${gigabytes} GiB peak, ${seconds.toFixed(1)} s`,
  );
}

if (typeof torch !== 'string') torch.close();
console.log(
  JSON.stringify({
    bench: 'attention',
    machine: {
      cpu: os.cpus()[0]?.model,
      threads: os.availableParallelism(),
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      node: process.version,
      backend: info.backend,
      library: info.library,
      torch: typeof torch === 'string' ? null : torch.version,
      date: new Date().toISOString().slice(0, 10),
      loadAverage: os.loadavg().map(round),
    },
    results,
  }),
);
