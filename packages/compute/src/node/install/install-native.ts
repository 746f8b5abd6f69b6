import { existsSync, promises as fs } from 'node:fs';
import path from 'node:path';
import {
  addonFile,
  cacheRoot,
  listInstallations,
  type NativeInstallation,
  type NativeManifest,
  readManifest,
} from '../cache.js';
import { compileAddon, findCompiler, findTfjsNode, type TfjsNode, verifyAddon } from './compile.js';
import { asInstallError, NativeInstallError } from './errors.js';
import { withLock } from './lock.js';
import type { InstallProgress, Report } from './progress.js';
import { obtainSource } from './source.js';
import { hashFile, linkFolder, type Unpacked, type UnpackOptions, unpackTar, unpackWheel } from './unpack.js';

export interface InstallNativeOptions {
  /** TensorFlow version. Default: the tested one, else the newest that pip finds. */
  readonly version?: string;
  /** A wheel, a libtensorflow archive, a folder that holds one, or a URL, instead of pip. */
  readonly from?: string;
  /** The CUDA build; CUDA and cuDNN themselves must be on the library path. Default false. */
  readonly gpu?: boolean;
  /** Rebuild even when a complete installation is there. Default false. */
  readonly force?: boolean;
  /** Load the finished addon in a child process. Default true. */
  readonly verify?: boolean;
  readonly onProgress?: (progress: InstallProgress) => void;
  readonly signal?: AbortSignal;
  /** Default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Free bytes of a folder's disk; replaced in tests. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

export interface InstallNativeResult extends NativeInstallation {
  readonly addon: string;
  /** Everything was in place already. */
  readonly upToDate: boolean;
  readonly durationMs: number;
}

/**
 * Builds tfjs-node's addon against the libtensorflow inside a TensorFlow wheel, in the user's cache folder:
 * node_modules is not written, and every project on the machine shares the result. Safe to interrupt and to repeat;
 * an installation becomes visible only when it is complete.
 *
 * @throws {NativeInstallError} whose message ends with what to do
 */
export async function installNative(options: InstallNativeOptions = {}): Promise<InstallNativeResult> {
  const started = performance.now();
  const env = options.env ?? process.env;
  const root = cacheRoot(env);
  const report: Report = (phase, message, fraction) => options.onProgress?.({ phase, message, fraction });
  if (process.platform === 'win32') {
    throw new NativeInstallError(
      'platform',
      'install-native does not support Windows yet.',
      'Use the wasm or webgpu backend, or run under WSL.',
    );
  }
  const tfjs = findTfjsNode();
  try {
    return await withLock(
      root,
      () => report('check', 'waiting for another installation to finish'),
      options.signal,
      async () => {
        report('check', `cache ${root}`);
        const found = options.force ? undefined : await reuse(root, tfjs, options, env, report);
        const { directory, manifest, upToDate } = found ?? (await build(root, tfjs, options, env, report));
        const addon = path.join(directory, addonFile(tfjs.version));
        report('done', `libtensorflow ${manifest.version} (${manifest.variant}) in ${directory}`, 1);
        return { directory, manifest, addon, upToDate, durationMs: performance.now() - started };
      },
    );
  } catch (error) {
    throw asInstallError(error, root);
  }
}

interface Ready extends NativeInstallation {
  readonly upToDate: boolean;
}

/** An intact installation that fits; only its addon is built when a new tfjs-node version needs one. */
async function reuse(
  root: string,
  tfjs: TfjsNode,
  options: InstallNativeOptions,
  env: NodeJS.ProcessEnv,
  report: Report,
): Promise<Ready | undefined> {
  const { version, gpu = false, from, signal } = options;
  const label = from === undefined || /^https?:/.test(from) ? from : path.resolve(from);
  const fits = ({ manifest }: NativeInstallation) =>
    manifest.variant === (gpu ? 'gpu' : 'cpu') &&
    (version === undefined || manifest.version === version) &&
    (label === undefined || manifest.source === label);
  for (const installation of listInstallations(root).filter(fits)) {
    const problem = await damage(installation);
    if (problem !== undefined) {
      report('check', `${installation.directory} is damaged (${problem}): building it again`);
      continue;
    }
    const addon = addonFile(tfjs.version);
    if (existsSync(path.join(installation.directory, addon))) return { ...installation, upToDate: true };
    report('compile', `addon for ${tfjs.name} ${tfjs.version}`);
    const compiler = await findCompiler(env, signal);
    await compileAddon({ compiler, directory: installation.directory, package: tfjs, addon, env, signal });
    return { ...installation, upToDate: false };
  }
  return undefined;
}

