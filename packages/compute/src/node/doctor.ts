import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { BackendName } from '../backends/names.js';
import { type ComputeInfo, initCompute } from '../init.js';
import { softmaxCrossEntropy } from '../ops/cross-entropy.js';
import { gelu } from '../ops/gelu.js';
import { layerNorm } from '../ops/layer-norm.js';
import { linear } from '../ops/linear.js';
import { checkGradients } from '../testing/gradients.js';
import { addonFile, cacheRoot, listInstallations } from './cache.js';
import { findCompiler, findTfjsNode } from './install/compile.js';
import { damage } from './install/install-native.js';
import { findPip } from './install/source.js';
import { resolveFromHereOrApp } from './resolve.js';

export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'missing' | 'broken';
  readonly detail: string;
  /** What would mend it; only where something is missing or broken. */
  readonly fix?: string;
}

export interface Diagnosis {
  readonly system: {
    readonly node: string;
    readonly platform: string;
    readonly cpu: string;
    readonly threads: number;
    readonly memoryGB: number;
  };
  readonly packages: Readonly<Record<string, string>>;
  readonly checks: readonly Check[];
  readonly compute: ComputeInfo;
  /** Median of timed float32 matrix products. */
  readonly matmul: { readonly size: number; readonly ms: number; readonly gflops: number };
  readonly gradients: { readonly ok: boolean; readonly detail: string };
}

export interface DoctorOptions {
  readonly backend?: BackendName;
  /** Compare the installation's checksums too, not only its sizes. Default false. */
  readonly deep?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** Looks at everything a backend needs, then proves the chosen one with a timed product and a gradient check. */
export async function doctor(options: DoctorOptions = {}): Promise<Diagnosis> {
  const env = options.env ?? process.env;
  const checks = [
    ...checkPackages(),
    ...(await checkCache(env, options.deep ?? false)),
    await checkTool('pip', () => findPip({ env, signal: undefined }).then((pip) => pip.join(' '))),
    await checkTool('C++ compiler', () => findCompiler(env)),
  ];
  const compute = await initCompute(options.backend === undefined ? {} : { prefer: options.backend });
  return {
    system: {
      node: process.version,
      platform: `${process.platform} ${process.arch}, ${os.release()}`,
      cpu: os.cpus()[0]?.model.trim() || 'unknown',
      threads: os.availableParallelism(),
      memoryGB: Math.round(os.totalmem() / 1e8) / 10,
    },
    packages: packageVersions(),
    checks,
    compute,
    matmul: await timeMatMul(compute.backend),
    gradients: await proveGradients(),
  };
}

/** True when nothing that was tried is broken; what is merely missing does not count. */
export function isHealthy(diagnosis: Diagnosis): boolean {
  return diagnosis.gradients.ok && diagnosis.checks.every((check) => check.state !== 'broken');
}

const packageNames = [
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-node-gpu',
  '@tensorflow/tfjs-node',
  '@tensorflow/tfjs-backend-webgpu',
  'webgpu',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-backend-cpu',
];

function packageVersions(): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const name of packageNames) {
    const main = resolveFromHereOrApp(`${name}/package.json`) ?? manifestOf(resolveFromHereOrApp(name), name);
    if (main !== undefined) versions[name] = (createRequire(main)(main) as { version: string }).version;
  }
  return versions;
}

/** For packages whose exports hide their package.json. */
function manifestOf(main: string | undefined, name: string): string | undefined {
  if (main === undefined) return undefined;
  const root = main.slice(0, main.lastIndexOf(path.join('node_modules', name)));
  const manifest = path.join(root, 'node_modules', name, 'package.json');
  return existsSync(manifest) ? manifest : undefined;
}

function checkPackages(): Check[] {
  try {
    const found = findTfjsNode();
    return [{ name: 'tfjs-node', state: 'ok', detail: `${found.name} ${found.version}` }];
  } catch (error) {
    return [{ name: 'tfjs-node', state: 'missing', ...problem(error) }];
  }
}

async function checkCache(env: NodeJS.ProcessEnv, deep: boolean): Promise<Check[]> {
  const root = cacheRoot(env);
  const name = 'native TensorFlow';
  const installations = listInstallations(root);
  if (installations.length === 0) {
    return [
      {
        name,
        state: 'missing',
        detail: `nothing installed in ${root}`,
        fix: 'run: npx @gpt-lineage/compute install-native',
      },
    ];
  }
  const checks: Check[] = [];
  for (const installation of installations) {
    const { directory, manifest } = installation;
    const label = `libtensorflow ${manifest.version} (${manifest.variant}) in ${directory}`;
    const wrong = (await damage(installation, deep)) ?? missingAddon(directory);
    checks.push(
      wrong === undefined
        ? { name, state: 'ok', detail: label }
        : {
            name,
            state: 'broken',
            detail: `${label}: ${wrong}`,
            fix: 'run: npx @gpt-lineage/compute install-native',
          },
    );
  }
  return checks;
}

function missingAddon(directory: string): string | undefined {
  try {
    const { name, version } = findTfjsNode();
    const file = addonFile(version);
    return existsSync(path.join(directory, file)) ? undefined : `no addon for ${name} ${version}`;
  } catch {
    return undefined;
  }
}

async function checkTool(name: string, find: () => Promise<string>): Promise<Check> {
  try {
    return { name, state: 'ok', detail: await find() };
  } catch (error) {
    return { name, state: 'missing', ...problem(error) };
  }
}

function problem(error: unknown): { detail: string; fix?: string } {
  const { message, fix } = error as { message: string; fix?: string };
  if (fix === undefined) return { detail: message };
  return { detail: message.replace(` ${fix}`, ''), fix };
}

const sizes: Record<BackendName, number> = { tensorflow: 1024, webgpu: 1024, wasm: 512, cpu: 192 };

async function timeMatMul(backend: BackendName): Promise<Diagnosis['matmul']> {
  const size = sizes[backend];
  const a = tf.randomUniform([size, size]) as tf.Tensor2D;
  const times: number[] = [];
  for (let run = 0; run < 6; run++) {
    const start = performance.now();
    const product = tf.matMul(a, a);
    await product.data();
    times.push(performance.now() - start);
    product.dispose();
  }
  a.dispose();
  // The first run warms up.
  const ms = times.slice(1).sort((x, y) => x - y)[2]!;
  return { size, ms, gflops: (2 * size ** 3) / ms / 1e6 };
}

/** A layer of a GPT in small: norm, product, GELU, tied output layer, cross entropy. */
async function proveGradients(): Promise<Diagnosis['gradients']> {
  const inputs = [[3, 6], [6], [6], [6, 4], [5, 4]].map((shape, i) =>
    tf.randomNormal(shape, 0, 1, 'float32', i + 1),
  );
  const labels = tf.tensor1d([1, 4, -100], 'int32');
  try {
    await checkGradients(
      (x, gamma, beta, weight, table) => {
        const normed = layerNorm(x!, gamma as tf.Tensor1D, beta as tf.Tensor1D);
        const hidden = gelu(linear(normed, weight as tf.Tensor2D));
        const logits = linear(hidden, table as tf.Tensor2D, null, { transposeWeight: true });
        return softmaxCrossEntropy(logits, labels);
      },
      inputs,
      { probes: 6 },
    );
    return { ok: true, detail: 'agree with finite differences' };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  } finally {
    tf.dispose([...inputs, labels]);
  }
}
