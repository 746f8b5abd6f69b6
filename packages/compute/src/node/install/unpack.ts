import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, promises as fs } from 'node:fs';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { asInstallError, diskFull, NativeInstallError } from './errors.js';
import { run, tail } from './process.js';
import type { Report } from './progress.js';

export interface FileRecord {
  readonly bytes: number;
  readonly sha256: string;
}

export interface UnpackOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | undefined;
  readonly report: Report;
  /** Free bytes where the target lies. */
  readonly freeBytes: (folder: string) => Promise<number>;
}

export interface Unpacked {
  /** TensorFlow version, where the source tells it. */
  readonly version: string | undefined;
  readonly files: Record<string, FileRecord>;
}

const library = /^(?:lib)?tensorflow[\w.]*$/;
const wanted = ['tensorflow_cc', 'tensorflow_framework'];

/** Headers that tfjs-node's sources reach, in every layout TensorFlow has had; a few hundred kB. */
const header =
  /^(?:tensorflow\/c\/|tensorflow\/core\/c\/|tensorflow\/core\/platform\/ctstring|(?:tensorflow\/|xla\/)?tsl\/(?:c\/|platform\/ctstring))[\w/.]*\.h$/;

/** Where a file of a wheel goes, or undefined when it is not needed. Names are matched whole: no path can escape. */
export function targetOf(name: string): string | undefined {
  if (name.includes('..') || name.includes('\\')) return undefined;
  const parts = name.split('/');
  const base = parts.at(-1)!;
  if (parts.length === 2 && parts[0] === 'tensorflow' && isLibrary(base)) return `lib/${base}`;
  const include = name.startsWith('tensorflow/include/') ? name.slice('tensorflow/include/'.length) : '';
  return header.test(include) ? `include/${include}` : undefined;
}

/** `libtensorflow_cc.so.2`, `libtensorflow_framework.2.dylib`, … and the official archive's `libtensorflow.so.2`. */
function isLibrary(base: string): boolean {
  if (!library.test(base) || base.endsWith('.lib') || base.endsWith('.params')) return false;
  return wanted.some((stem) => base.startsWith(`lib${stem}.`)) || /^libtensorflow\.(so|\d|dylib)/.test(base);
}

/** Extracts the two libraries and the headers of a wheel; files that are there and intact are kept. */
export async function unpackWheel(wheel: string, target: string, options: UnpackOptions): Promise<Unpacked> {
  const { signal, report, freeBytes } = options;
  let zip: ZipFile;
  try {
    zip = await openPromise(wheel, { autoClose: false });
  } catch (error) {
    throw brokenArchive(wheel, error);
  }
  try {
    const jobs: { entry: Entry; target: string }[] = [];
    let record: Entry | undefined;
    for await (const entry of zip.eachEntry()) {
      if (/^[^/]+\.dist-info\/RECORD$/.test(entry.fileName)) record = entry;
      const place = targetOf(entry.fileName);
      if (place !== undefined) jobs.push({ entry, target: place });
    }
    if (
      !jobs.some((job) => job.target.startsWith('lib/')) ||
      !jobs.some((job) => job.target.startsWith('include/'))
    ) {
      throw new NativeInstallError(
        'archive',
        `${wheel} contains no TensorFlow library with headers.`,
        'Pass a tensorflow or tensorflow-cpu wheel (2.9 or later) for this operating system.',
      );
    }
    const hashes = record === undefined ? new Map<string, string>() : await readRecord(zip, record);
    const total = jobs.reduce((sum, job) => sum + job.entry.uncompressedSize, 0);
    let present = 0;
    for (const job of jobs) {
      const file = path.join(target, job.target);
      if (existsSync(file)) present += Math.min((await fs.stat(file)).size, job.entry.uncompressedSize);
    }
    const free = await freeBytes(target);
    const needed = total - present + 20e6;
    if (free < needed) throw diskFull(target, needed, free);

    const files: Record<string, FileRecord> = {};
    let done = 0;
    const advance = (bytes: number) => {
      done += bytes;
      report('unpack', path.basename(wheel), done / total);
    };
    // Largest first, a few side by side: inflating runs on the thread pool.
    const queue = jobs.sort((a, b) => b.entry.uncompressedSize - a.entry.uncompressedSize);
    const worker = async () => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        const expected = hashes.get(job.entry.fileName);
        files[job.target] = await extract(
          zip,
          job.entry,
          path.join(target, job.target),
          expected,
          signal,
          advance,
        );
      }
    };
    await Promise.all([worker(), worker(), worker()]);
    const version = /-(\d+\.\d+[\w.]*)(?:\+[\w.]+)?\.dist-info\//.exec(record?.fileName ?? '')?.[1];
    return { version, files };
  } catch (error) {
    if (error instanceof NativeInstallError || signal?.aborted) throw error;
    const known = asInstallError(error, target);
    throw known === error ? brokenArchive(wheel, error) : known;
  } finally {
    zip.close();
  }
}

