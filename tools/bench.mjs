#!/usr/bin/env node
// `pnpm bench [package …] [--quick] [--json FILE] [--check]`: every bench of the workspace, or of some packages, one after
// the other, then one table of all ratios to the peers found on this machine, beside the committed ones. With `--check` a
// bench whose ratios lost more than a quarter on average fails; single ones that did are marked.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { committedResults, compareRatios, ratioTable, regressions } from './lib/bench-results.mjs';
import { main, StepError } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

const TOLERANCE = 0.25;
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
  const [results, failed] = [[], []];
  for (const bench of benches) {
    console.log(`\n# ${bench.name}: ${bench.file}`);
    try {
      results.push(await runBench(bench));
    } catch (error) {
      console.error(error.message);
      failed.push(`${bench.name}/${bench.file}`);
    }
    if (jsonFile) writeFileSync(jsonFile, `${JSON.stringify(results, null, 2)}\n`);
  }
  const committed = packages.flatMap(({ folder }) => committedResults(folder));
  const rows = compareRatios(results, committed, TOLERANCE);
  console.log(`\n${ratioTable(rows)}`);
  if (failed.length > 0) throw new StepError(`failed: ${failed.join(', ')}`);
  const regressed = regressions(rows, TOLERANCE);
  if (args.includes('--check') && regressed.length > 0)
    throw new StepError(
      `slower than what is committed:\n  ${regressed.join('\n  ')}`,
      'rerun on an idle machine; then find the change that did it, or commit the new results and say why',
    );
});
