#!/usr/bin/env node
// `npm start`: from a fresh clone to the web app, and beside it a GPT that trains on Shakespeare, samples, saves,
// reloads and goes on. Later starts find that model and only open the app.
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { main, run, StepError, step } from './lib/steps.mjs';
import { environment, root, setUp } from './lib/workspace.mjs';

const flags = process.argv.slice(2);
const option = (name, fallback) => {
  const at = flags.indexOf(`--${name}`);
  return at >= 0 ? flags[at + 1] : fallback;
};

const isFree = (port) =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

/** The web app in a process of its own. @returns its address, how to give it a model, how to end it */
async function openApp(models) {
  const port = option('port', (await isFree(8000)) ? '8000' : '0');
  const cli = join(root, 'apps/demo/dist/cli.js');
  const given = models.length > 0 ? ['--add-model', ...models] : [];
  const child = fork(cli, ['serve', '--port', port, '--log-level', 'warn', ...given], {
    cwd: root,
    env: { ...process.env, ...environment() },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true, // Ctrl-C is for us; the app closes when we say so
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message.url));
    ended.then((code) =>
      reject(
        new StepError(`the web app ended with exit code ${code}`, 'see above; or: npm start -- --no-app'),
      ),
    );
  });
  return { url, ended, add: (model) => child.send({ model }), close: () => child.kill('SIGTERM') };
}

async function trainFirstModel(gpt, out) {
  const text = join(root, 'packages/gpt-core/data/tinyshakespeare.txt');
  await step('train a GPT on Tiny Shakespeare', () =>
    gpt(
      ...['pretrain', '--recipe', 'shakespeare-cpu', '--text', text, '--out', out],
      ...['--steps', option('steps', '500'), '--overwrite'],
    ),
  );
}

if (flags.includes('--help')) {
  console.log(`npm start -- [--train] [--steps N] [--out DIR] [--prompt TEXT] [--port N] [--no-app]

Sets the workspace up and opens the web app. Unless there is a model already, it trains the 4-layer character-level GPT
on Tiny Shakespeare meanwhile; that model continues a text here and can be talked to in the app. On a terminal the app
stays open until Ctrl-C; without one, it closes when a training is over.
  --train        train again
  --steps N      optimiser steps of a training (default 500; 2000 is the full recipe); trains again
  --out DIR      where the model is (default runs/shakespeare)
  --prompt TEXT  what the model continues (default "ROMEO:")
  --port N       port of the app (default 8000, or a free one)
  --no-app       only the training and the text`);
} else {
  await main(async () => {
    const withApp = !flags.includes('--no-app');
    await setUp({ packages: withApp ? ['gpt-core', 'demo'] : ['gpt-core'], types: false });
    const cli = join(root, 'packages/gpt-core/dist/cli.js');
    const gpt = (...args) =>
      run(process.execPath, [cli, ...args], { show: true, cwd: root, env: environment() });
    const out = option('out', join(root, 'runs/shakespeare'));
    const trained = existsSync(join(out, 'model.safetensors'));
    const trains = !trained || flags.includes('--train') || flags.includes('--steps');

    const app = withApp ? await step('open the web app', () => openApp(trains ? [] : [out])) : undefined;
    if (app)
      console.log(`\n  ${app.url}   chat, tokenizers, attention, training, alignment, vision, evaluation\n`);
    // The training hears Ctrl-C as well and saves a checkpoint.
    process.on('SIGINT', () => app?.close());
    try {
      if (trains) await trainFirstModel(gpt, out);
      await step('reload the checkpoint and continue a text', () =>
        gpt('generate', out, '--prompt', option('prompt', 'ROMEO:'), '--max-tokens', '300', '--seed', '1'),
      );
      if (trains) app?.add(out);
      console.log(`\nThe model is in ${out}. Continue a text of yours with:
  node packages/gpt-core/dist/cli.js generate ${out} --prompt "To be"`);
      if (app && (process.stdout.isTTY || !trains)) {
        console.log(`The web app is open at ${app.url}; Ctrl-C closes it.`);
        await app.ended;
      } else console.log('Open the web app again with:\n  npm start');
    } finally {
      app?.close();
    }
  });
}
