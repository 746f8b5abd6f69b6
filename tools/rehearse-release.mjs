#!/usr/bin/env node
// `node tools/rehearse-release.mjs [--keep]`: a release from beginning to end, to a registry of its own. In a clone,
// changesets writes versions and publishes every package; an empty project installs from there; then one package alone
// gets a fix, is published, and is upgraded in the project while the others stay as they are.
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { firstExample } from './lib/readme.mjs';
import { main, run, StepError, step } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

/** The last one that runs on Node 20. */
const VERDACCIO = 'verdaccio@6.8.0';
const keep = process.argv.includes('--keep');
const scratch = mkdtempSync(join(tmpdir(), 'rehearse-release-'));
const [clone, project] = [join(scratch, 'clone'), join(scratch, 'project')];
const names = readdirSync(join(root, 'packages'));
const scoped = (name) => `@gpt-lineage/${name}`;
const versionIn = (folder, name) =>
  JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')).version;

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** A registry for our packages only; everything else comes from where it always comes from. */
async function startRegistry() {
  const folder = join(scratch, 'registry');
  mkdirSync(folder);
  // Its dependency on a tag of node-fetch is not in every mirror of the registry.
  const manifest = { private: true, overrides: { 'node-fetch': '2.7.0' } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  await run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', VERDACCIO],
    {
      cwd: folder,
      fix: 'check that the npm registry can be reached: npm ping',
    },
  );
  writeFileSync(
    join(folder, 'config.yaml'),
    `storage: ./storage
packages:
  '@gpt-lineage/*': { access: $all, publish: $all, unpublish: $all }
  '**': { access: $all }
max_body_size: 100mb
log: { type: stdout, format: pretty, level: warn }
`,
  );
  const port = await freePort();
  const child = spawn(
    process.execPath,
    ['node_modules/verdaccio/bin/verdaccio', '--config', 'config.yaml', '--listen', `127.0.0.1:${port}`],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      log += chunk;
    });
  const url = `http://127.0.0.1:${port}/`;
  for (
    let waited = 0;
    !(await fetch(`${url}-/ping`).then(
      ({ ok }) => ok,
      () => false,
    ));
    waited++
  ) {
    if (child.exitCode !== null || waited > 240) throw new StepError(`verdaccio did not start: ${log}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return { url, close: () => child.kill() };
}

const registryLines = (url) =>
  `@gpt-lineage:registry=${url}\n${url.slice('http:'.length)}:_authToken=rehearsal\n`;

/** A clone of what is committed, with the builds of this checkout. */
async function prepareClone(url) {
  await run('git', ['clone', '--quiet', root, clone]);
  const npmrc = join(clone, '.npmrc');
  writeFileSync(npmrc, `${readFileSync(npmrc, 'utf8').trimEnd()}\n${registryLines(url)}`);
  await run('pnpm', ['install', '--frozen-lockfile', '--prefer-offline', '--ignore-scripts'], {
    cwd: clone,
    env: { ...environment(), CI: '1' },
  });
  for (const name of names) {
    const dist = join(root, 'packages', name, 'dist');
    if (!existsSync(dist)) throw new StepError(`${name} is not built`, 'pnpm build');
    cpSync(dist, join(clone, 'packages', name, 'dist'), { recursive: true });
  }
}

const changeset = (...args) =>
  run('pnpm', ['exec', 'changeset', ...args], { cwd: clone, env: environment() });

/** What changesets publishes now. @returns `name@version` of each */
async function release() {
  await changeset('version');
  const { output } = await changeset('publish', '--no-git-tag');
  return [...output.matchAll(/^.*?\s(@gpt-lineage\/\S+@\d\S*)$/gm)].map((match) => match[1]);
}

async function published(url, name) {
  const response = await fetch(`${url}${scoped(name).replace('/', '%2f')}`);
  if (!response.ok) return [];
  return Object.keys((await response.json()).versions);
}

async function installProject(url) {
  mkdirSync(project);
  writeFileSync(join(project, '.npmrc'), registryLines(url));
  writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}');
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  await run('npm', ['install', ...flags, ...names.map(scoped)], { cwd: project });
  return names
    .map((name) => `${name} ${versionIn(join(project, 'node_modules/@gpt-lineage'), name)}`)
    .join(', ');
}

/** The first example of each README. */
async function runExamples() {
  for (const name of names) {
    const example = firstExample(readFileSync(join(root, 'packages', name, 'README.md'), 'utf8'));
    const { outputText } = ts.transpileModule(example, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    writeFileSync(join(project, `${name}.mjs`), outputText);
    const { output } = await run(process.execPath, [`${name}.mjs`], { cwd: project });
    if (output.trim() === '') throw new StepError(`the example of ${name} printed nothing`, `see ${project}`);
  }
  return `${names.length} examples ran`;
}

/** A fix of one package that everything else builds on. */
async function upgradeOne(url, name) {
  const installed = join(project, 'node_modules/@gpt-lineage');
  const before = Object.fromEntries(names.map((each) => [each, versionIn(installed, each)]));
  writeFileSync(join(clone, '.changeset/a-fix.md'), `---\n"${scoped(name)}": patch\n---\n\nA fix.\n`);
  await release();
  for (const each of names) {
    const versions = await published(url, each);
    const wanted = each === name ? 2 : 1;
    if (versions.length !== wanted)
      throw new StepError(`${each} has ${versions.length} versions (${versions}), not ${wanted}`);
  }
  await run('npm', ['update', '--no-audit', '--no-fund', '--ignore-scripts', scoped(name)], { cwd: project });
  for (const each of names) {
    const changed = versionIn(installed, each) !== before[each];
    if (changed !== (each === name))
      throw new StepError(`${each} was ${before[each]} and is ${versionIn(installed, each)}`);
  }
  return `${name} ${before[name]} → ${versionIn(installed, name)}, the others as they were`;
}

await main(async () => {
  let registry;
  try {
    await step('registry', async () => {
      registry = await startRegistry();
      return registry.url;
    });
    const { url } = registry;
    await step('clone', () => prepareClone(url));
    await step('publish all', async () => {
      await release();
      const missing = [];
      for (const name of names) if ((await published(url, name)).length !== 1) missing.push(name);
      if (missing.length > 0) throw new StepError(`not published: ${missing.join(', ')}`, `see ${clone}`);
      return `${names.length} packages`;
    });
    await step('install from there', () => installProject(url));
    await step('examples of the READMEs', runExamples);
    await step('upgrade one package', () => upgradeOne(url, 'compute'));
    await step('examples again', runExamples);
  } finally {
    registry?.close();
    if (!keep) rmSync(scratch, { recursive: true, force: true });
    else console.log(`everything is in ${scratch}`);
  }
});
