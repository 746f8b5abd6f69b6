import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ComputeInfo, computeInfo, InvalidArgumentError, initCompute } from '../src/index.js';
import { inProcess } from './helpers/in-process.js';

afterEach(() => vi.unstubAllEnvs());

describe('initCompute', { timeout: 180_000 }, () => {
  it('switches between backends that are always there; gradients work with tfjs-core alone', async () => {
    vi.stubEnv('GPT_LINEAGE_BACKEND', '');
    for (const backend of ['cpu', 'wasm'] as const) {
      const info = await initCompute({ prefer: backend });
      expect(info).toMatchObject({
        backend,
        device: 'cpu',
        version: '4.22.0',
        why: `${backend} was asked for by prefer.`,
      });
      expect(tf.getBackend()).toBe(backend);
      const gradient = tf.grad((x: tf.Tensor) => tf.sum(tf.square(x)))(tf.tensor1d([1, 2]));
      expect(Array.from(await gradient.data())).toEqual([2, 4]);
      gradient.dispose();
    }
  });

  it('without a preference it keeps what was chosen before', async () => {
    vi.stubEnv('GPT_LINEAGE_BACKEND', '');
    await initCompute({ prefer: 'cpu' });
    expect((await initCompute()).backend).toBe('cpu');
    expect(computeInfo()?.backend).toBe('cpu');
  });

  it('calls that overlap do not disturb each other', async () => {
    vi.stubEnv('GPT_LINEAGE_BACKEND', '');
    const infos = await Promise.all([
      initCompute({ prefer: 'cpu' }),
      initCompute({ prefer: 'wasm' }),
      initCompute({ prefer: ['cpu', 'wasm'] }),
    ]);
    expect(infos.map((i) => i.backend)).toEqual(['cpu', 'wasm', 'cpu']);
    expect(tf.getBackend()).toBe('cpu');
  });

  it('GPT_LINEAGE_BACKEND goes before prefer', async () => {
    vi.stubEnv('GPT_LINEAGE_BACKEND', 'wasm');
    const info = await initCompute({ prefer: 'cpu' });
    expect(info).toMatchObject({ backend: 'wasm', why: 'wasm was asked for by GPT_LINEAGE_BACKEND.' });
  });

  it('refuses names and thread counts that make no sense', async () => {
    await expect(initCompute({ prefer: 'cuda' as 'cpu' })).rejects.toThrow(
      "prefer must be one of tensorflow, webgpu, wasm, cpu, received 'cuda'.",
    );
    await expect(initCompute({ threads: 0 })).rejects.toBeInstanceOf(InvalidArgumentError);
    vi.stubEnv('GPT_LINEAGE_BACKEND', 'gpu');
    await expect(initCompute()).rejects.toThrow(/GPT_LINEAGE_BACKEND must be one of/);
  });

  it('a backend that is missing is skipped with its reason, or is an error with strict', () => {
    const script = `
      const info = await initCompute({ prefer: 'tensorflow' });
      const strict = await initCompute({ prefer: 'tensorflow', strict: true }).catch((e) => e);
      console.log(JSON.stringify({ info, code: strict.code, message: strict.message, sum: tf.add(1, 2).arraySync() }));`;
    const { out } = inProcess(script, { GPT_LINEAGE_CACHE: '/nonexistent' });
    const { info, code, message, sum } = JSON.parse(out) as {
      info: ComputeInfo;
      code: string;
      message: string;
      sum: number;
    };
    expect(['webgpu', 'wasm']).toContain(info.backend);
    expect(info.why).toMatch(/works here; skipped: tensorflow \(.*install-native/);
    expect(code).toBe('compute/backend-unavailable');
    expect(message).toMatch(/^The tensorflow backend is not available: /);
    expect(sum).toBe(3);
  });

  it('prints nothing of its own accord, on the slowest backend neither', () => {
    const script =
      "await initCompute({ prefer: 'cpu' }); console.log(tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])).arraySync()[0][0]);";
    const { out, err } = inProcess(script);
    expect(out).toBe('2');
    expect(err.replace(/^.*(npm warn|ExperimentalWarning|--trace-warnings).*$/gm, '').trim()).toBe('');
  });
});
