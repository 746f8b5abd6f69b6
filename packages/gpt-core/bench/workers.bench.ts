/**
 * Data-parallel training beside one process: two workers with one thread each against one process with two threads,
 * the same batch, the same two cores, in turns.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type BenchResult, median, report } from './report.js';

const quick = process.argv.includes('--quick');
const rounds = quick ? 1 : 3;
const script = fileURLToPath(new URL('./worker-speed.ts', import.meta.url));

interface Measured {
  stepMs: number[];
  losses: number[];
  tokensPerStep: number;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function start(threads: number, settings: object, workers = '', index = 0): Promise<Measured> {
  const runtime = ['--conditions=@gpt-lineage/source', '--import', 'tsx', script];
  const child = spawn(process.execPath, [...runtime, workers, String(index), JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TF_NUM_INTRAOP_THREADS: String(threads),
      OMP_NUM_THREADS: String(threads),
    },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Measured;
}

async function both(settings: object): Promise<Measured> {
  const workers = `127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`;
  const [first] = await Promise.all([start(1, settings, workers, 0), start(1, settings, workers, 1)]);
  return first!;
}

const cases = [
  { name: '6 x 384, context 256, batch 16', recipe: 'shakespeare-gpu', batchSize: 16, steps: quick ? 4 : 8 },
  { name: '4 x 128, context 64, batch 24', recipe: 'shakespeare-cpu', batchSize: 24, steps: quick ? 20 : 60 },
];
const results: BenchResult[] = [];
let largest = 0;
for (const { name, ...settings } of cases) {
  const one: number[] = [];
  const two: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const [alone, together] = [await start(2, settings), await both(settings)];
    // The first steps compile.
    const speed = ({ stepMs, tokensPerStep }: Measured) => (tokensPerStep * 1000) / median(stepMs.slice(2));
    one.push(speed(alone));
    two.push(speed(together));
    alone.losses.forEach((loss, i) => {
      largest = Math.max(largest, Math.abs(loss - together.losses[i]!));
    });
  }
  results.push({
    case: `two workers, one thread each: ${name}`,
    metric: 'training speed (median)',
    unit: 'tokens/s',
    ours: median(two),
    peers: { 'one-process-two-threads': median(one) },
    ratio: { 'one-process-two-threads': median(two) / median(one) },
  });
}
report('gpt-core/workers', results, { largestDifferenceOfLosses: largest });
