import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ByteTokenizer, exportOnnx, GPT } from '../../src/index.js';
import { expectClose } from '../support/fixtures.js';

interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: number[];
}
interface Runtime {
  InferenceSession: {
    create(path: string): Promise<{
      run(feeds: Record<string, unknown>): Promise<Record<string, OrtTensor>>;
      release(): Promise<void>;
    }>;
  };
  Tensor: new (type: string, data: BigInt64Array | Float32Array, dims: readonly number[]) => OrtTensor;
}

let runtime: Runtime | undefined;
try {
  runtime = createRequire(new URL('../../../compute/package.json', import.meta.url))('onnxruntime-node');
} catch {
  console.info('skipped: onnxruntime-node is not installed');
}
const folder = mkdtempSync(join(tmpdir(), 'gpt-core-decoder-'));
beforeAll(async () => {
  await tf.setBackend('cpu');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [nLayer, nHead, nEmbd] = [2, 4, 16];

it.runIf(runtime).each([
  ['dense', {}],
  ['patterns and shared keys', { layerPattern: ['banded(3)', 'strided(4)'] as const, nKvHead: 2 }],
  ['rotary', { positions: 'rotary' as const }],
])('decodes in ONNX Runtime as the model does, rows padded on the left: %s', async (name, overrides) => {
  const { InferenceSession, Tensor } = runtime!;
  const model = GPT.create(
    {
      vocabSize: 257,
      contextLength: 32,
      nLayer,
      nHead,
      nEmbd,
      initializerRange: 0.3,
      eosTokenId: 256,
      ...overrides,
    },
    { tokenizer: new ByteTokenizer(), seed: 3 },
  );
  const output = join(folder, name.replaceAll(' ', '-'));
  await exportOnnx(model, output, { cache: true });
  for (const file of ['config.json', 'tokenizer.json', 'generation_config.json']) {
    expect(existsSync(join(output, file))).toBe(true);
  }
  const session = await InferenceSession.create(join(output, 'onnx', 'model.onnx'));
  const long = (rows: number[][]) =>
    new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);
  const nKvHead = model.config.nKvHead;
  let cache: Record<string, OrtTensor> = {};
  for (let layer = 0; layer < nLayer; layer++) {
    for (const part of ['key', 'value']) {
      cache[`past_key_values.${layer}.${part}`] = new Tensor('float32', new Float32Array(0), [
        2,
        nKvHead,
        0,
        nEmbd / nHead,
      ]);
    }
  }
  const rows = [
    [7, 8, 9, 10, 11, 12],
    [60, 61, 62],
  ];
  const read = rows.map((row) => [...row]);
  // The prompt, then token by token; the second row is three shorter.
  let ids = [rows[0]!, [0, 0, 0, ...rows[1]!]];
  let mask = [new Array<number>(6).fill(1), [0, 0, 0, 1, 1, 1]];
  for (let step = 0; step < 3; step++) {
    const positions = mask.map((row, at) =>
      row
        .map((_, i) => Math.max(0, row.slice(0, i + 1).reduce((sum, x) => sum + x, 0) - 1))
        .slice(row.length - ids[at]!.length),
    );
    const out = await session.run({
      input_ids: long(ids),
      attention_mask: long(mask),
      position_ids: long(positions),
      ...cache,
    });
    const { data, dims } = out.logits!;
    expect(dims).toEqual([2, ids[0]!.length, 257]);
    const tokens = read.map((row, at) => {
      const logits = data.subarray((at + 1) * dims[1]! * 257 - 257, (at + 1) * dims[1]! * 257);
      const expected = tf.tidy(
        () => model.forward([row], { logits: 'last' }).logits.dataSync() as Float32Array,
      );
      expectClose(logits, expected.slice(-257), 1e-4);
      return logits.indexOf(Math.max(...logits));
    });
    read.forEach((row, at) => {
      row.push(tokens[at]!);
    });
    ids = tokens.map((token) => [token]);
    mask = mask.map((row) => [...row, 1]);
    cache = Object.fromEntries(
      Object.entries(out)
        .filter(([key]) => key.startsWith('present.'))
        .map(([key, value]) => [key.replace('present', 'past_key_values'), value]),
    );
  }
  await session.release();
  model.dispose();
});
