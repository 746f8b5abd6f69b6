import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { preference, RewardTrainer, ScalarHeadModel } from '../src/index.js';
import { collect, tinyModel } from './tiny-model.js';

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

/** Starts the command in a process of its own. */
export function startCli(args: readonly string[]): ChildProcess {
  const runtime = ['--conditions=@gpt-lineage/source', '--import', 'tsx', main];
  return spawn(process.execPath, [...runtime, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Waits for a process; its status and what it wrote. */
export async function finished(
  child: ChildProcess,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout, stderr };
}

const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Files that every phase can be run with, and the flags to do so. */
export async function tinyProject(folder: string) {
  mkdirSync(folder, { recursive: true });
  const path = (name: string) => join(folder, name);
  const letters = [...'bcdefg'];
  using model = tinyModel();
  await model.save(path('model'));
  const rankings = letters.map((letter) => preference(`${letter}?`, `${letter}a`, `${letter}z`));
  using reward = ScalarHeadModel.create(model);
  await collect(new RewardTrainer(reward, rankings, { epochs: 4, learningRate: 3e-3, batchSize: 6 }).train());
  await reward.save(path('reward'));
  const sums = ['1+1=2', '2+1=3', '3+1=4', '4+1=5'];
  writeFileSync(
    path('demonstrations.jsonl'),
    jsonl(letters.map((a) => ({ prompt: `${a}?`, completion: `${a}${a}` }))),
  );
  writeFileSync(
    path('rankings.jsonl'),
    jsonl(letters.map((a) => ({ prompt: `${a}?`, chosen: `${a}a`, rejected: `${a}z` }))),
  );
  writeFileSync(path('prompts.jsonl'), jsonl(letters.map((prompt) => ({ prompt, answer: 1 }))));
  writeFileSync(
    path('questions.jsonl'),
    jsonl(sums.map((sum) => ({ question: sum.slice(0, 4), answer: sum.slice(4) }))),
  );
  writeFileSync(path('text.txt'), 'a text to remember again and again. '.repeat(8));
  writeFileSync(
    path('grpo.yaml'),
    'iterations: 5\ngroups: 2\ngroupSize: 4\nminibatch: 4\nmaxTokens: 4\nrules:\n  - { type: regex, pattern: a }\n  - { type: length, max: 3, slack: 2, weight: 0.5 }\n',
  );
  const common = [
    '--model',
    path('model'),
    '--learning-rate',
    '0.002',
    '--checkpoint-every',
    '1',
    '--seed',
    '3',
  ];
  const onPolicy = [
    '--prompts',
    path('prompts.jsonl'),
    '--reward-model',
    path('reward'),
    '--max-tokens',
    '4',
  ];
  const commands: Record<string, string[]> = {
    sft: [
      'sft',
      ...common,
      '--data',
      path('demonstrations.jsonl'),
      '--steps',
      '10',
      '--batch-size',
      '2',
      '--packing',
      'none',
    ],
    rm: [
      'rm',
      ...common,
      '--data',
      path('rankings.jsonl'),
      '--steps',
      '10',
      '--batch-size',
      '2',
      '--center-on',
      path('demonstrations.jsonl'),
    ],
    dpo: ['dpo', ...common, '--data', path('rankings.jsonl'), '--steps', '10', '--batch-size', '2'],
    ppo: [
      ...['ppo', ...common, ...onPolicy, '--iterations', '5', '--episodes', '4', '--minibatch', '2'],
      ...['--pretraining', path('text.txt'), '--ema-decay', '0.9'],
    ],
    grpo: ['grpo', ...common, '--config', path('grpo.yaml'), '--prompts', path('prompts.jsonl')],
    improve: [
      ...[
        'improve',
        ...common,
        '--questions',
        path('questions.jsonl'),
        '--rounds',
        '2',
        '--paths',
        '6',
        '--max-tokens',
        '3',
      ],
      ...['--minimum-share', '0', '--epochs', '3', '--batch-size', '2', '--packing', 'none'],
    ],
  };
  return { path, commands };
}

/** The numbers of a run that must not depend on how often it was killed. */
export function curveOf(out: string): string[] {
  const file = join(out, 'metrics.jsonl');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === 'step' || type === 'rollout' || type === 'round' || type === 'update')
    .map(({ type, step, loss, metrics, samples }) => JSON.stringify({ type, step, loss, metrics, samples }));
}

export const lines = (out: string): number => {
  const file = join(out, 'metrics.jsonl');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
};
