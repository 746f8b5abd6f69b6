// The demo's server with a tiny random model that answers to the name `tiny`, in a process of its own.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ByteTokenizer, GPT } from '@gpt-lineage/gpt-core';

const cli = fileURLToPath(new URL('../../apps/demo/dist/cli.js', import.meta.url));

/**
 * Needs an installed backend, for the model's first weights.
 *
 * @param {string} folder - where the model and the server's runs go
 * @param {{ shape: object, flags?: string[], env?: object }} options - the model's config, and what `serve` is told
 */
export async function startTinyServer(folder, { shape, flags = [], env = {} }) {
  const tokenizer = new ByteTokenizer();
  const model = GPT.create({ vocabSize: tokenizer.vocabSize, ...shape }, { seed: 1, tokenizer });
  await model.save(join(folder, 'tiny'));
  model.dispose();
  const where = ['--port', '0', '--model', join(folder, 'tiny'), '--runs', join(folder, 'jobs')];
  const child = fork(cli, ['serve', ...where, '--log-level', 'silent', ...flags], {
    env: { ...process.env, ...env },
    execArgv: [],
    silent: true,
  });
  let errors = '';
  child.stdout.resume();
  child.stderr.on('data', (chunk) => {
    errors = (errors + chunk).slice(-2000);
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const { url } = await Promise.race([
    new Promise((resolve) => child.once('message', resolve)),
    ended.then(() => Promise.reject(new Error(`the server did not start: ${errors}`))),
  ]);
  return { child, ended, url, errors: () => errors };
}
