#!/usr/bin/env node
// `node tools/verify-packages.mjs [package …] [--node 20,22,24] [--keep]`: is what would be published usable on its own?
// Packs every package and checks it with publint and attw, installs it with what it depends on into an empty project
// outside the workspace, and there
//   runs the first example of its README as an ES module and as CommonJS, on this Node and on those named,
//   type-checks it as `nodenext` and as `bundler`,
//   builds it for browsers with Vite where browsers are promised, within a size budget, and
//   checks that a bundler leaves out what is not used.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import ts from 'typescript';
import { build as viteBuild } from 'vite';
import { asCommonJS, firstExample } from './lib/readme.mjs';
import { main, run, StepError, step } from './lib/steps.mjs';
import { environment, root } from './lib/workspace.mjs';

/**
 * Entry points that are promised to browsers: what they may weigh in kB after minifying and gzip, without peers and other
 * packages; and a small export with what a bundle of nothing else may weigh.
 */
const browsers = {
  'tokenizer-bpe': [{ entry: '', limit: 8, one: 'GptLineageError', oneLimit: 1 }],
  'tokenizer-bbpe': [
    { entry: '', limit: 20, one: 'DecodeStream', oneLimit: 1 },
    { entry: '/cl100k_base', limit: 400 },
    { entry: '/o200k_base', limit: 800 },
  ],
  attention: [{ entry: '', limit: 20, one: 'alibiSlopes', oneLimit: 2 }],
  compute: [{ entry: '', limit: 80 }],
  'vision-clip': [{ entry: '/browser', limit: 60 }],
};

const keep = process.argv.includes('--keep');
const nodeAt = process.argv.indexOf('--node');
const majors = nodeAt < 0 ? [] : (process.argv[nodeAt + 1] ?? '').split(',');
const wanted = process.argv
  .slice(2)
  .filter((arg, index) => !arg.startsWith('--') && (nodeAt < 0 || index + 2 !== nodeAt + 1));
const manifests = new Map(
  readdirSync(join(root, 'packages')).map((name) => [
    `@gpt-lineage/${name}`,
    JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')),
  ]),
);
const names =
  wanted.length > 0 ? wanted : [...manifests.keys()].map((name) => name.slice('@gpt-lineage/'.length));
const scratch = mkdtempSync(join(tmpdir(), 'verify-packages-'));
const tarballs = new Map();

/** A package and all packages of ours that it needs. */
function closure(name, found = new Set()) {
  if (found.has(name)) return found;
  const manifest = manifests.get(name);
  if (manifest === undefined) throw new StepError(`there is no package ${name}`, 'see packages/');
  found.add(name);
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    if (manifests.has(dependency)) closure(dependency, found);
  }
  return found;
}

async function packAll() {
  const needed = [...new Set(names.flatMap((name) => [...closure(`@gpt-lineage/${name}`)]))];
  await run(
    'turbo',
    [
      'run',
      'build',
      '--output-logs=errors-only',
      '--concurrency=2',
      ...needed.map((name) => `--filter=${name}`),
    ],
    {
      cwd: root,
      env: environment(),
      fix: 'see the compiler output above',
    },
  );
  for (const name of needed) {
    const { output } = await run('pnpm', ['pack', '--json', '--pack-destination', scratch], {
      cwd: join(root, 'packages', name.slice('@gpt-lineage/'.length)),
      env: environment(),
    });
    tarballs.set(name, JSON.parse(output.slice(output.indexOf('{'))).filename);
  }
  return `${needed.length} packages`;
}

/** An empty project with the package; the packages it needs come from their tarballs too. */
async function install(name) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  const dependencies = Object.fromEntries(
    [...closure(`@gpt-lineage/${name}`)].map((each) => [each, `file:${tarballs.get(each)}`]),
  );
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: `uses-${name}`, private: true, dependencies }),
  );
  await run(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'],
    {
      cwd: folder,
      fix: 'check that the npm registry can be reached: npm ping',
    },
  );
  return folder;
}

