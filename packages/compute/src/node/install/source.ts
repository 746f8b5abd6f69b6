import { createWriteStream, existsSync, promises as fs } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { asInstallError, NativeInstallError } from './errors.js';
import { type Finished, run, tail } from './process.js';
import type { Report } from './progress.js';

/** Version that was built and tested; another one is taken only when the package index lacks it. */
export const testedVersion = '2.21.0';

export interface SourceRequest {
  readonly version: string | undefined;
  readonly from: string | undefined;
  readonly gpu: boolean;
  /** Folder for what is downloaded. */
  readonly downloads: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | undefined;
  readonly report: Report;
}

export interface Source {
  /** A wheel, an archive or a folder on this machine. */
  readonly path: string;
  /** For the manifest: what the user would recognise. */
  readonly label: string;
  /** May be deleted after a successful installation. */
  readonly downloaded: boolean;
}

export async function obtainSource(request: SourceRequest): Promise<Source> {
  const { from } = request;
  if (from === undefined) return downloadWithPip(request);
  if (/^https?:\/\//.test(from)) return downloadUrl(from, request);
  const file = path.resolve(from);
  if (!existsSync(file)) {
    throw new NativeInstallError(
      'archive',
      `${file} does not exist.`,
      'Name a wheel, an archive, a folder or a URL with --from.',
    );
  }
  return { path: file, label: file, downloaded: false };
}

async function downloadWithPip(request: SourceRequest): Promise<Source> {
  const { gpu, version, downloads, report } = request;
  const pip = await findPip(request);
  // Only x64 Linux and Windows have the smaller wheel without CUDA.
  const small = process.platform !== 'darwin' && process.arch === 'x64';
  const project = gpu || !small ? 'tensorflow' : 'tensorflow-cpu';
  const wanted =
    version === undefined ? [`${project}==${testedVersion}`, project] : [`${project}==${version}`];
  await fs.mkdir(downloads, { recursive: true });
  let last: Finished | undefined;
  for (const requirement of wanted) {
    for (const interpreter of interpreters()) {
      report('download', `pip download ${requirement}`, 0);
      const args = ['download', requirement, '--no-deps', '--only-binary', ':all:', '--dest', downloads];
      last = await run(pip[0]!, [...pip.slice(1), ...args, ...pip.progress, ...interpreter], {
        env: { ...request.env, PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' },
        signal: request.signal,
        onLine: (line) => {
          const [, done, total] = /^Progress (\d+) of (\d+)/.exec(line) ?? [];
          if (total) report('download', `${requirement}`, Number(done) / Number(total));
        },
      });
      if (last.code === 0) return newestWheel(downloads, project, requirement);
      if (!/no matching distribution|could not find a version/i.test(last.stderr)) break;
      if (isOffline(last.stderr)) break;
    }
    if (last && (isOffline(last.stderr) || /no space left/i.test(last.stderr))) break;
  }
  throw pipError(last!, wanted[0]!, downloads);
}

type Pip = string[] & { progress: string[] };

export async function findPip({ env, signal }: Pick<SourceRequest, 'env' | 'signal'>): Promise<Pip> {
  const candidates = [
    ...(env.PYTHON ? [[env.PYTHON, '-m', 'pip']] : []),
    ['python3', '-m', 'pip'],
    ['python', '-m', 'pip'],
    ['pip3'],
    ['pip'],
  ];
  for (const [command, ...args] of candidates as [string, ...string[]][]) {
    const found = await run(command, [...args, '--version'], { env, signal });
    const version = /^pip (\d+)\.(\d+)/m.exec(found.stdout);
    if (found.code !== 0 || version === null) continue;
    const number = Number(version[1]) * 100 + Number(version[2]);
    // `raw` progress, which a program can read, came with pip 24.1.
    const progress = ['--progress-bar', number >= 2401 ? 'raw' : 'off'];
    return Object.assign([command, ...args], { progress });
  }
  throw new NativeInstallError(
    'no-pip',
    'Neither python3 nor pip was found, so the TensorFlow wheel cannot be downloaded.',
    'Install them (Debian, Ubuntu: apt-get install python3-pip), or download a tensorflow-cpu wheel elsewhere and pass it with --from.',
  );
}

/** The library inside the wheel does not depend on Python, so any Python's wheel will do. */
function interpreters(): string[][] {
  if (process.platform !== 'linux') return [[]];
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const platforms = ['manylinux_2_27', 'manylinux_2_17', 'manylinux2014'];
  const tags = platforms.flatMap((name) => ['--platform', `${name}_${machine}`]);
  return [[], ...['3.12', '3.11'].map((python) => ['--python-version', python, ...tags])];
}

async function newestWheel(folder: string, project: string, requirement: string): Promise<Source> {
  const prefix = `${project.replace('-', '_')}-`;
  const wheels = (await fs.readdir(folder)).filter(
    (name) => name.startsWith(prefix) && name.endsWith('.whl'),
  );
  const [, version] = requirement.split('==');
  const matching =
    version === undefined ? wheels : wheels.filter((name) => name.startsWith(`${prefix}${version}-`));
  const newest = matching.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))[0];
  if (newest === undefined) {
    throw new NativeInstallError(
      'archive',
      `pip reported success but left no ${prefix}*.whl in ${folder}.`,
      'Empty that folder and try again.',
    );
  }
  return { path: path.join(folder, newest), label: newest, downloaded: true };
}

