/**
 * Whole PPO iterations (sampling, measurements, advantages, one update of policy and value model) beside the same loop in
 * PyTorch, in turns, so that both meet the same machine. PyTorch's measures policy and value model before the update, ours
 * inside of it. No end token: all completions have the same length.
 */
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { GPT, initCompute } from '@gpt-lineage/gpt-core';
import { findPython, PythonPeer } from '../../../tools/bench/python-peer.js';
import { copyModel, PPOTrainer, ScalarHeadModel } from '../src/index.js';
import { NativeShare } from './native-share.js';
import { numbersTokenizer } from './numbers-tokenizer.js';

const quick = process.argv.includes('--quick');
const turns = quick ? 3 : 12;
const sizes = {
  vocabSize: 1024,
  contextLength: 64,
  nLayer: 4,
  nHead: 4,
  nEmbd: 128,
  episodes: 32,
  promptTokens: 16,
  maxTokens: 32,
};
const compute = await initCompute();
const { episodes, promptTokens, maxTokens, ...config } = sizes;
using policy = GPT.create(config as never, { seed: 1, tokenizer: numbersTokenizer(sizes.vocabSize) });
using reference = copyModel(policy);
using value = ScalarHeadModel.create(policy);
const prompts = Array.from({ length: episodes }, (_, row) => ({
  prompt: Array.from({ length: promptTokens }, (_, at) => 1 + ((row * 31 + at * 7) % 1000)).join(' '),
}));
const trainer = new PPOTrainer({
  policy,
  reference,
  value,
  prompts,
  reward: async (rollouts) =>
    rollouts.map(
      ({ completionTokenIds }) => completionTokenIds.filter((id) => id % 2 === 1).length / maxTokens,
    ),
  iterations: turns + 3,
  episodes,
  maxTokens,
  learningRate: 1e-5,
});

const python = findPython(['torch', 'transformers']);
if (!python) console.log('PyTorch with transformers is absent: set PEERS_PYTHON to compare');
const script = fileURLToPath(new URL('./peers/ppo.py', import.meta.url));
const peer = python ? new PythonPeer(python, script, [JSON.stringify(sizes)]) : undefined;
await peer?.ask();

const ours: number[] = [];
const theirs: number[] = [];
const events = trainer.train();
const share = new NativeShare();
let nativeShare = 0;
let from = performance.now();
let iteration = 0;
for await (const event of events) {
  if (event.type !== 'update') continue;
  iteration += 1;
  const seconds = (performance.now() - from) / 1000;
  if (iteration > 2) ours.push(seconds); // the first two compile
  if (iteration > 2 && peer && theirs.length < turns)
    theirs.push((await peer.ask<{ seconds: number }>('go')).seconds);
  // Watching slows JavaScript down a little: in one iteration more, which is not timed.
  if (iteration === turns + 2) await share.start();
  if (iteration === turns + 3) nativeShare = await share.stop();
  from = performance.now();
}
ours.length = turns;
peer?.close();

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const tokens = episodes * maxTokens;
const rate = tokens / median(ours);
const peers = theirs.length > 0 ? { 'PyTorch + transformers': tokens / median(theirs) } : {};
const results = [
  {
    case: '4 × 128, 32 episodes of 16 + 32 tokens',
    metric: 'completion tokens of full iterations',
    unit: 'tokens/s',
    ours: rate,
    peers,
    ratio: Object.fromEntries(Object.entries(peers).map(([name, other]) => [name, rate / other])),
  },
  {
    case: 'share of an iteration in native code',
    metric: 'samples of the main thread idle or in ONNX Runtime',
    unit: '',
    ours: nativeShare,
    peers: {},
    ratio: {},
  },
];
for (const { case: name, metric, unit, ours: own, peers: others, ratio } of results)
  console.log(
    `${name}: ${metric} ${own.toPrecision(4)} ${unit} ${JSON.stringify(others)} ${JSON.stringify(ratio)}`,
  );
const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${compute.backend}`;
console.log(JSON.stringify({ bench: 'ppo', machine, date: new Date().toISOString(), results }));
