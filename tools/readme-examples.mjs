#!/usr/bin/env node
// Runs every block fenced as ```ts run in the packages' READMEs and in the guide: an example that stops working
// stops the build.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { main, run } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

const only = process.argv[2];

/** Pages, each with the folder whose dependencies its examples use. */
const pages = [
  ...readdirSync(join(root, 'packages')).map((name) => ({
    group: name,
    page: join(root, 'packages', name, 'README.md'),
    folder: join(root, 'packages', name),
  })),
  ...readdirSync(join(root, 'docs/guide')).map((name) => ({
    group: 'docs',
    page: join(root, 'docs/guide', name),
    folder: join(root, 'examples'),
  })),
].filter(({ group, page }) => (!only || only === group) && existsSync(page));

await main(async () => {
  let count = 0;
  for (const { page, folder } of pages) {
    const examples = [...readFileSync(page, 'utf8').matchAll(/^```ts run\n([\s\S]*?)^```$/gm)].map(
      (match) => match[1],
    );
    const scratch = join(folder, 'tmp');
    for (const [index, source] of examples.entries()) {
      mkdirSync(scratch, { recursive: true });
      const file = join(scratch, `${basename(page, '.md').toLowerCase()}-${index + 1}.mts`);
      writeFileSync(file, source);
      // Packages are imported by name, hence from their built entry points.
      await run('tsx', [file], { cwd: folder, env: environment(), fix: `see ${relative(root, page)}` });
      count += 1;
    }
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${count} examples ran`);
});
