import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

const entry = `
  import * as tf from '@tensorflow/tfjs-core';
  import { gelu, initCompute, layerNorm } from './src/index.ts';
  const info = await initCompute({ prefer: 'cpu' });
  const one = tf.ones([3]);
  const gradient = tf.grad((x) => tf.sum(gelu(layerNorm(x, one, one))))(tf.tensor1d([1, 2, 4]));
  console.log(JSON.stringify({ info, gradient: Array.from(await gradient.data(), (v) => Number(v.toFixed(5))) }));
`;

it('the main entry bundles for a browser: no Node built-ins, one tensor engine, gradients included', {
  timeout: 180_000,
}, async () => {
  const here = fileURLToPath(new URL('..', import.meta.url));
  const result = await build({
    stdin: { contents: entry, resolveDir: here },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['@gpt-lineage/source'],
    // Optional peers that the application decides about.
    external: ['@tensorflow/tfjs-backend-webgpu', 'onnxruntime-web', 'onnxruntime-node', 'koffi'],
    metafile: true,
    logLevel: 'silent',
  });
  const inputs = Object.keys(result.metafile.inputs);
  expect(inputs.filter((name) => /tfjs-core\/dist\/engine\.js$/.test(name))).toHaveLength(1);
  expect(inputs.filter((name) => /\.node\.(js|ts)$|src\/node\//.test(name))).toEqual([]);
  const imports = Object.values(result.metafile.outputs).flatMap((output) =>
    output.imports.map((i) => i.path),
  );
  expect(imports.filter((name) => name.startsWith('node:'))).toEqual([]);

  const file = path.join(tmpdir(), `gpt-lineage-browser-${process.pid}.mjs`);
  const browser = 'globalThis.window = globalThis; globalThis.document = {};\n';
  writeFileSync(file, browser + result.outputFiles[0]!.text);
  try {
    const done = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    expect(done.stderr).toBe('');
    expect(JSON.parse(done.stdout)).toMatchObject({
      info: { backend: 'cpu' },
      // From the same function on native TensorFlow.
      gradient: [-0.11825, 0.17737, -0.05912],
    });
  } finally {
    rmSync(file, { force: true });
  }
});