async function extract(
  zip: ZipFile,
  entry: Entry,
  file: string,
  expected: string | undefined,
  signal: AbortSignal | undefined,
  advance: (bytes: number) => void,
): Promise<FileRecord> {
  if (expected !== undefined && existsSync(file) && (await fs.stat(file)).size === entry.uncompressedSize) {
    const found = await hashFile(file);
    if (found.sha256 === expected) {
      advance(found.bytes);
      return found;
    }
  }
  await fs.mkdir(path.dirname(file), { recursive: true });
  const part = `${file}.part`;
  const hash = createHash('sha256');
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      hash.update(chunk);
      bytes += chunk.length;
      advance(chunk.length);
      next(null, chunk);
    },
  });
  await pipeline(await zip.openReadStreamPromise(entry), measure, createWriteStream(part, { flush: true }), {
    signal,
  });
  const sha256 = hash.digest('hex');
  if (expected !== undefined && sha256 !== expected) {
    await fs.rm(part, { force: true });
    throw new NativeInstallError(
      'archive',
      `${entry.fileName} does not have the checksum that the wheel's RECORD states.`,
      'The wheel is damaged: delete it and run the command again.',
    );
  }
  await fs.rename(part, file);
  return { bytes, sha256 };
}

/** A wheel's RECORD: name, `sha256=<url-safe base64>`, size per line. */
async function readRecord(zip: ZipFile, entry: Entry): Promise<Map<string, string>> {
  const chunks: Buffer[] = [];
  for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
  const hashes = new Map<string, string>();
  for (const line of Buffer.concat(chunks).toString('utf8').split('\n')) {
    const [, name, digest] = /^"?(.+?)"?,sha256=([\w-]+),\d*\s*$/.exec(line) ?? [];
    if (name && digest) hashes.set(name, Buffer.from(digest, 'base64url').toString('hex'));
  }
  return hashes;
}

/**
 * Takes libraries and headers from a folder: a Python installation's `tensorflow`, or an unpacked libtensorflow.
 * They are linked, not copied, for they are large and belong to somebody else.
 */
export async function linkFolder(folder: string, target: string): Promise<Unpacked> {
  const roots = [folder, path.join(folder, 'tensorflow'), path.join(folder, 'lib')];
  const files: Record<string, FileRecord> = {};
  const include = [path.join(folder, 'include'), path.join(folder, 'tensorflow', 'include')].find(
    (candidate) => existsSync(path.join(candidate, 'tensorflow', 'c', 'c_api.h')),
  );
  await fs.mkdir(path.join(target, 'lib'), { recursive: true });
  for (const root of roots) {
    if (!existsSync(root) || !(await fs.stat(root)).isDirectory()) continue;
    for (const name of await fs.readdir(root)) {
      if (!isLibrary(name) || `lib/${name}` in files) continue;
      const from = await fs.realpath(path.join(root, name));
      await replaceLink(from, path.join(target, 'lib', name));
      files[`lib/${name}`] = { bytes: (await fs.stat(from)).size, sha256: 'linked' };
    }
  }
  if (Object.keys(files).length === 0 || include === undefined) {
    throw new NativeInstallError(
      'archive',
      `${folder} contains no TensorFlow library with headers.`,
      'Name the folder that holds libtensorflow_cc.so.2 or lib/libtensorflow.so.2, and include/tensorflow/c/c_api.h beside it (of a Python installation: site-packages/tensorflow).',
    );
  }
  await replaceLink(include, path.join(target, 'include'));
  return { version: undefined, files };
}

async function replaceLink(from: string, to: string): Promise<void> {
  await fs.rm(to, { force: true, recursive: true });
  await fs.symlink(from, to);
}

/** An official libtensorflow archive, through the system's tar. */
export async function unpackTar(archive: string, target: string, options: UnpackOptions): Promise<Unpacked> {
  const { env, signal } = options;
  const size = (await fs.stat(archive)).size;
  const free = await options.freeBytes(target);
  if (free < size * 4) throw diskFull(target, size * 4, free);
  await fs.mkdir(target, { recursive: true });
  const done = await run('tar', ['-xf', archive, '-C', target], { env, signal });
  if (done.missing) {
    throw new NativeInstallError(
      'archive',
      'The program tar was not found.',
      'Install tar, or unpack the archive and pass the folder with --from.',
    );
  }
  if (/no space left/i.test(done.stderr)) throw diskFull(target);
  if (done.code !== 0) throw brokenArchive(archive, new Error(tail(done.stderr)));
  const folder = path.join(target, 'lib');
  const files: Record<string, FileRecord> = {};
  for (const name of existsSync(folder) ? await fs.readdir(folder) : []) {
    if (isLibrary(name)) files[`lib/${name}`] = await hashFile(path.join(folder, name));
  }
  if (Object.keys(files).length === 0 || !existsSync(path.join(target, 'include/tensorflow/c/c_api.h'))) {
    throw new NativeInstallError(
      'archive',
      `${archive} contains no TensorFlow library with headers.`,
      'Pass a libtensorflow archive or a tensorflow wheel.',
    );
  }
  return { version: undefined, files };
}

export async function hashFile(file: string): Promise<FileRecord> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

function brokenArchive(file: string, cause: unknown): NativeInstallError {
  const detail = cause instanceof Error ? ` (${cause.message})` : '';
  return new NativeInstallError(
    'archive',
    `${file} is not a readable archive${detail}.`,
    'It may be damaged or incomplete: delete it and run the command again.',
    { cause },
  );
}
