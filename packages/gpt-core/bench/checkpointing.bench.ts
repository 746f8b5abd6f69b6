/**
 * Gradient checkpointing on GPT-2 small: peak memory of the process and time of a step with and without, each in a
 * process of its own. Weights, gradients and Adam's moments (16 bytes a parameter) are there either way.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type GPTConfigInput, presets } from '../src/index.js';
import { type BenchResult, report } from './report.js';

const quick = process.argv.includes('--quick');
const number = (name: string, fallback: number) => {
  const found = process.argv.find((arg) => arg.startsWith(`--${name}=`));
  return found === undefined ? fallback : Number(found.split('=')[1]);
};
const batchSize = number('batch', quick ? 6 : 2);
const steps = number('steps', 3);
const contextLength = number('context', quick ? 512 : 1024);
const dropouts = { embeddingDropout: 0, attentionDropout: 0, residualDropout: 0 };
const model: GPTConfigInput = quick
  ? { nLayer: 12, nHead: 4, nEmbd: 256, vocabSize: 1000, contextLength, ...dropouts }
  : { ...presets.gpt2, contextLength, ...dropouts };

interface Measured {
  parameters: number;
  peakBytes: number;
  losses: number[];
  stepMs: number[];
  cpuMs: number[];
}

function measure(gradientCheckpointing: boolean): Measured {
  const worker = fileURLToPath(new URL('./step-memory.ts', import.meta.url));
  const settings = JSON.stringify({ model, batchSize, steps, gradientCheckpointing });
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=@gpt-lineage/source', '--import', 'tsx', worker, settings],
    { encoding: 'utf8' },
  );
  const line = stdout.trim().split('\n').at(-1);
  if (!line?.startsWith('{'))
    throw new Error(`A measurement failed: ${stderr.trim().split('\n').slice(-5).join('\n')}`);
  return JSON.parse(line) as Measured;
}

const kept = measure(false);
const recomputed = measure(true);
// The first step compiles the graph.
const last = (times: readonly number[]) => Math.min(...times.slice(1));
const own = ({ peakBytes, parameters }: Measured) => peakBytes - 16 * parameters;
const name = `${quick ? '12 x 256' : 'GPT-2 small'}, batch ${batchSize} x ${contextLength}`;
const row = (metric: string, unit: string, ours: number, other: number): BenchResult => ({
  case: name,
  metric,
  unit,
  ours,
  peers: { 'without-checkpointing': other },
  ratio: { 'without-checkpointing': other / ours },
});
const difference = Math.max(...kept.losses.map((loss, i) => Math.abs(loss - recomputed.losses[i]!)));
report(
  'gpt-core/checkpointing',
  [
    row('peak memory of the process', 'MB', recomputed.peakBytes / 1e6, kept.peakBytes / 1e6),
    row('the same less weights, gradients, moments', 'MB', own(recomputed) / 1e6, own(kept) / 1e6),
    row('time of a step', 's', last(recomputed.stepMs) / 1000, last(kept.stepMs) / 1000),
    row('processor time of a step', 's', last(recomputed.cpuMs) / 1000, last(kept.cpuMs) / 1000),
  ],
  { largestDifferenceOfLosses: difference },
);
