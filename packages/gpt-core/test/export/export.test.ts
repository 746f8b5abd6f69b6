import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { ByteTokenizer, GPT, ggufChunks } from '../../src/index.js';
import { expectClose } from '../support/fixtures.js';

const python = process.env.PEERS_PYTHON ?? 'python3';
const hasGguf = spawnSync(python, ['-c', 'import gguf']).status === 0;
const hasOnnx = spawnSync(python, ['-c', 'import onnxruntime']).status === 0;
if (!hasGguf) console.info(`skipped: ${python} cannot import gguf (set PEERS_PYTHON)`);
if (!hasOnnx) console.info(`skipped: ${python} cannot import onnxruntime (set PEERS_PYTHON)`);
const folder = mkdtempSync(join(tmpdir(), 'gpt-core-export-'));
let model: GPT;
beforeAll(async () => {
  await tf.setBackend('cpu');
  model = GPT.create(
    { vocabSize: 257, contextLength: 16, nLayer: 2, nHead: 2, nEmbd: 16, eosTokenId: 256 },
    { tokenizer: new ByteTokenizer(), seed: 2 },
  );
  await model.save(join(folder, 'model'));
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

async function ggufBytes(type: 'f16' | 'f32'): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of ggufChunks(model, { type })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('GGUF', () => {
  it('begins as version 3 says, and ends with the last tensor, aligned', async () => {
    const bytes = await ggufBytes('f32');
    expect(bytes.subarray(0, 4).toString()).toBe('GGUF');
    expect(bytes.readUInt32LE(4)).toBe(3);
    expect(Number(bytes.readBigUInt64LE(8))).toBe(model.variables.size);
    expect(bytes.length % 32).toBe(0);
    const values = model.parameterCount * 4;
    expect(bytes.length).toBeGreaterThan(values);
    expect((await ggufBytes('f16')).length).toBeLessThan(bytes.length);
  });

  it('refuses other architectures', async () => {
    const gpt1 = GPT.create({
      vocabSize: 8,
      contextLength: 8,
      nLayer: 1,
      nHead: 1,
      nEmbd: 4,
      normPlacement: 'post',
    });
    await expect(ggufChunks(gpt1).next()).rejects.toThrow(/GPT-2's architecture only/);
    gpt1.dispose();
  });

  it.skipIf(!hasGguf)("is read by llama.cpp's own reader, value for value", async () => {
    const path = join(folder, 'model.gguf');
    writeFileSync(path, await ggufBytes('f32'));
    const code = `
import gguf, json, sys
r = gguf.GGUFReader(sys.argv[1])
t = {x.name: x for x in r.tensors}
f = {k: v.contents() for k, v in r.fields.items() if k.startswith(('gpt2.', 'general.arch', 'tokenizer.ggml.eos'))}
w = t['blk.1.attn_qkv.weight'].data
print(json.dumps({'fields': f, 'names': len(t), 'shape': list(w.shape), 'row': [float(x) for x in w[5]], 'tokens': len(r.fields['tokenizer.ggml.tokens'].contents())}))`;
    const read = JSON.parse(execFileSync(python, ['-c', code, path], { encoding: 'utf8' })) as {
      fields: Record<string, unknown>;
      names: number;
      shape: number[];
      row: number[];
      tokens: number;
    };
    expect(read.fields).toMatchObject({
      'general.architecture': 'gpt2',
      'gpt2.block_count': 2,
      'gpt2.attention.head_count': 2,
      'tokenizer.ggml.eos_token_id': 256,
    });
    expect(read).toMatchObject({ names: model.variables.size, shape: [48, 16], tokens: 257 });
    const weight = model.variables.get('transformer.h.1.attn.c_attn.weight')!.dataSync();
    expectClose(
      Float32Array.from(read.row),
      Float32Array.from({ length: 16 }, (_, i) => weight[i * 48 + 5]!),
      0,
    );
  });
});

describe('ONNX', () => {
  it('runs in ONNX Runtime with equal logits', async (context) => {
    const output = join(folder, 'onnx');
    const require = createRequire(new URL('../../../compute/package.json', import.meta.url));
    const print = process.stdout.write;
    process.stdout.write = (() => true) as typeof print;
    try {
      expect(
        await runCli([
          'convert',
          join(folder, 'model'),
          output,
          '--to',
          'onnx',
          '--length',
          '9',
          '--backend',
          'cpu',
        ]),
      ).toBe(0);
    } finally {
      process.stdout.write = print;
    }
    let runtime: {
      InferenceSession: {
        create(path: string): Promise<{
          run(feeds: object): Promise<{ logits: { data: Float32Array; dims: number[] } }>;
          release(): Promise<void>;
        }>;
      };
      Tensor: new (type: string, data: Int32Array, dims: number[]) => unknown;
    };
    try {
      runtime = require('onnxruntime-node');
    } catch {
      return context.skip('onnxruntime-node is not installed');
    }
    const ids = [1, 5, 200, 7, 7, 0, 90, 33, 256];
    const session = await runtime.InferenceSession.create(join(output, 'model.onnx'));
    const { logits } = await session.run({
      input_ids: new runtime.Tensor('int32', Int32Array.from(ids), [1, 9]),
    });
    const expected = model.forward([ids]);
    expectClose(logits.data, expected.logits.dataSync() as Float32Array, 1e-5);
    tf.dispose([expected.logits, expected.lastHiddenState]);
    await session.release();
  });
});
