/**
 * Training steps (forward, backward, AdamW) of two GPTs: captured and eager, float32 and bfloat16, beside PyTorch. Every
 * variant is a process; they stay up together and take turns, so that a busy machine disturbs all alike.
 *
 * `--only TEXT` runs the parts whose name contains TEXT: `gpt2-small 2x256 float32`, `6x384 16x256 bf16`, `onnx`,
 * `long run`. `--rounds N` sets how often each variant takes its turn.
 */
import os from 'node:os';
import { type GptShape, shapes } from './gpt.js';
import {
  median,
  Server as Process,
  printResults,
  python,
  type Result,
  result,
  type Server,
  typescript,
} from './process.js';

const quick = process.argv.includes('--quick');
const roundsAt = process.argv.indexOf('--rounds');
const rounds = roundsAt >= 0 ? Number(process.argv[roundsAt + 1]) : quick ? 2 : 6;
const onlyAt = process.argv.indexOf('--only');
const only = onlyAt >= 0 ? (process.argv[onlyAt + 1] ?? '') : '';
const wanted = (part: string) => part.includes(only);
const results: Result[] = [];

interface Variant {
  readonly name: string;
  readonly start: () => Server;
}

interface Measured {
  readonly seconds: number;
  readonly cpu: number;
  readonly memory: number;
  readonly losses: readonly number[];
}

/** Runs the variants in turns; one that cannot start is reported and left out. */
async function measure(variants: readonly Variant[], stepsPerRound = 1): Promise<Map<string, Measured>> {
  const running: { name: string; server: Server; seconds: number[]; cpu: number[]; losses: number[] }[] = [];
  for (const { name, start } of variants) {
    const server = start();
    try {
      await server.read();
      running.push({ name, server, seconds: [], cpu: [], losses: [] });
    } catch (error) {
      console.log(`${name}: did not start (${(error as Error).message.trim().split('\n').at(-1)})`);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const one of running) {
      const answer = JSON.parse(await one.server.ask(`step ${stepsPerRound}`)) as {
        seconds: number[];
        cpu: number[];
        losses?: number[];
      };
      one.seconds.push(...answer.seconds);
      one.cpu.push(...answer.cpu);
      one.losses.push(...(answer.losses ?? []));
    }
  }
  const out = new Map<string, Measured>();
  for (const { name, server, seconds, cpu, losses } of running) {
    const memory = Number(await server.ask('memory'));
    server.end();
    console.log(`  ${name}: ${median(seconds).toFixed(3)} s a step`);
    out.set(name, { seconds: median(seconds), cpu: median(cpu), memory, losses });
  }
  return out;
}

const torch = python('torch');
if ('absent' in torch) console.log(`PyTorch: absent (${torch.absent})`);

function torchVariants(shape: GptShape, precision: string): Variant[] {
  if ('absent' in torch) return [];
  const sizes = [shape.vocabSize, shape.contextLength, shape.nLayer, shape.nEmbd, shape.nHead];
  const script = new URL('peers/torch_gpt.py', import.meta.url).pathname;
  const args = [script, ...sizes.map(String), `${shape.batch}`, `${shape.length}`];
  return (quick ? ['eager'] : ['eager', 'compiled']).map((mode) => ({
    name: `PyTorch ${mode}`,
    start: () => new Process(torch.command, [...args, mode, precision]),
  }));
}

function record(name: string, tokens: number, measured: Map<string, Measured>): void {
  const ours = measured.get('ours');
  if (ours === undefined) return;
  const peers = [...measured].filter(([variant]) => variant !== 'ours');
  const pick = (read: (m: Measured) => number) =>
    Object.fromEntries(peers.map(([variant, value]) => [variant, read(value)]));
  results.push(
    result(
      name,
      'training speed',
      'tokens/s',
      tokens / ours.seconds,
      pick((m) => tokens / m.seconds),
    ),
    result(
      name,
      'processor time per step',
      's',
      ours.cpu,
      pick((m) => m.cpu),
      true,
    ),
    result(
      name,
      'peak memory',
      'MB',
      ours.memory / 1e6,
      pick((m) => m.memory / 1e6),
      true,
    ),
  );
}

const names = Object.keys(shapes).reverse();
for (const name of quick ? names.slice(0, 1) : names) {
  const shape = shapes[name]!;
  const tokens = shape.batch * shape.length;
  for (const precision of ['float32', 'bf16']) {
    if (!wanted(`${name} ${precision}`)) continue;
    const variants: Variant[] = [
      {
        name: 'ours',
        start: () => typescript('train-worker.ts', [name, 'captured', precision, 'tensorflow']),
      },
      ...torchVariants(shape, precision),
    ];
    if (precision === 'float32') {
      variants.push({
        name: 'eager',
        start: () => typescript('train-worker.ts', [name, 'eager', precision]),
      });
    }
    record(`${name} ${precision}`, tokens, await measure(variants));
  }
}

// npm packages alone: ONNX Runtime against the wasm backend.
if (wanted('onnx')) {
  const name = names[0]!;
  const shape = shapes[name]!;
  const without = { GPT_LINEAGE_LIBTENSORFLOW: 'off' };
  const measured = await measure([
    {
      name: 'ours',
      start: () => typescript('train-worker.ts', [name, 'captured', 'float32', 'onnx', 'wasm'], without),
    },
    {
      name: 'wasm eager',
      start: () => typescript('train-worker.ts', [name, 'eager', 'float32', 'eager', 'wasm'], without),
    },
  ]);
  record(`${name} float32, ONNX Runtime`, shape.batch * shape.length, measured);
  const [a, b] = [measured.get('ours'), measured.get('wasm eager')];
  if (a !== undefined && b !== undefined) {
    const worst = Math.max(...a.losses.map((loss, i) => Math.abs(loss / b.losses[i]! - 1)));
    console.log(`losses of ONNX Runtime and wasm differ by ${worst.toExponential(1)} relative`);
  }
}

// Memory of a long run.
if (wanted('long run')) {
  const server = typescript('train-worker.ts', ['tiny', 'captured', 'float32', 'tensorflow']);
  try {
    await server.read();
    const total = quick ? 2000 : 10_000;
    await server.ask(`step ${total / 2}`);
    const half = Number(await server.ask('rss'));
    await server.ask(`step ${total / 2}`);
    const end = Number(await server.ask('rss'));
    console.log(`resident memory, step ${total / 2} → ${total}: ${half / 1e6} → ${end / 1e6} MB`);
    results.push(
      result('tiny model', `memory after ${total} steps`, 'MB', end / 1e6, { halfway: half / 1e6 }, true),
    );
  } catch {
    console.log('long run: no TensorFlow executor');
  }
  server.end();
}

printResults(results);
const machine = {
  cpu: os.cpus()[0]?.model,
  cores: os.cpus().length,
  memoryGB: os.totalmem() / 1e9,
  node: process.version,
};
console.log(
  JSON.stringify({ bench: 'compute/train-step', machine, date: new Date().toISOString(), results }),
);
process.exit(0);
