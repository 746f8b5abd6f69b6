#!/usr/bin/env node
// `npm start`: from a fresh clone to a GPT that trains on Shakespeare, samples, saves, reloads and goes on.
import { join } from 'node:path';
import { main, run, step } from './lib/steps.mjs';
import { environment, root, setUp } from './lib/workspace.mjs';

const flags = process.argv.slice(2);
const option = (name, fallback) => {
  const at = flags.indexOf(`--${name}`);
  return at >= 0 ? flags[at + 1] : fallback;
};

if (flags.includes('--help')) {
  console.log(`npm start -- [--steps N] [--out DIR] [--prompt TEXT]

Sets the workspace up, trains the 4-layer character-level GPT on Tiny Shakespeare and continues a text.
  --steps N      optimiser steps (default 500; 2000 is the full recipe)
  --out DIR      where the checkpoint goes (default runs/shakespeare)
  --prompt TEXT  what the reloaded model continues (default "ROMEO:")`);
} else {
  await main(async () => {
    await setUp({ packages: ['gpt-core'], types: false });
    const gpt = join(root, 'packages/gpt-core/dist/cli.js');
    const out = option('out', join(root, 'runs/shakespeare'));
    const text = join(root, 'packages/gpt-core/data/tinyshakespeare.txt');
    const call = (...args) =>
      run(process.execPath, [gpt, ...args], { show: true, cwd: root, env: environment() });

    await step('train a GPT on Tiny Shakespeare', async () => {
      await call(
        ...['pretrain', '--recipe', 'shakespeare-cpu', '--text', text, '--out', out],
        ...['--steps', option('steps', '500'), '--overwrite'],
      );
    });
    await step('reload the checkpoint and continue a text', async () => {
      const prompt = option('prompt', 'ROMEO:');
      await call('generate', out, '--prompt', prompt, '--max-tokens', '300', '--seed', '1');
    });
    console.log(`\nThe model is in ${out}. Continue a text of yours with:
  node packages/gpt-core/dist/cli.js generate ${out} --prompt "To be"
or talk to models, train and look inside them in the web app:
  npm run demo -- --model ${out}`);
  });
}
