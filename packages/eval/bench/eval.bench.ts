/**
 * MMLU-format questions, five shots, four choices: items a second with shared beginnings read once, beside scoring every
 * choice from scratch and beside lm-evaluation-harness (transformers on PyTorch), same checkpoint, same processor, same
 * log-likelihoods. Both sides take turns; medians are reported.
 */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GPT, initCompute, localLanguageModel } from '@gpt-lineage/gpt-core';
import { findPython, PythonPeer } from '../../../tools/bench/python-peer.js';
import { readRecords } from '../src/data/read-records.js';
import { bundledData, evaluate, listTasks } from '../src/index.js';
import { encodePair } from '../src/requests/encode-pair.js';
import { buildItems } from '../src/tasks/build-items.js';

const quick = process.argv.includes('--quick');
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const task = listTasks().find(({ name }) => name === 'mmlu_astronomy')!;
const compute = await initCompute();
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

interface Case {
  readonly name: string;
  readonly shape: { nLayer: number; nHead: number; nEmbd: number };
  /** Questions, and how many of them are also scored from scratch. */
  readonly items: number;
  readonly scratch: number;
}

const cases: Case[] = [
  {
    name: '6 layers × 384',
    shape: { nLayer: 6, nHead: 6, nEmbd: 384 },
    items: quick ? 6 : 24,
    scratch: quick ? 1 : 3,
  },
  ...(quick
    ? []
    : [{ name: '12 layers × 768', shape: { nLayer: 12, nHead: 12, nEmbd: 768 }, items: 8, scratch: 1 }]),
];
const turns = quick ? 1 : 3;

const folder = await mkdtemp(join(tmpdir(), 'gpt-eval-bench-'));
const python = findPython(['torch', 'transformers', 'lm_eval', 'datasets']);
if (!python) console.log('lm-evaluation-harness is absent: set PEERS_PYTHON to compare');

/** The files that the harness reads: its own field names. */
async function harnessFiles(): Promise<[test: string, dev: string]> {
  const paths: [string, string] = [join(folder, 'test.jsonl'), join(folder, 'dev.jsonl')];
  for (const [index, split] of (['test', 'dev'] as const).entries()) {
    const rows = await readRecords(join(bundledData(), task.data.files[split]!), task.data.columns);
    const lines = rows.map(({ question, A, B, C, D, answer }) =>
      JSON.stringify({ question, choices: [A, B, C, D], answer: 'ABCD'.indexOf(String(answer)) }),
    );
    await writeFile(paths[index]!, `${lines.join('\n')}\n`);
  }
  return paths;
}

async function run({ name, shape, items, scratch }: Case) {
  const checkpoint = join(folder, name.replaceAll(/\W+/gu, '-'));
  const tokenized = await GPT.load(here('../test/fixtures/lm-eval/model'));
  const gpt = GPT.create(
    {
      ...shape,
      vocabSize: 1000,
      contextLength: 2048,
      layerPattern: 'dense',
      eosTokenId: 0,
      bosTokenId: 0,
    } as never,
    { seed: 1, tokenizer: tokenized.tokenizer! },
  );
  tokenized.dispose();
  await gpt.save(checkpoint);
  // The peer reads the tokenizer as it was trained.
  await copyFile(here('../test/fixtures/lm-eval/model/tokenizer.json'), join(checkpoint, 'tokenizer.json'));
  const model = localLanguageModel(gpt);
  const peer = python
    ? new PythonPeer(python, here('peers/lm_eval_mmlu.py'), [
        checkpoint,
        ...(await harnessFiles()),
        task.description!,
      ])
    : undefined;
  const { ready } = (await peer?.ask<{ ready: string }>()) ?? { ready: 'absent' };

  const ours: number[] = [];
  const theirs: number[] = [];
  let ownLogLikelihoods: number[][] = [];
  let difference = 0;
  for (let turn = 0; turn <= turns; turn++) {
    const start = performance.now();
    const report = await evaluate(model, { tasks: [task], shots: 5, limit: items, logSamples: true });
    const seconds = (performance.now() - start) / 1000;
    ownLogLikelihoods = report.tasks[0]!.samples.map((sample) =>
      (sample.outputs as { logLikelihood: number }[]).map(({ logLikelihood }) => logLikelihood),
    );
    const answer = await peer?.ask<{ seconds: number; items: number[][] }>(JSON.stringify({ limit: items }));
    if (answer) {
      const gaps = answer.items.flat().map((value, i) => Math.abs(value - ownLogLikelihoods.flat()[i]!));
      difference = Math.max(...gaps);
    }
    if (turn === 0) continue; // warm-up
    ours.push(items / seconds);
    if (answer) theirs.push(items / answer.seconds);
  }
  peer?.close();

  // From scratch: every choice is a request of its own.
  const { contexts } = await buildItems(task, {
    shots: 5,
    seed: 1234,
    limit: scratch,
    dataFolder: bundledData(),
  });
  const requests = await Promise.all(
    contexts.flatMap(({ doc, preamble }) =>
      ['A', 'B', 'C', 'D'].map((choice) =>
        encodePair(
          model,
          preamble + (task as { prompt: (doc: unknown) => string }).prompt(doc),
          ` ${choice}`,
        ),
      ),
    ),
  );
  const start = performance.now();
  const alone: number[] = [];
  for (const request of requests) alone.push((await model.score([request]))[0]!.logLikelihood);
  const fromScratch = scratch / ((performance.now() - start) / 1000);
  const gap = Math.max(...alone.map((value, i) => Math.abs(value - ownLogLikelihoods.flat()[i]!)));
  gpt.dispose();

  const own = median(ours);
  const harness = theirs.length > 0 ? median(theirs) : undefined;
  const peers = {
    'each choice from scratch': fromScratch,
    ...(harness ? { 'lm-evaluation-harness': harness } : {}),
  };
  const ratio = Object.fromEntries(Object.entries(peers).map(([peer, value]) => [peer, own / value]));
  console.log(
    `${name}: ${own.toFixed(2)} items/s; ${Object.entries(peers)
      .map(([peer, value]) => `${peer} ${value.toFixed(3)} (ratio ${ratio[peer]!.toFixed(2)})`)
      .join(
        ', ',
      )}; largest difference of a log-likelihood ${gap.toExponential(1)} from scratch, ${difference.toExponential(1)} from the harness; ${ready}`,
  );
  return {
    case: `MMLU format, 5 shots, 4 choices, ${requests[0]!.promptTokenIds.length} tokens, ${name}`,
    metric: 'throughput',
    unit: 'items/s',
    ours: own,
    peers,
    ratio,
    largestDifference: {
      'each choice from scratch': gap,
      ...(harness ? { 'lm-evaluation-harness': difference } : {}),
    },
    note: ready,
  };
}

try {
  const results = [];
  for (const one of cases) results.push(await run(one));
  const [first] = cpus();
  console.log(
    JSON.stringify({
      bench: 'eval',
      machine: `${cpus().length} × ${first?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${compute.backend}`,
      date: new Date().toISOString(),
      results,
    }),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
