#!/usr/bin/env node
// Runs every program of examples/ (or those named) on the built packages; a failure or a program of 60 lines stops the build.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, run, StepError } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

const MOST_LINES = 60;
const folder = join(root, 'examples');
const only = process.argv.slice(2);
const files = readdirSync(folder).filter(
  (name) => name.endsWith('.ts') && (only.length === 0 || only.includes(name.slice(0, -3))),
);

await main(async () => {
  for (const file of files) {
    const lines = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n').length;
    if (lines >= MOST_LINES)
      throw new StepError(`examples/${file} has ${lines} lines`, `keep it below ${MOST_LINES}`);
    await run('tsx', [file], { cwd: folder, env: environment(), fix: `see examples/${file}` });
  }
  const page = only.length === 0 || only.includes('browser-inference');
  if (page) {
    const { output } = await run(process.execPath, ['browser-inference/check.mjs'], {
      cwd: folder,
      env: environment(),
    });
    for (const line of output.split('\n').filter((text) => /skipped: /.test(text))) console.log(line);
  }
  console.log(`${files.length + Number(page)} examples ran`);
});
