import { existsSync, promises as fs } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { napiVersion } from '../cache.js';
import { resolveFromHereOrApp } from '../resolve.js';
import { NativeInstallError } from './errors.js';
import { run, tail } from './process.js';

export interface TfjsNode {
  readonly name: string;
  readonly version: string;
  readonly directory: string;
}

/** The package whose C++ sources become the addon and whose JavaScript uses it. */
export function findTfjsNode(): TfjsNode {
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    const manifest = resolveFromHereOrApp(`${name}/package.json`);
    if (manifest === undefined) continue;
    const { version } = createRequire(manifest)(manifest) as { version: string };
    return { name, version, directory: path.dirname(manifest) };
  }
  throw new NativeInstallError(
    'no-package',
    '@tensorflow/tfjs-node-gpu is not installed, so there are no sources to compile.',
    'Run: npm install --ignore-scripts @tensorflow/tfjs-node-gpu@4.22.0',
  );
}

export async function findCompiler(env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<string> {
  const candidates = env.CXX ? [env.CXX] : ['g++', 'clang++', 'c++'];
  for (const compiler of candidates) {
    const probe = await run(compiler, ['--version'], { env, signal });
    if (probe.code === 0) return compiler;
  }
  throw new NativeInstallError(
    'no-compiler',
    `No C++ compiler was found (tried ${candidates.join(', ')}).`,
    'Install one (Debian, Ubuntu: apt-get install g++; macOS: xcode-select --install), or name it in the environment variable CXX.',
  );
}

export interface CompileOptions {
  readonly compiler: string;
  /** Folder with `lib` and `include`; the addon goes there and finds the library by a relative path. */
  readonly directory: string;
  readonly package: TfjsNode;
  readonly addon: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | undefined;
}

/** tfjs-node's binding, one compiler call: no node-gyp, no Python, no Node headers but npm's node-api-headers. */
export async function compileAddon(options: CompileOptions): Promise<void> {
  const { compiler, directory, addon, env, signal } = options;
  const binding = path.join(options.package.directory, 'binding');
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => path.join(binding, name));
  const napi = path.dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json'));
  const lib = path.join(directory, 'lib');
  const names = await fs.readdir(lib);
  const libraries = ['libtensorflow_cc.', 'libtensorflow.', 'libtensorflow_framework.'].flatMap((stem) => {
    const found = names.filter((name) => name.startsWith(stem)).sort((a, b) => a.length - b.length)[0];
    return found === undefined ? [] : [path.join(lib, found)];
  });
  const mac = process.platform === 'darwin';
  const output = path.join(directory, `${addon}.tmp`);
  const done = await run(
    compiler,
    [
      ...[
        '-shared',
        '-fPIC',
        '-O2',
        '-std=c++17',
        `-DNAPI_VERSION=${napiVersion}`,
        '-DBUILDING_NODE_EXTENSION',
      ],
      ...(mac ? ['-undefined', 'dynamic_lookup'] : []),
      ...['-I', path.join(directory, 'include'), '-I', path.join(napi, 'include')],
      ...['-I', options.package.directory, '-I', path.dirname(options.package.directory)],
      ...sources,
      ...libraries,
      `-Wl,-rpath,${mac ? '@loader_path' : '$ORIGIN'}/lib`,
      ...['-o', output],
    ],
    { env, signal },
  );
  if (done.code !== 0 || !existsSync(output)) {
    await fs.rm(output, { force: true });
    const full = /no space left/i.test(done.stderr);
    throw new NativeInstallError(
      full ? 'disk-full' : 'compile',
      `${compiler} could not build the addon: ${tail(done.stderr, 8) || 'it wrote no file'}`,
      full
        ? 'Free some space on the disk of the cache and of the temporary folder.'
        : 'Use a compiler with C++17 (GCC 9 or later) and a TensorFlow of 2.9 or later.',
    );
  }
  await fs.rename(output, path.join(directory, addon));
}

/** Loads the addon in a process of its own, so that a crash there is only a message here. */
export async function verifyAddon(
  file: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<string> {
  const script = `process.stdout.write(String(require(${JSON.stringify(file)}).TF_Version))`;
  const done = await run(process.execPath, ['-e', script], {
    env: { ...env, TF_CPP_MIN_LOG_LEVEL: '3' },
    signal,
  });
  if (done.code !== 0 || done.stdout === '') {
    throw new NativeInstallError(
      'verify',
      `The addon was built but does not load: ${tail(done.stderr, 6)}`,
      'The library does not suit this system (an older glibc or CPU, perhaps): try an older --version.',
    );
  }
  return done.stdout;
}
