#!/usr/bin/env node
import { spawn } from 'node:child_process';
// `pnpm bench [package] [--quick] [--json FILE]`: every bench of the workspace, or of one package, one after the other.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, StepError } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

const args = process.argv.slice(2);
const jsonAt = args.indexOf('--json');
const jsonFile = jsonAt >= 0 ? args[jsonAt + 1] : undefined;
const names = args.filter((arg, index) => !arg.startsWith('--') && (jsonAt < 0 || index !== jsonAt + 1));
const packages = ['packages', 'apps']
  .flatMap((group) =>
    readdirSync(join(root, group)).map((name) => ({ name, folder: join(root, group, name) })),
  )
  .filter(({ name }) => names.length === 0 || names.includes(name));
const benches = packages.flatMap(({ name, folder }) => {
  if (!existsSync(join(folder, 'bench'))) return [];
  return readdirSync(join(folder, 'bench'))
    .filter((file) => file.endsWith('.bench.ts'))
    .map((file) => ({ name, folder, file: join('bench', file) }));
});

/** Runs one bench with its output shown, and returns the JSON object of its last line. */
function runBench({ folder, file }) {
  return new Promise((resolve, reject) => {
    const flags = args.includes('--quick') ? ['--quick'] : [];
    const child = spawn('tsx', ['--conditions=@gpt-lineage/source', file, ...flags], {
      cwd: folder,
      env: { ...process.env, ...environment() },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) return reject(new StepError(`${file} ended with exit code ${code}`));
      resolve(JSON.parse(output.trim().split('\n').pop()));
    });
  });
}

await main(async () => {
  if (benches.length === 0)
    throw new StepError(
      `no bench in: ${names.join(', ')}`,
      `packages: ${packages.map(({ name }) => name).join(', ')}`,
    );
  const results = [];
  for (const bench of benches) {
    console.log(`\n# ${bench.name}: ${bench.file}`);
    results.push(await runBench(bench));
  }
  if (jsonFile) writeFileSync(jsonFile, `${JSON.stringify(results, null, 2)}\n`);
});
