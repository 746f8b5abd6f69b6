#!/usr/bin/env node
// Runs every block fenced as ```ts run in the pages of the packages and of the documentation: an example that stops
// working stops the build. A block fenced as ```ts alone is a fragment, of something that needs files or other hosts.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { examplesOf } from './lib/readme.mjs';
import { main, run } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

const only = process.argv[2];

/** Pages of a folder and of its `docs/`, each with the folder whose dependencies its examples use. */
const pagesOf = (group, folder, dependencies = folder) =>
  [folder, join(folder, 'docs')].flatMap((at) =>
    existsSync(at)
      ? readdirSync(at)
          .filter((name) => name.endsWith('.md'))
          .map((name) => ({ group, page: join(at, name), folder: dependencies }))
      : [],
  );

const pages = [
  ...readdirSync(join(root, 'packages')).flatMap((name) => pagesOf(name, join(root, 'packages', name))),
  ...['docs/guide', 'docs/zh'].flatMap((at) => pagesOf('docs', join(root, at), join(root, 'examples'))),
].filter(({ group }) => !only || only === group);

await main(async () => {
  let count = 0;
  for (const { page, folder } of pages) {
    const examples = examplesOf(readFileSync(page, 'utf8'));
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
