import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, StepError, step } from './steps.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const toolsFolder = join(root, '.tools');
const cacheFolder = join(root, '.cache');

/** Environment for every child: the pinned pnpm and the workspace's own tools come first, nothing phones home. */
export const environment = () => ({
  PATH: [join(toolsFolder, 'node_modules/.bin'), join(root, 'node_modules/.bin'), process.env.PATH].join(
    delimiter,
  ),
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
});

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new StepError(
      `Node ${process.versions.node} is too old: 20.19 or newer is needed`,
      'install Node 20, 22 or 24 from https://nodejs.org, or run: npx -y node@22 tools/start.mjs',
    );
  }
  return `Node ${process.versions.node}`;
}

/** Fetches the pinned pnpm into `.tools/`; nothing global is touched. */
async function ensurePnpm() {
  const [, wanted] = manifest.packageManager.split('@');
  const installed = join(toolsFolder, 'node_modules/pnpm/package.json');
  if (existsSync(installed) && JSON.parse(readFileSync(installed, 'utf8')).version === wanted) return wanted;
  rmSync(toolsFolder, { recursive: true, force: true });
  const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', ['install', '--prefix', toolsFolder, ...flags, `pnpm@${wanted}`], {
    cwd: root,
    fix: 'check that the npm registry can be reached: npm ping',
  });
  return wanted;
}

const workspacePackages = () =>
  ['packages', 'apps']
    .flatMap((group) => {
      const folder = join(root, group);
      return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
    })
    .concat(['docs', 'examples', 'tools/reliability'].map((name) => join(root, name)))
    .filter((path) => existsSync(join(path, 'package.json')));

/** A hash of everything that decides what `pnpm install` produces. */
function installFingerprint() {
  const hash = createHash('sha256');
  const manifests = workspacePackages().map((path) => join(path, 'package.json'));
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'].map((name) =>
    join(root, name),
  )) {
    hash.update(readFileSync(file));
  }
  for (const file of manifests.sort()) hash.update(readFileSync(file));
  return hash.digest('hex');
}

async function ensureDependencies() {
  const stamp = join(root, 'node_modules/.install-fingerprint');
  const wanted = installFingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return 'up to date';
  await run('pnpm', ['install', '--frozen-lockfile', '--prefer-offline', '--reporter=append-only'], {
    cwd: root,
    env: { ...environment(), CI: '1' },
    fix: 'check that the npm registry can be reached (npm ping), then run the command again',
  });
  writeFileSync(stamp, wanted);
  return 'from the lockfile';
}

/**
 * Builds the named packages (default: all) and what they depend on; turbo replays what has not changed.
 * `types: false` leaves the declaration files out.
 */
async function build(filters, types) {
  const selection = filters.flatMap((name) => ['--filter', `@gpt-lineage/${name}...`]);
  const { output } = await run(
    'turbo',
    ['run', 'build', '--output-logs=errors-only', '--concurrency=2', ...selection],
    {
      cwd: root,
      env: { ...environment(), ...(types ? {} : { GPT_LINEAGE_JS_ONLY: '1' }) },
      fix: 'see the compiler output above',
    },
  );
  return /(\d+) successful/.exec(output)?.[1] ? `${/(\d+) successful/.exec(output)[1]} packages` : '';
}

const hasCommand = async (command, ...args) => (await run(command, args, { allowFailure: true })).code === 0;

/** Which backend a process of ours would get, asked of compute itself. */
export async function probeBackend(env = {}) {
  const cli = join(root, 'packages/compute/dist/cli.js');
  if (!existsSync(cli)) return undefined;
  const { code, output } = await run(process.execPath, [cli, 'doctor', '--json'], {
    env: { ...environment(), ...env },
    allowFailure: true,
  });
  const line = output
    .trim()
    .split('\n')
    .reverse()
    .find((text) => text.startsWith('{'));
  if (code !== 0 || !line) return undefined;
  return JSON.parse(line).compute?.backend;
}

/**
 * Native TensorFlow, when the machine can have it: used if there, built if Python, pip and a compiler are there,
 * skipped otherwise. Never fatal. A failed attempt is remembered for a day.
 */
async function ensureNative() {
  if (process.env.GPT_LINEAGE_SKIP_NATIVE) return 'skipped (GPT_LINEAGE_SKIP_NATIVE is set)';
  const asked = process.env.GPT_LINEAGE_BACKEND;
  if (asked && asked !== 'tensorflow') return `${asked} (GPT_LINEAGE_BACKEND is set)`;
  if ((await probeBackend()) === 'tensorflow') return 'native TensorFlow';
  const attempt = join(cacheFolder, 'native-attempt.json');
  if (existsSync(attempt)) {
    const { at, why } = JSON.parse(readFileSync(attempt, 'utf8'));
    if (Date.now() - at < 86_400_000)
      return `WebAssembly; native failed earlier: ${why} (delete ${attempt} to try again)`;
  }
  const missing = [];
  if (!(await hasCommand('python3', '-m', 'pip', '--version'))) missing.push('python3 with pip');
  if (!(await hasCommand('g++', '--version'))) missing.push('g++');
  if (missing.length > 0) return `WebAssembly; for 6 times the speed install ${missing.join(' and ')}`;
  const { code, output } = await run(
    process.execPath,
    [join(root, 'packages/compute/dist/cli.js'), 'install-native', '--quiet'],
    { env: environment(), allowFailure: true },
  );
  if (code === 0) return 'native TensorFlow installed in the user cache';
  const why = output.trim().split('\n').filter(Boolean).pop() ?? `exit code ${code}`;
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(`${attempt}.tmp`, JSON.stringify({ at: Date.now(), why }));
  renameSync(`${attempt}.tmp`, attempt);
  return `WebAssembly; native could not be installed: ${why}`;
}

/** Everything between a fresh clone and a command that runs: pnpm, dependencies, build, backend. */
export async function setUp({ packages = [], types = true } = {}) {
  await step('Node', checkNode);
  await step('pnpm', ensurePnpm);
  await step('dependencies', ensureDependencies);
  await step('build', () => build(packages, types));
  await step('backend', ensureNative);
}
