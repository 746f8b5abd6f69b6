#!/usr/bin/env node
// Runs every README block fenced as ```ts run: an example that stops working stops the build.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { main, run } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

const only = process.argv[2];
const folders = readdirSync(join(root, 'packages'))
  .filter((name) => !only || name === only)
  .map((name) => join(root, 'packages', name))
  .filter((folder) => existsSync(join(folder, 'README.md')));

await main(async () => {
  let count = 0;
  for (const folder of folders) {
    const readme = readFileSync(join(folder, 'README.md'), 'utf8');
    const examples = [...readme.matchAll(/^```ts run\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
    const scratch = join(folder, 'tmp');
    for (const [index, source] of examples.entries()) {
      mkdirSync(scratch, { recursive: true });
      const file = join(scratch, `readme-${index + 1}.mts`);
      writeFileSync(file, source);
      // The package is imported by its own name, hence from its built entry points.
      await run('tsx', [file], {
        cwd: folder,
        env: environment(),
        fix: `see ${relative(root, folder)}/README.md`,
      });
      count += 1;
    }
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${count} examples ran`);
});
