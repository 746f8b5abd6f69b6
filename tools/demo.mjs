#!/usr/bin/env node
// `npm run demo`: from a fresh clone to the web app and the OpenAI-compatible server, with the repository's own models.
import { join } from 'node:path';
import { main, run } from './lib/steps.mjs';
import { environment, root, setUp } from './lib/workspace.mjs';

await main(async () => {
  await setUp({ packages: ['demo'], types: false });
  const demo = join(root, 'apps/demo/dist/cli.js');
  await run(process.execPath, [demo, 'serve', ...process.argv.slice(2)], {
    show: true,
    cwd: root,
    env: environment(),
  });
});
