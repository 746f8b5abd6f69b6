#!/usr/bin/env node
// Times what a newcomer does who follows the README on a bare machine: a fresh clone, empty caches, the web app, the
// tests, a model of a text of their own, served and asked by the OpenAI client. `node tools/newcomer.mjs [--json FILE]`
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { main, run, StepError, seconds, step } from './lib/steps.mjs';
import { root } from './lib/workspace.mjs';

const MOST_MINUTES = 15;
const jsonAt = process.argv.indexOf('--json');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const home = mkdtempSync(join(tmpdir(), 'gpt-newcomer-'));
const clone = join(home, 'gpt-lineage');
const pipConfig = ['.config/pip/pip.conf', '.pip/pip.conf']
  .map((name) => join(homedir(), name))
  .find(existsSync);
const env = {
  HOME: home,
  XDG_CACHE_HOME: join(home, '.cache'),
  npm_config_cache: join(home, 'npm'),
  npm_config_store_dir: join(home, 'store'),
  // A new home, but the registries of this machine.
  npm_config_userconfig: join(homedir(), '.npmrc'),
  ...(pipConfig ? { PIP_CONFIG_FILE: pipConfig } : {}),
};
const times = {};

/** A step with its time kept. */
async function timed(title, body) {
  const begin = Date.now();
  await step(title, body);
  times[title] = (Date.now() - begin) / 1000;
}

/** A command line of the README, as it stands there. */
function fromReadme(line) {
  if (!readme.includes(line))
    throw new StepError(`the README does not say: ${line}`, 'mend the README or this script');
  return line.split(/\s+#/)[0].split(' ');
}

const follow = (line) => {
  const [command, ...args] = fromReadme(line);
  return run(command, args, { cwd: clone, env });
};

/** Starts a command of the README that stays, waits until `ready` holds, and gives the way to end it. */
async function stays(line, ready) {
  const [command, ...args] = fromReadme(line);
  const child = spawn(command, args, {
    cwd: clone,
    env: { ...process.env, ...env },
    detached: true,
    stdio: 'ignore',
  });
  const end = () => process.kill(-child.pid, 'SIGTERM');
  for (let waited = 0; !(await ready().catch(() => false)); waited++) {
    if (child.exitCode !== null || waited > 600) throw new StepError(`${line} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return end;
}

/** The JavaScript block of the README that asks the server. */
function clientProgram() {
  const block = /```js\n(import OpenAI[\s\S]*?)```/.exec(readme);
  if (!block) throw new StepError('the README has no program with the OpenAI client');
  return block[1];
}

const base = 'http://127.0.0.1:8000';
const answers = async (path) => (await fetch(`${base}${path}`)).ok;

await main(async () => {
  const began = Date.now();
  try {
    await timed('clone', () => run('git', ['clone', '--quiet', root, clone]));
    await timed('the web app, and a first model', async () => {
      let page;
      const [command, ...args] = fromReadme('npm start');
      const poll = setInterval(async () => {
        if (page === undefined && (await answers('/').catch(() => false))) page = Date.now() - began;
      }, 500);
      await run(command, args, { cwd: clone, env }).finally(() => clearInterval(poll));
      if (page === undefined) throw new StepError('npm start showed no web app', `look at ${clone}`);
      return `page after ${seconds(page)}`;
    });
    await timed('the tests', () => follow('npm test -- --quick'));
    await timed('a model of a text of one’s own', async () => {
      const book = join(clone, 'packages/trainer-rlhf/data/books/the-wonderful-wizard-of-oz.txt.gz');
      writeFileSync(join(clone, 'my-text.txt'), gunzipSync(readFileSync(book)));
      await follow(
        'npm run gpt -- pretrain --recipe shakespeare-cpu --text my-text.txt --steps 500 --out runs/mine',
      );
    });
    await timed('served and asked by the OpenAI client', async () => {
      const end = await stays('npm run demo -- --add-model runs/mine', () => answers('/health'));
      try {
        await follow('npm install --no-save --prefix client openai');
        writeFileSync(join(clone, 'client/ask.mjs'), clientProgram());
        const { status, stdout, stderr } = spawnSync(process.execPath, ['client/ask.mjs'], { cwd: clone });
        const text = stdout.toString().trim();
        if (status !== 0 || text === '') throw new StepError(`the client failed: ${stderr}`);
        return JSON.stringify(text.slice(0, 60));
      } finally {
        end();
      }
    });
    const minutes = (Date.now() - began) / 60_000;
    console.log(`\n${minutes.toFixed(1)} minutes in all; ${MOST_MINUTES} are promised`);
    if (jsonAt > 0) {
      const report = { node: process.version, minutes, seconds: times, date: new Date().toISOString() };
      writeFileSync(process.argv[jsonAt + 1], `${JSON.stringify(report, null, 2)}\n`);
    }
    if (minutes > MOST_MINUTES) throw new StepError('too slow');
  } finally {
    if (existsSync(home) && !process.argv.includes('--keep')) rmSync(home, { recursive: true, force: true });
  }
});
