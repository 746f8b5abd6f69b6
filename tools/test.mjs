#!/usr/bin/env node
// `npm test`: every check and every test of every package, from a fresh clone on. `--quick`: the tests alone, on the fastest
// backend.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { main, run, StepError, step } from './lib/steps.mjs';
import { environment, probeBackend, root, setUp } from './lib/workspace.mjs';

const reports = join(root, '.cache/test-reports');
const env = environment();
const totals = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const quick = process.argv.includes('--quick');

/** A step whose failure is noted while the others still run. */
async function check(title, body) {
  try {
    await step(title, body);
  } catch (error) {
    failures.push(title);
    console.error(`  ${error.message}`);
    if (error.fix) console.error(`  fix: ${error.fix}`);
  }
}

/** Runs vitest over the workspace (or some of its projects) on one backend and adds its counts to the totals. */
async function vitest(name, { projects = [], backend }) {
  const file = join(reports, `${name}.json`);
  rmSync(file, { force: true });
  const { code, output } = await run(
    'vitest',
    [
      'run',
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
      ...projects.flatMap((project) => ['--project', project]),
    ],
    { cwd: root, env: { ...env, ...(backend ? { GPT_LINEAGE_BACKEND: backend } : {}) }, allowFailure: true },
  );
  if (!existsSync(file)) {
    process.stdout.write(output);
    throw new StepError(`vitest left no report (exit code ${code})`);
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const skipped = report.numPendingTests + report.numTodoTests;
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests;
  totals.skipped += skipped;
  if (code !== 0) {
    process.stdout.write(output);
    throw new StepError(`${report.numFailedTests} tests failed`);
  }
  for (const line of output.split('\n').filter((text) => /skipped: /i.test(text)))
    console.log(`  ${line.trim()}`);
  return `${report.numPassedTests} passed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

await main(async () => {
  mkdirSync(reports, { recursive: true });
  await setUp();
  if (quick) await check('tests', () => vitest('quick', {}));
  else await everything();
  console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  if (failures.length > 0) throw new StepError(`failed: ${failures.join('; ')}`);
});

async function everything() {
  await check('format and lint', async () => {
    await run('biome', ['ci', '.'], { cwd: root, env, fix: 'node_modules/.bin/biome check --write .' });
  });
  await check('types', async () => {
    await run('turbo', ['run', 'typecheck', '--output-logs=errors-only', '--concurrency=2'], {
      cwd: root,
      env,
    });
  });
  await check('layers', async () => {
    await run(
      'depcruise',
      [
        '--config',
        '.dependency-cruiser.cjs',
        'packages',
        ...(existsSync(join(root, 'apps')) ? ['apps'] : []),
      ],
      { cwd: root, env },
    );
  });
  await check('dependencies and licences', async () => {
    const { output } = await run(process.execPath, ['tools/dependencies.mjs'], { cwd: root, env });
    return output.trim().split('\n').slice(-2)[0];
  });
  await check('packages (publint, attw)', async () => {
    await run('turbo', ['run', 'lint:package', '--output-logs=errors-only', '--concurrency=2'], {
      cwd: root,
      env,
    });
  });
  await check('README examples', async () => {
    const { output } = await run(process.execPath, ['tools/readme-examples.mjs'], { cwd: root, env });
    return output.trim().split('\n').slice(-2)[0];
  });
  await check('examples', async () => {
    const { output } = await run(process.execPath, ['tools/examples.mjs'], { cwd: root, env });
    return output.trim().split('\n').slice(-2)[0];
  });
  await check('reliability, short', async () => {
    const { output } = await run(process.execPath, ['tools/reliability/main.mjs', '--short'], {
      cwd: root,
      env,
    });
    return output.trim().split('\n').pop();
  });
  await check('documentation site', async () => {
    await run('pnpm', ['--filter', '@gpt-lineage/docs', 'run', 'site'], { cwd: root, env });
  });
  await check('tests on WebAssembly', () => vitest('wasm', { backend: 'wasm' }));
  if ((await probeBackend()) === 'tensorflow') {
    const projects = ['compute', 'attention', 'vision-clip', 'gpt-core'].filter((name) =>
      existsSync(join(root, 'packages', name)),
    );
    await check('tests on TensorFlow', () => vitest('tensorflow', { backend: 'tensorflow', projects }));
  } else {
    console.log('- tests on TensorFlow skipped: no native TensorFlow here (see the backend step above)');
  }
}
