import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { activate } from '../backends/portable.js';
import { withoutStderr } from '../executors/quiet.js';
import type { LoadedBackend, LoadOptions } from '../platform/types.js';
import { addonFile, listInstallations, napiVersion } from './cache.js';
import { resolveFromHereOrApp } from './resolve.js';

/** The parts of tfjs-node's kernel backend that we rely on. */
interface NodeBackend {
  binding: { TF_Version: string };
  isUsingGpuDevice: boolean;
}

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/**
 * Native TensorFlow: the addon that the package's own installer left in it, else the one that
 * `gpt-compute install-native` built in the user's cache. node_modules is never written.
 */
export async function loadTensorFlow(options: LoadOptions): Promise<LoadedBackend> {
  if (tf.engine().registryFactory.tensorflow !== undefined) {
    await activate('tensorflow');
    return describe('tfjs-node (already loaded by the application)', options);
  }
  patchNodeUtil();
  prepareEnvironment(options);
  const skipped: string[] = [];
  for (const name of packages) {
    const manifestPath = resolveFromHereOrApp(`${name}/package.json`);
    if (manifestPath === undefined) {
      skipped.push(`${name} is not installed`);
      continue;
    }
    const directory = path.dirname(manifestPath);
    const load = createRequire(manifestPath);
    const { version } = load(manifestPath) as { version: string };
    if (existsSync(path.join(directory, 'lib', `napi-v${napiVersion}`, 'tfjs_binding.node'))) {
      try {
        start(() => load(directory), options);
        await activate('tensorflow');
        return describe(`${name} ${version}`, options);
      } catch (error) {
        discard();
        skipped.push(`the addon inside ${name} failed to load (${firstLine(error)})`);
      }
    }
    const addons = listInstallations().map((found) => path.join(found.directory, addonFile(version)));
    const addon = addons.find((file) => existsSync(file));
    if (addon === undefined) {
      skipped.push(`${name} has no native addon (run: npx @gpt-lineage/compute install-native)`);
      continue;
    }
    try {
      start(() => registerFromCache(load, name, addon), options);
      await activate('tensorflow');
      return describe(`${name} ${version}, addon of install-native`, options);
    } catch (error) {
      discard();
      skipped.push(
        `the cached addon ${addon} failed to load (${firstLine(error)}; run: npx @gpt-lineage/compute install-native --force)`,
      );
    }
  }
  throw new Error(skipped.join('; '));
}

/** Loads the library and runs a first op, which is when TensorFlow prints its banner. */
function start(load: () => void, options: LoadOptions): void {
  const first = () => {
    load();
    void tf.setBackend('tensorflow');
    tf.tidy(() => tf.add(tf.scalar(1), 1).dataSync());
  };
  if (options.verbose) first();
  else withoutStderr(first);
}

/** A registration that failed would hide the addon that is tried next. */
function discard(): void {
  if (tf.engine().registryFactory.tensorflow !== undefined) tf.removeBackend('tensorflow');
}

/** tfjs-node's entry point insists on an addon inside its own folder, so its parts are put together here. */
function registerFromCache(load: NodeJS.Require, name: string, addon: string): void {
  const binding = load(addon) as object;
  load('@tensorflow/tfjs');
  load('./dist/register_all_kernels');
  const { NodeJSKernelBackend } = load('./dist/nodejs_kernel_backend') as {
    NodeJSKernelBackend: new (binding: object, packageName: string) => tf.KernelBackend;
  };
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, name), 3);
}

/** tfjs-node 4.22.0 calls `util.isNullOrUndefined`, which Node 23 removed, and `util.isArray`, which warns. */
export function patchNodeUtil(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

/** TensorFlow reads these once, when its library is loaded. What the user has set stays. */
function prepareEnvironment(options: LoadOptions): void {
  const env = process.env;
  if (!options.verbose) env.TF_CPP_MIN_LOG_LEVEL ??= '3';
  env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  if (options.threads !== undefined) {
    env.TF_NUM_INTRAOP_THREADS ??= String(options.threads);
    env.OMP_NUM_THREADS ??= String(options.threads);
  }
}

function describe(library: string, options: LoadOptions): LoadedBackend {
  const backend = tf.backend() as unknown as NodeBackend;
  const version = backend.binding.TF_Version;
  const set = Number(process.env.TF_NUM_INTRAOP_THREADS);
  return {
    device: backend.isUsingGpuDevice ? 'gpu' : 'cpu',
    library: `${library} on libtensorflow`,
    version,
    threads: set > 0 ? set : (options.threads ?? os.availableParallelism()),
  };
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0] ?? '';
}
