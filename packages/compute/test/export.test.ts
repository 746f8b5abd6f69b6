import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadOnnxRuntime } from '../src/executors/onnx/runtime.js';
import { crc32c } from '../src/export/crc32c.js';
import {
  capture,
  dropout,
  ExportError,
  exportOnnx,
  gelu,
  linear,
  saveOnnx,
  saveSavedModel,
} from '../src/index.js';
import { setupBackend } from '../src/testing/setup.js';
import { missing } from './executors.js';

let folder = '';
let w: tf.Variable;
let b: tf.Variable;

beforeAll(async () => {
  await setupBackend();
  folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-export-'));
  w = tf.variable(tf.randomNormal([64, 32], 0, 1, 'float32', 1));
  b = tf.variable(tf.randomNormal([32], 0, 1, 'float32', 2));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  tf.disposeVariables();
});

const layer = (x: tf.Tensor) => ({ y: gelu(linear(x, w, b as unknown as tf.Tensor1D)) });

describe.skipIf(missing.onnx !== '')('ONNX export', () => {
  it('runs in ONNX Runtime with the numbers of the eager function, from memory and from a folder', async () => {
    const runtime = loadOnnxRuntime()!;
    const captured = capture(layer, { executor: 'eager' });
    const x = tf.randomNormal([3, 64], 0, 1, 'float32', 3);
    const expected = tf.tidy(() => layer(x).y.dataSync());
    const names = { inputNames: ['x'], outputNames: ['y'] };
    const model = exportOnnx(captured, [x], names);
    saveOnnx(join(folder, 'onnx'), captured, [x], names);
    expect(readdirSync(join(folder, 'onnx')).sort()).toEqual(['model.onnx', 'model.onnx.data']);
    expect(model.length).toBeGreaterThan(64 * 32 * 4);
    for (const source of [model, join(folder, 'onnx', 'model.onnx')]) {
      const session = await runtime.InferenceSession.create(source);
      const feeds = { x: new runtime.Tensor('float32', x.dataSync() as Float32Array, [3, 64]) };
      const out = await session.run(feeds, { y: null });
      expect(out.y!.dims).toEqual([3, 32]);
      out.y!.data.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 4);
      });
      await session.release();
    }
    captured.dispose();
    x.dispose();
  });

  it('refuses random numbers', () => {
    const noisy = capture((x: tf.Tensor) => dropout(x, 0.5, 3));
    expect(() => exportOnnx(noisy, [new Float32Array(4)])).toThrow(ExportError);
    noisy.dispose();
  });
});

const python = process.env.PEERS_PYTHON ?? 'python3';
const hasTensorFlow = spawnSync(python, ['-c', 'import tensorflow'], { encoding: 'utf8' }).status === 0;
if (!hasTensorFlow) console.warn(`SavedModels are not read back by Python: ${python} has no tensorflow`);

const script = `
import json, sys, numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
x = tf.constant(np.array(json.load(open(sys.argv[2])), dtype=np.float32).reshape(3, 64))
serve, train = model.signatures['serving_default'], model.signatures['train']
y = serve(x=x)['y'].numpy()
losses = [float(train(x=x, rate=tf.constant(0.1))['loss']) for _ in range(3)]
print(json.dumps({'y': y.ravel().tolist(), 'losses': losses, 'after': serve(x=x)['y'].numpy().ravel().tolist()}))
`;

describe('SavedModel export', () => {
  it('writes the files of the format, replacing what was there', () => {
    const serve = capture(layer, { executor: 'eager' });
    const target = join(folder, 'saved');
    for (let i = 0; i < 2; i++) {
      saveSavedModel(target, { serving_default: { captured: serve, args: [tf.zeros([3, 64])] } });
    }
    expect(existsSync(join(target, 'saved_model.pb'))).toBe(true);
    expect(readdirSync(join(target, 'variables')).sort()).toEqual([
      'variables.data-00000-of-00001',
      'variables.index',
    ]);
    expect(readdirSync(folder).filter((name) => name.includes('tmp'))).toEqual([]);
    expect(() => saveSavedModel(target, {})).toThrow(ExportError);
    expect(() =>
      saveSavedModel(target, { 'no/slash': { captured: serve, args: [tf.zeros([3, 64])] } }),
    ).toThrow(/name/);
    serve.dispose();
  });

  it('checksums are those of the Castagnoli polynomial', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  });

  it.skipIf(!hasTensorFlow)('trains and serves in Python with the numbers of the eager function', () => {
    const update = (x: tf.Tensor, rate: tf.Tensor) => {
      const { value, grads } = tf.variableGrads(() => tf.mean(tf.square(layer(x).y)) as tf.Scalar, [w, b]);
      for (const v of [w, b]) v.assign(tf.sub(v, tf.mul(grads[v.name]!, rate)));
      return { loss: value };
    };
    const serve = capture(layer, { executor: 'eager' });
    const train = capture(update, { executor: 'eager' });
    const x = tf.randomNormal([3, 64], 0, 1, 'float32', 3);
    const target = join(folder, 'trained');
    saveSavedModel(target, {
      serving_default: { captured: serve, args: [x], inputNames: ['x'], outputNames: ['y'] },
      train: { captured: train, args: [x, 0.1], inputNames: ['x', 'rate'], outputNames: ['loss'] },
    });
    writeFileSync(join(folder, 'x.json'), JSON.stringify([...x.dataSync()]));
    const run = spawnSync(python, ['-c', script, target, join(folder, 'x.json')], {
      encoding: 'utf8',
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
    });
    expect(run.status, run.stderr).toBe(0);
    const got = JSON.parse(run.stdout.trim().split('\n').at(-1)!) as Record<
      'y' | 'losses' | 'after',
      number[]
    >;
    const close = (actual: number[], expected: ArrayLike<number>) => {
      actual.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 4);
      });
    };
    close(
      got.y,
      tf.tidy(() => layer(x).y.dataSync()),
    );
    close(
      got.losses,
      [0, 1, 2].map(() => tf.tidy(() => update(x, tf.scalar(0.1)).loss.dataSync()[0]!)),
    );
    close(
      got.after,
      tf.tidy(() => layer(x).y.dataSync()),
    );
    serve.dispose();
    train.dispose();
    x.dispose();
  });
});