function isOffline(text: string): boolean {
  return /name resolution|name or service not known|getaddrinfo|network is unreachable|connection (refused|error|broken|timed out)|NewConnectionError|ProxyError|Max retries exceeded|timed out/i.test(
    text,
  );
}

function pipError({ stderr }: Finished, requirement: string, downloads: string): NativeInstallError {
  const detail = tail(stderr, 3);
  if (/no space left/i.test(stderr)) {
    return new NativeInstallError(
      'disk-full',
      `There is not enough disk space for ${requirement} in ${downloads} or the temporary folder.`,
      'Free about 1.5 GB, or move the cache with the environment variable GPT_LINEAGE_CACHE.',
    );
  }
  // With no retries left to report, pip only says that it found nothing at all.
  if (isOffline(stderr) || /from versions: none/i.test(stderr)) {
    return new NativeInstallError(
      'offline',
      `pip found no ${requirement}: its package index cannot be reached, or has no such package.`,
      'Connect to the network (or set PIP_INDEX_URL to a mirror), or download the wheel elsewhere and pass it with --from.',
    );
  }
  if (/no matching distribution|could not find a version/i.test(stderr)) {
    return new NativeInstallError(
      'no-such-version',
      `The package index has no wheel for ${requirement} on ${process.platform} ${process.arch}.`,
      'Choose another --version, or pass a wheel or a libtensorflow folder with --from.',
    );
  }
  return new NativeInstallError(
    'archive',
    `pip download ${requirement} failed: ${detail}`,
    'Run that command by hand to see more, then pass the wheel with --from.',
  );
}

/** Continues a `.part` file of an earlier attempt when the server can. */
async function downloadUrl(url: string, request: SourceRequest): Promise<Source> {
  const { downloads, signal, report } = request;
  await fs.mkdir(downloads, { recursive: true });
  const name = path.basename(new URL(url).pathname) || 'libtensorflow';
  const target = path.join(downloads, name);
  const source: Source = { path: target, label: url, downloaded: true };
  if (existsSync(target)) return source;
  const part = `${target}.part`;
  const have = existsSync(part) ? (await fs.stat(part)).size : 0;
  let response: Response;
  try {
    const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
    response = await fetch(url, { headers, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new NativeInstallError(
      'offline',
      `${url} could not be reached.`,
      'Check the address and the network, or download the file elsewhere and pass its path with --from.',
      { cause: error },
    );
  }
  if (response.status === 416) {
    // The part file is complete, or belongs to another version of the file: start again.
    await fs.rm(part, { force: true });
    return downloadUrl(url, request);
  }
  if (!response.ok || response.body === null) {
    throw new NativeInstallError(
      'archive',
      `${url} answered ${response.status} ${response.statusText}.`,
      'Check the address given with --from.',
    );
  }
  const resumed = response.status === 206 ? have : 0;
  const length = Number(response.headers.get('content-length') ?? 0);
  const total = resumed + length;
  let done = resumed;
  const counted = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]).on(
    'data',
    (chunk: Uint8Array) => {
      done += chunk.length;
      report('download', name, total > resumed ? done / total : 0);
    },
  );
  try {
    await pipeline(counted, createWriteStream(part, { flags: resumed > 0 ? 'a' : 'w' }), { signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    const known = asInstallError(error, downloads);
    if (known !== error) throw known;
    throw new NativeInstallError(
      'offline',
      `The download of ${url} broke off after ${done} bytes.`,
      'Run the command again: it continues where it stopped.',
      { cause: error },
    );
  }
  if (length > 0 && done !== total) {
    throw new NativeInstallError(
      'offline',
      `The download of ${url} ended after ${done} of ${total} bytes.`,
      'Run the command again: it continues where it stopped.',
    );
  }
  await fs.rename(part, target);
  return source;
}
