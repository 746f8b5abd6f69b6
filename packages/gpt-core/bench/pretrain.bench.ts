/**
 * Pretraining beside PyTorch: nanoGPT's Shakespeare models from the same weights on the same batches, in turns of a
 * few steps, so that both meet the same machine. Dropout is off, as two libraries draw different masks.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import { findPython, PythonPeer } from '../../../tools/bench/python-peer.js';
import {
  CharacterTokenizer,
  GPT,
  type PretrainOptions,
  pretrain,
  type Recipe,
  recipes,
  type TokenBatch,
  textSource,
  validationLoss,
} from '../src/index.js';
import { type BenchResult, median, report } from './report.js';

const quick = process.argv.includes('--quick');
const only = process.argv.find((arg) => arg.startsWith('--case='))?.slice('--case='.length);
const stepsAsked = process.argv.find((arg) => arg.startsWith('--steps='))?.slice('--steps='.length);
const here = fileURLToPath(new URL('.', import.meta.url));
const text = readFileSync(join(here, '../data/tinyshakespeare.txt'), 'utf8');
const tokenizer = CharacterTokenizer.train(text);
const python = findPython(['torch', 'transformers']);
if (!python) console.log('PyTorch with transformers is absent: set PEERS_PYTHON to compare');

interface Case {
  name: string;
  recipe: 'shakespeare-cpu' | 'shakespeare-gpu';
  batchSize: number;
  steps: number;
  turn: number;
  precision: 'float32' | 'bf16';
}

const cases: Case[] = [
  {
    name: '6 x 384, context 256, float32',
    recipe: 'shakespeare-gpu',
    batchSize: 16,
    steps: quick ? 4 : 40,
    turn: 4,
    precision: 'float32',
  },
  {
    name: '6 x 384, context 256, bf16',
    recipe: 'shakespeare-gpu',
    batchSize: 16,
    steps: quick ? 4 : 40,
    turn: 4,
    precision: 'bf16',
  },
  {
    name: '4 x 128, context 64, float32',
    recipe: 'shakespeare-cpu',
    batchSize: 12,
    steps: quick ? 20 : 2000,
    turn: quick ? 10 : 100,
    precision: 'float32',
  },
];

const { backend } = await initCompute();
const results: BenchResult[] = [];
for (const entry of cases)
  if (only === undefined || entry.name.startsWith(only))
    results.push(...(await run(stepsAsked === undefined ? entry : { ...entry, steps: Number(stepsAsked) })));
report('gpt-core/pretrain', results, { backend });

async function run({ name, recipe, batchSize, steps, turn, precision }: Case): Promise<BenchResult[]> {
  const { model: sizes, training: all } = recipes[recipe] as Recipe;
  // PyTorch's side does not average weights.
  const { emaDecay: _, ...training } = all;
  const contextLength = sizes.contextLength!;
  const { train, validation } = textSource(text, tokenizer, {
    contextLength,
    sampling: 'random',
    seed: 1337,
  });
  using model = GPT.create(
    {
      ...sizes,
      embeddingDropout: 0,
      attentionDropout: 0,
      residualDropout: 0,
      vocabSize: tokenizer.vocabSize,
    },
    { seed: 1337 },
  );
  const options: PretrainOptions = {
    ...training,
    batchSize,
    steps,
    precision,
    warmup: Math.min(training.warmup!, steps / 4),
    validateEvery: steps + 1,
  };
  const folder = mkdtempSync(join(tmpdir(), 'gpt-bench-'));
  try {
    const batches: TokenBatch[] = [];
    for (let i = 0; i < steps; i++) batches.push(await train.next(batchSize));
    const held = [...(validation!.batches(batchSize, quick ? 2 : 20) as Iterable<TokenBatch>)];
    await model.save(folder);
    const dump = (file: string, rows: readonly Int32Array[]) =>
      writeFileSync(
        join(folder, file),
        Buffer.concat(rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength))),
      );
    dump(
      'ids.bin',
      batches.map(({ tokenIds }) => tokenIds),
    );
    dump(
      'labels.bin',
      batches.map(({ labels }) => labels),
    );
    dump(
      'val-ids.bin',
      held.map(({ tokenIds }) => tokenIds),
    );
    dump(
      'val-labels.bin',
      held.map(({ labels }) => labels),
    );
    if (process.argv.includes('--progress')) console.log(`${name}: ready`);
    const settings = { ...options, contextLength, threads: cpus().length, betas: options.betas };
    const peer =
      python === undefined
        ? undefined
        : new PythonPeer(python, join(here, 'peers/train_gpt2.py'), [folder, JSON.stringify(settings)]);
    await peer?.ask();

    const ours: number[] = [];
    const theirs: number[] = [];
    let next = 0;
    const source = { ...train, next: () => batches[next++]! };
    for await (const event of pretrain(model, source, options)) {
      if (event.type !== 'step') continue;
      ours.push(event.durationMs);
      if (process.argv.includes('--progress'))
        console.log(`${event.step} ${Math.round(event.durationMs)} ms`);
      if (peer && (event.step % turn === 0 || event.step === steps)) {
        const { ms } = await peer.ask<{ ms: number[] }>(`step ${event.step - theirs.length}`);
        theirs.push(...ms);
      }
    }
    const { loss } = await validationLoss(model, { contextLength, batches: () => held });
    const perSecond = (times: readonly number[]) => (batchSize * contextLength * 1000) / median(times);
    // The first step compiles; a run of any length hides it, a short bench should not count it.
    const total = (times: readonly number[]) => times.slice(1).reduce((a, b) => a + b, 0) / 1000;
    const speed = perSecond(ours.slice(1));
    const rows: BenchResult[] = [
      { case: name, metric: 'training speed (median)', unit: 'tokens/s', ours: speed, peers: {}, ratio: {} },
      {
        case: name,
        metric: `wall time of ${steps - 1} steps`,
        unit: 's',
        ours: total(ours),
        peers: {},
        ratio: {},
      },
      { case: name, metric: 'validation loss', unit: 'nats', ours: loss, peers: {}, ratio: {} },
    ];
    if (peer) {
      const other = await peer.ask<{ loss: number }>('validate');
      peer.close();
      const peerName = precision === 'bf16' ? 'pytorch-bf16-autocast' : 'pytorch';
      const set = (row: BenchResult, value: number, ratio: number) => {
        row.peers[peerName] = value;
        row.ratio[peerName] = ratio;
      };
      const peerSpeed = perSecond(theirs.slice(1));
      set(rows[0]!, peerSpeed, speed / peerSpeed);
      set(rows[1]!, total(theirs), total(theirs) / total(ours));
      set(rows[2]!, other.loss, other.loss / loss);
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