/** The Nodes that the examples run on: this one, and others from npm's `node` package. */
async function findNodes() {
  const nodes = [process.execPath];
  for (const major of majors.filter((each) => each !== process.versions.node.split('.')[0])) {
    const folder = join(scratch, `node-${major}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `node@${major}`], {
      cwd: folder,
      fix: 'check that the npm registry can be reached: npm ping',
    });
    nodes.push(join(folder, 'node_modules/node/bin/node'));
  }
  return nodes;
}

async function runExample(name, folder, nodes) {
  const example = firstExample(readFileSync(join(root, 'packages', name, 'README.md'), 'utf8'));
  if (example === undefined)
    throw new StepError(`the README of ${name} has no example`, 'fence one as ```ts run');
  writeFileSync(join(folder, 'example.mts'), example);
  const { outputText: code } = ts.transpileModule(example, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  writeFileSync(join(folder, 'example.mjs'), code);
  writeFileSync(join(folder, 'example.cjs'), asCommonJS(code));
  for (const node of nodes) {
    for (const file of ['example.mjs', 'example.cjs']) {
      const { output } = await run(node, [file], { cwd: folder, fix: `see ${join(folder, file)}` });
      if (output.trim() === '') throw new StepError(`${file} of ${name} printed nothing`, `see ${folder}`);
    }
  }
}

/** The example, and every entry point, as TypeScript sees them in both of the usual set-ups. */
async function typecheck(name, folder) {
  const entries = Object.keys(manifests.get(`@gpt-lineage/${name}`).exports).filter(
    (key) => key !== './package.json',
  );
  const imports = entries.map(
    (key, i) => `export * as entry${i} from '@gpt-lineage/${name}${key.slice(1)}';`,
  );
  writeFileSync(join(folder, 'entries.mts'), imports.join('\n'));
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable', 'dom', 'dom.iterable'],
      strict: true,
      noImplicitAny: false,
      skipLibCheck: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    };
    const file = join(folder, `tsconfig.${moduleResolution}.json`);
    writeFileSync(file, JSON.stringify({ compilerOptions, files: ['example.mts', 'entries.mts'] }));
    await run(join(root, 'node_modules/.bin/tsc'), ['-p', file], { cwd: folder, fix: `see ${folder}` });
  }
}

/** Bundles one line of source and returns its weight in kB; fails where Node's modules would be needed. */
async function bundle(folder, source, external) {
  writeFileSync(join(folder, 'browser.js'), source);
  const outputs = await viteBuild({
    root: folder,
    logLevel: 'silent',
    configFile: false,
    build: {
      write: false,
      target: 'es2022',
      rollupOptions: { input: join(folder, 'browser.js'), external, preserveEntrySignatures: 'strict' },
    },
  });
  const chunks = new Map(
    [outputs]
      .flat()
      .flatMap(({ output }) =>
        output.filter(({ type }) => type === 'chunk').map((chunk) => [chunk.fileName, chunk]),
      ),
  );
  const code = [...chunks.values()].map((chunk) => chunk.code).join('\n');
  const foreign = /(?:from|import)\s*\(?["'](node:[a-z/]+)["']|__vite-browser-external/.exec(code);
  if (foreign)
    throw new StepError(`the browser bundle needs ${foreign[1] ?? 'a module of Node'}`, `see ${folder}`);
  // What the page has to load at once; encodings that come on demand are not part of it.
  const first = new Set(
    [...chunks.values()].filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName),
  );
  for (const fileName of first) for (const each of chunks.get(fileName)?.imports ?? []) first.add(each);
  const loaded = [...first].map((fileName) => chunks.get(fileName)?.code ?? '').join('\n');
  return gzipSync(loaded).length / 1000;
}

async function bundleForBrowsers(name, folder) {
  const external = (id) =>
    id.startsWith('@tensorflow/') ||
    (id.startsWith('@gpt-lineage/') && !id.startsWith(`@gpt-lineage/${name}`));
  const sizes = [];
  for (const { entry, limit, one, oneLimit } of browsers[name]) {
    const from = `@gpt-lineage/${name}${entry}`;
    const cases = [[`export * from '${from}';`, limit, from]];
    if (one) cases.push([`export { ${one} } from '${from}';`, oneLimit, `${one} alone`]);
    for (const [source, most, label] of cases) {
      const size = await bundle(folder, source, external);
      sizes.push(`${label} ${size.toFixed(1)} kB`);
      if (size > most) {
        throw new StepError(
          `${label} weighs ${size.toFixed(1)} kB, more than ${most} kB`,
          'make it smaller, or argue for another limit in tools/verify-packages.mjs',
        );
      }
    }
  }
  // And once with everything it needs, as an application would.
  if (name !== 'compute')
    await bundle(folder, `export * from '@gpt-lineage/${name}${browsers[name][0].entry}';`, []);
  return sizes.join(', ');
}

await main(async () => {
  try {
    await step('pack', packAll);
    const nodes = await step('Node', findNodes);
    for (const name of names) {
      await step(`${name}: publint, attw`, () =>
        run('pnpm', ['run', 'lint:package'], { cwd: join(root, 'packages', name), env: environment() }).then(
          () => '',
        ),
      );
      const folder = await step(`${name}: install`, () => install(name));
      await step(`${name}: example of the README, ES module and CommonJS`, () =>
        runExample(name, folder, nodes),
      );
      await step(`${name}: types, nodenext and bundler`, () => typecheck(name, folder));
      if (browsers[name]) await step(`${name}: browser bundle`, () => bundleForBrowsers(name, folder));
      if (!keep) rmSync(folder, { recursive: true, force: true });
    }
  } finally {
    if (!keep) rmSync(scratch, { recursive: true, force: true });
    else console.log(`projects are in ${scratch}`);
  }
});
