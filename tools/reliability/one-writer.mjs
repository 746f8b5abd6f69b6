// Two runs on one output folder: the second one is refused with one clear sentence and harms nothing; a run that was killed
// does not keep the next one out.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ByteTokenizer, GPT } from '@gpt-lineage/gpt-core';

const cli = (name) => fileURLToPath(new URL(`../../packages/${name}/dist/cli.js`, import.meta.url));

/** Commands that write to `out`; `again` is what a later run on the same folder says. */
async function commands(folder) {
  const path = (name) => join(folder, name);
  const tokenizer = new ByteTokenizer();
  const shape = { vocabSize: tokenizer.vocabSize, contextLength: 64, nLayer: 1, nHead: 2, nEmbd: 16 };
  const model = GPT.create(shape, { seed: 1, tokenizer });
  await model.save(path('model'));
  model.dispose();
  writeFileSync(path('text.txt'), 'a text to remember again and again. '.repeat(60));
  const jsonl = (rows) => rows.map((row) => JSON.stringify(row)).join('\n');
  writeFileSync(path('pairs.jsonl'), jsonl([...'abcdef'].map((a) => ({ prompt: a, completion: a + a }))));
  const documents = Array.from({ length: 300 }, (_, i) => ({
    id: `${i}`,
    text: `document number ${i} ${i * i}`,
  }));
  writeFileSync(path('documents.jsonl'), jsonl(documents));
  writeFileSync(
    path('corpus.json'),
    JSON.stringify({
      output: 'corpus',
      sources: [{ name: 'a', files: ['documents.jsonl'] }],
      tokenizer: { encoding: 'gpt2' },
    }),
  );
  const small = ['--steps', '20', '--batch-size', '2', '--backend', 'cpu', '--quiet'];
  return {
    'gpt pretrain': {
      out: path('pretrain'),
      args: [
        ...[cli('gpt-core'), 'pretrain', '--text', path('text.txt'), '--out', path('pretrain'), ...small],
        ...['--n-layer', '1', '--n-head', '2', '--n-embd', '16', '--context-length', '16', '--no-sample'],
      ],
      again: ['--overwrite'],
    },
    'gpt-rlhf sft': {
      out: path('sft'),
      args: [
        ...[cli('trainer-rlhf'), 'sft', '--model', path('model'), '--data', path('pairs.jsonl')],
        ...['--out', path('sft'), ...small],
      ],
      again: ['--overwrite'],
    },
    'gpt-corpus build': {
      out: path('corpus'),
      args: [cli('corpus'), 'build', path('corpus.json')],
      again: [],
    },
    'gpt-eval run': {
      out: path('report'),
      args: [
        ...[cli('eval'), 'run', '--model', path('model'), '--tasks', 'lambada_openai', '--limit', '4'],
        ...['--output', path('report'), '--backend', 'cpu', '--quiet'],
      ],
      again: [],
    },
  };
}

function start(args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'close').then(([status]) => ({ status, stderr }));
  return { child, ended };
}

/** Starts a run and lets it go on until it holds its folder, then stops it there. */
async function holding(args, out) {
  const { child, ended } = start(args);
  let over = false;
  ended.then(() => {
    over = true;
  });
  while (!existsSync(join(out, '.in-use.json')) && !over)
    await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill('SIGSTOP');
  if (over) throw new Error(`the first run ended without a lock: ${(await ended).stderr}`);
  return { child, ended };
}

async function contend({ out, args, again }) {
  const first = await holding(args, out);
  const second = await start([...args, ...again]).ended;
  first.child.kill('SIGCONT');
  const { status, stderr } = await first.ended;
  if (second.status !== 1 || !second.stderr.includes('is in use by process'))
    throw new Error(`the second run ended with ${second.status}: ${second.stderr.slice(-300)}`);
  if (second.stderr.includes('    at ')) throw new Error('the second run printed a stack trace');
  if (status !== 0) throw new Error(`the first run ended with ${status}: ${stderr.slice(-300)}`);
  if (existsSync(join(out, '.in-use.json'))) throw new Error('the first run left its lock');

  rmSync(out, { recursive: true });
  const killed = await holding(args, out);
  killed.child.kill('SIGKILL');
  await killed.ended;
  const next = await start([...args, ...again]).ended;
  if (next.status !== 0)
    throw new Error(`after a kill the next run ended with ${next.status}: ${next.stderr}`);
}

/** @returns one line of the report for each command */
export async function contendForFolders() {
  const folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-contend-'));
  const lines = [];
  try {
    for (const [name, command] of Object.entries(await commands(folder))) {
      const failures = await contend(command).then(
        () => [],
        (error) => [error.message],
      );
      lines.push({ name, failures });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return lines;
}