/** What is wrong with an installation, by file sizes (or, `deep`, by checksums); undefined when nothing is. */
export async function damage(
  { directory, manifest }: NativeInstallation,
  deep = false,
): Promise<string | undefined> {
  for (const [name, record] of Object.entries(manifest.files)) {
    const file = path.join(directory, name);
    const stat = await fs.stat(file).catch(() => undefined);
    if (stat === undefined) return `${name} is missing`;
    if (stat.size !== record.bytes) return `${name} has ${stat.size} bytes instead of ${record.bytes}`;
    if (deep && record.sha256 !== 'linked' && (await hashFile(file)).sha256 !== record.sha256) {
      return `${name} does not have its checksum`;
    }
  }
  return Object.keys(manifest.files).length === 0 ? 'its manifest lists no files' : undefined;
}

async function build(
  root: string,
  tfjs: TfjsNode,
  options: InstallNativeOptions,
  env: NodeJS.ProcessEnv,
  report: Report,
): Promise<Ready> {
  const { signal, gpu = false, verify = true } = options;
  // Before anything large is fetched.
  const compiler = await findCompiler(env, signal);
  const downloads = path.join(root, 'downloads');
  const { version: wantedVersion, from } = options;
  const source = await obtainSource({ version: wantedVersion, from, gpu, downloads, env, signal, report });

  // A fixed name: what an interrupted run unpacked is found again.
  const variant = gpu ? 'gpu' : 'cpu';
  const staging = path.join(root, `.partial-${variant}`);
  const unpackOptions: UnpackOptions = { env, signal, report, freeBytes: options.freeBytes ?? freeBytesOf };
  await fs.mkdir(staging, { recursive: true });
  const { version: told, files } = await unpack(source.path, staging, unpackOptions);
  report('compile', `addon for ${tfjs.name} ${tfjs.version} with ${compiler}`);
  const addon = addonFile(tfjs.version);
  await compileAddon({ compiler, directory: staging, package: tfjs, addon, env, signal });
  let version = told ?? wantedVersion ?? 'unknown';
  if (verify) {
    report('verify', 'loading the addon');
    version = await verifyAddon(path.join(staging, addon), env, signal);
  }
  const manifest: NativeManifest = {
    library: 'libtensorflow',
    version,
    variant,
    source: source.label,
    installedAt: new Date().toISOString(),
    files: { ...files, [addon]: await hashFile(path.join(staging, addon)) },
  };
  await writeSynced(path.join(staging, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const directory = path.join(root, `libtensorflow-${version}-${variant}`);
  const old = path.join(root, `.old-${process.pid}`);
  // Whoever has the old library open keeps it until it exits.
  if (existsSync(directory)) await fs.rename(directory, old);
  await fs.rename(staging, directory);
  await fs.rm(old, { recursive: true, force: true });
  if (source.downloaded) await fs.rm(source.path, { force: true });
  return { directory, manifest: readManifest(directory) ?? manifest, upToDate: false };
}

async function unpack(source: string, staging: string, options: UnpackOptions): Promise<Unpacked> {
  const stat = await fs.stat(source);
  if (stat.isDirectory()) return linkFolder(source, staging);
  // Links of an earlier attempt must not be written through.
  for (const name of ['lib', 'include']) {
    const place = path.join(staging, name);
    if ((await fs.lstat(place).catch(() => undefined))?.isSymbolicLink()) await fs.rm(place);
  }
  if (/\.(tar|tar\.gz|tgz|tar\.xz)$/.test(source)) return unpackTar(source, staging, options);
  return unpackWheel(source, staging, options);
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await fs.statfs(folder);
  return bavail * bsize;
}

async function writeSynced(file: string, text: string): Promise<void> {
  const temporary = `${file}.tmp`;
  const handle = await fs.open(temporary, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(temporary, file);
}

/** Removes installations (all, or one version) and what is left of downloads. Returns the folders removed. */
export async function uninstallNative(
  options: { readonly version?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string[]> {
  const root = cacheRoot(options.env ?? process.env);
  const { version } = options;
  const names = await fs.readdir(root).catch(() => [] as string[]);
  const installed = new RegExp(
    `^libtensorflow-${version === undefined ? '.*' : escapeRegExp(version)}-(cpu|gpu)$`,
  );
  const leftover = /^(downloads|\.partial-.*|\.old-.*)$/;
  const doomed = names.filter(
    (name) => installed.test(name) || (version === undefined && leftover.test(name)),
  );
  for (const name of doomed) await fs.rm(path.join(root, name), { recursive: true, force: true });
  return doomed.map((name) => path.join(root, name));
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
