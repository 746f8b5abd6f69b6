import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  doctor,
  installNative,
  listInstallations,
  NativeInstallError,
  uninstallNative,
} from '../src/node/index.js';
import { asInstallError } from '../src/node/install/errors.js';
import { targetOf } from '../src/node/install/unpack.js';
import { Sandbox } from './helpers/fake-tools.js';
import { fakeLibraries, fakeWheel } from './helpers/fake-wheel.js';

// npm packages decide the addon's name; everything else in these tests is made up.
const addon = 'tfjs_binding-4.22.0-napi8.node';
const plenty = async () => 1e12;

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => box.remove());

const install = (options: Parameters<typeof installNative>[0] = {}) =>
  installNative({ env: box.env, verify: false, freeBytes: plenty, ...options });

const failure = async (work: Promise<unknown>): Promise<NativeInstallError> => {
  const error = await work.then(
    () => new Error('it succeeded'),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(NativeInstallError);
  // Whatever failed, nothing half-made may be found as an installation.
  expect(listInstallations(box.cache)).toEqual([]);
  return error as NativeInstallError;
};

const goodTools = () => {
  box.compiler();
  box.pip(box.file('good.whl', fakeWheel(fakeLibraries)));
};

describe('install-native', { timeout: 180_000 }, () => {
  it('builds from the wheel that pip downloads, once', async () => {
    goodTools();
    const phases = new Set<string>();
    const first = await install({ onProgress: (p) => phases.add(p.phase) });
    expect([...phases]).toEqual(['check', 'download', 'unpack', 'compile', 'done']);
    expect(first).toMatchObject({ upToDate: false, manifest: { version: '9.9.9', variant: 'cpu' } });
    expect(first.directory).toBe(path.join(box.cache, 'libtensorflow-9.9.9-cpu'));
    expect(Object.keys(first.manifest.files).sort()).toEqual([
      'include/tensorflow/c/c_api.h',
      'include/tensorflow/c/eager/c_api.h',
      'include/tensorflow/core/platform/ctstring_internal.h',
      'include/xla/tsl/c/tsl_status.h',
      'lib/libtensorflow_cc.so.2',
      'lib/libtensorflow_framework.so.2',
      addon,
    ]);
    expect(readFileSync(path.join(first.directory, 'lib/libtensorflow_cc.so.2'), 'utf8')).toHaveLength(
      100_000,
    );
    // The wheel has done its work; nothing temporary stays.
    expect(readdirSync(box.cache).sort()).toEqual(['downloads', 'libtensorflow-9.9.9-cpu']);
    expect(readdirSync(path.join(box.cache, 'downloads'))).toEqual([]);

    const second = await install();
    expect(second.upToDate).toBe(true);
    expect(readFileSync(path.join(box.root, 'pip-calls'), 'utf8').trim().split('\n')).toHaveLength(1);
  });

  it('uninstalls what it installed, and nothing else in the cache', async () => {
    goodTools();
    const { directory } = await install();
    box.file('cache/models/mine', 'precious');
    expect(await uninstallNative({ env: box.env, version: '1.0' })).toEqual([]);
    expect(await uninstallNative({ env: box.env })).toContain(directory);
    expect(readdirSync(box.cache)).toEqual(['models']);
    expect(await uninstallNative({ env: box.env })).toEqual([]);
  });

  it('without pip: says how to get it', async () => {
    box.compiler();
    const error = await failure(install());
    expect(error.code).toBe('compute/install-no-pip');
    expect(error.message).toMatch(/Neither python3 nor pip .*apt-get install python3-pip.*--from/);
  });

  it('without a compiler: says so before anything is downloaded', async () => {
    box.pip(box.file('good.whl', fakeWheel(fakeLibraries)));
    const error = await failure(install());
    expect(error.code).toBe('compute/install-no-compiler');
    expect(error.message).toMatch(/g\+\+, clang\+\+, c\+\+.*apt-get install g\+\+/);
    expect(existsSync(path.join(box.root, 'pip-calls'))).toBe(false);
  });

  it.each([
    [
      'offline',
      'NewConnectionError: Failed to establish a new connection: Name or service not known\nERROR: No matching distribution found for tensorflow-cpu',
    ],
    [
      'offline',
      'ERROR: Could not find a version that satisfies the requirement tensorflow-cpu (from versions: none)',
    ],
    ['no-such-version', 'ERROR: No matching distribution found for tensorflow-cpu==1.2.3'],
    ['disk-full', 'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device'],
    ['archive', 'ERROR: something new'],
  ])('pip fails: %s', async (kind, message) => {
    box.compiler();
    box.pip({ failure: message });
    const error = await failure(install({ version: '1.2.3' }));
    expect(error.failure).toBe(kind);
    expect(error.fix).toMatch(/\.$|GPT_LINEAGE_CACHE/);
  });

  it('too little disk space: refuses before unpacking, with both numbers', async () => {
    goodTools();
    const error = await failure(install({ freeBytes: async () => 1000 }));
    expect(error.code).toBe('compute/install-disk-full');
    expect(error.message).toMatch(/\d+ MB needed, 1 MB free/);
    // Freed, it continues.
    expect((await install()).upToDate).toBe(false);
  });

  it('a disk that fills while writing is the same typed error', () => {
    const cause = Object.assign(new Error('write'), { code: 'ENOSPC' });
    expect(asInstallError(cause, '/cache')).toMatchObject({ failure: 'disk-full', cause });
    const other = new Error('bug');
    expect(asInstallError(other, '/cache')).toBe(other);
  });

  it('a cache path that is a file: names it and the variable', async () => {
    goodTools();
    box.file('cache', 'in the way');
    const error = await failure(install());
    expect(error.code).toBe('compute/install-cache');
    expect(error.message).toContain(box.cache);
    expect(error.message).toContain('GPT_LINEAGE_CACHE');
  });

  it('a broken cache is repaired: truncated library, missing addon, unreadable manifest', async () => {
    goodTools();
    const { directory } = await install();
    const library = path.join(directory, 'lib/libtensorflow_cc.so.2');
    truncateSync(library, 10);
    const broken = await doctor({ backend: 'wasm', env: box.env });
    expect(broken.checks.find((c) => c.name === 'native TensorFlow')).toMatchObject({
      state: 'broken',
      detail: expect.stringContaining('lib/libtensorflow_cc.so.2 has 10 bytes instead of 100000'),
      fix: expect.stringContaining('install-native'),
    });
    expect((await install()).upToDate).toBe(false);
    expect(statSync(library).size).toBe(100_000);

    writeFileSync(path.join(directory, addon), '');
    expect((await install()).upToDate).toBe(false);
    writeFileSync(path.join(directory, 'manifest.json'), '{"half');
    expect(listInstallations(box.cache)).toEqual([]);
    expect((await install()).upToDate).toBe(false);
    expect((await install()).upToDate).toBe(true);
  });

  it('a damaged wheel is refused: truncated, or with a wrong checksum, or not a wheel', async () => {
    box.compiler();
    const good = fakeWheel(fakeLibraries);
    const cases = {
      'truncated.whl': good.subarray(0, good.length / 2),
      'wrong.whl': fakeWheel(fakeLibraries, 'tensorflow/libtensorflow_cc.so.2'),
      'text.whl': Buffer.from('hello'),
      'empty.whl': fakeWheel({ 'tensorflow/python/x.py': '' }),
    };
    for (const [name, content] of Object.entries(cases)) {
      const error = await failure(install({ from: box.file(name, content) }));
      expect([name, error.code]).toEqual([name, 'compute/install-archive']);
    }
    expect((await failure(install({ from: path.join(box.root, 'nowhere.whl') }))).message).toContain(
      'does not exist',
    );
  });

  it('continues after a failure: what is unpacked and intact is not unpacked again', async () => {
    box.compiler('fatal error: out of ideas');
    box.pip(box.file('good.whl', fakeWheel(fakeLibraries)));
    const error = await failure(install());
    expect(error).toMatchObject({ failure: 'compile', message: expect.stringContaining('out of ideas') });
    const partial = path.join(box.cache, '.partial-cpu/lib');
    const inode = statSync(path.join(partial, 'libtensorflow_cc.so.2')).ino;
    writeFileSync(path.join(partial, 'libtensorflow_framework.so.2'), 'damaged meanwhile');
    box.compiler();
    const { directory } = await install();
    expect(statSync(path.join(directory, 'lib/libtensorflow_cc.so.2')).ino).toBe(inode);
    expect(statSync(path.join(directory, 'lib/libtensorflow_framework.so.2')).size).toBe(81_000);
  });

  it('an addon that does not load is not installed', async () => {
    goodTools();
    const error = await failure(install({ verify: true }));
    expect(error.code).toBe('compute/install-verify');
    expect(error.message).toContain('does not load');
  });

  it('takes a folder by linking to it, and an archive', async () => {
    box.compiler();
    const folder = path.join(box.root, 'site-packages/tensorflow');
    for (const [name, text] of Object.entries(fakeLibraries)) box.file(`site-packages/${name}`, text);
    const linked = await install({ from: folder, version: '3.3.3' });
    expect(linked.manifest.version).toBe('3.3.3');
    expect(lstatSync(path.join(linked.directory, 'lib/libtensorflow_cc.so.2')).isSymbolicLink()).toBe(true);
    expect((await install({ from: folder, version: '3.3.3' })).upToDate).toBe(true);

    const classic = path.join(box.root, 'classic');
    box.file('classic/lib/libtensorflow.so.2', 'one');
    box.file('classic/lib/libtensorflow_framework.so.2', 'two');
    box.file('classic/include/tensorflow/c/c_api.h', '// c');
    const archive = path.join(box.root, 'libtensorflow-4.4.4.tar.gz');
    execFileSync('tar', ['-czf', archive, '-C', classic, 'lib', 'include']);
    const env = { ...box.env, PATH: `${box.bin}:${process.env.PATH}` };
    const unpacked = await install({ from: archive, version: '4.4.4', env });
    expect(readFileSync(path.join(unpacked.directory, 'lib/libtensorflow.so.2'), 'utf8')).toBe('one');
    // The links of the folder above were not written through.
    expect(readFileSync(path.join(folder, 'libtensorflow_cc.so.2'), 'utf8')).toHaveLength(100_000);

    mkdirSync(path.join(box.root, 'nothing'));
    await expect(install({ from: path.join(box.root, 'nothing') })).rejects.toMatchObject({
      failure: 'archive',
    });
  });

  it('downloads a URL, and continues a broken download where it stopped', async () => {
    box.compiler();
    const wheel = fakeWheel(fakeLibraries);
    const ranges: (string | undefined)[] = [];
    let breakOff = true;
    const server = createServer((request, response) => {
      ranges.push(request.headers.range);
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const body = wheel.subarray(start);
      response.writeHead(start > 0 ? 206 : 200, { 'content-length': body.length });
      if (!breakOff) return response.end(body);
      breakOff = false;
      response.write(body.subarray(0, 400), () => setTimeout(() => response.destroy(), 50));
      return undefined;
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tensorflow_cpu.whl`;
    const error = await failure(install({ from }));
    expect(error).toMatchObject({
      failure: 'offline',
      fix: expect.stringContaining('continues where it stopped'),
    });
    const result = await install({ from });
    expect(ranges).toEqual([undefined, 'bytes=400-']);
    expect(result.manifest.version).toBe('9.9.9');
    await new Promise((done) => server.close(done));
    await uninstallNative({ env: box.env });
    expect((await failure(install({ from }))).failure).toBe('offline');
  });

  it('two processes at once: one builds, the other waits and finds it done', async () => {
    goodTools();
    const results = await Promise.all([install(), install()]);
    expect(results.map((r) => r.upToDate).sort()).toEqual([false, true]);
    // A lock whose owner is gone does not block.
    box.file('cache/install.lock', '999999999');
    expect((await install()).upToDate).toBe(true);
  });

  it('stops when aborted', async () => {
    goodTools();
    const stop = new AbortController();
    const work = install({
      signal: stop.signal,
      onProgress: (p) => p.phase === 'compile' && stop.abort(new Error('stop')),
    });
    await expect(work).rejects.toThrow('stop');
    expect(existsSync(path.join(box.cache, 'install.lock'))).toBe(false);
    expect((await install()).upToDate).toBe(false);
  });

  it('names in a wheel cannot lead out of the folder', () => {
    expect(targetOf('tensorflow/libtensorflow_cc.so.2')).toBe('lib/libtensorflow_cc.so.2');
    expect(targetOf('tensorflow/libtensorflow_cc.2.dylib')).toBe('lib/libtensorflow_cc.2.dylib');
    for (const name of [
      'tensorflow/../libtensorflow_cc.so.2',
      '../tensorflow/libtensorflow_cc.so.2',
      'tensorflow/include/tensorflow/c/../../../../x.h',
      'tensorflow/include/tensorflow/c/..\\x.h',
      '/tensorflow/libtensorflow_cc.so.2',
      'tensorflow/include/tensorflow/compiler/x.h',
    ]) {
      expect([name, targetOf(name)]).toEqual([name, undefined]);
    }
  });
});
