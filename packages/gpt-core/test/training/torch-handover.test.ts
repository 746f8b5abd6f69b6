import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import { testBackend } from '@gpt-lineage/compute/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { GPT } from '../../src/index.js';
import { verse, verseTokenizer } from '../support/training.js';

const python = process.env.PEERS_PYTHON ?? 'python3';
const hasTorch = spawnSync(python, ['-c', 'import torch, transformers']).status === 0;
if (!hasTorch) console.info(`skipped: ${python} cannot import torch and transformers (set PEERS_PYTHON)`);
const script = fileURLToPath(new URL('../../tools/continue_with_torch.py', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gpt-core-torch-'));
beforeAll(() => initCompute({ prefer: testBackend() as 'wasm' }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!hasTorch)('hand-over to torchrun', () => {
  it('two processes go on with an exported model, and what they save comes back', async () => {
    const at = (name: string) => join(folder, name);
    const config = { vocabSize: verseTokenizer.vocabSize, contextLength: 16, nLayer: 1, nHead: 2, nEmbd: 16 };
    using model = GPT.create(config, { seed: 2, tokenizer: verseTokenizer });
    await model.save(at('run'));
    expect(await runCli(['export', at('run'), at('handover'), '--backend', testBackend()])).toBe(0);
    writeFileSync(at('tokens.bin'), Buffer.from(Uint16Array.from(verseTokenizer.encode(verse)).buffer));
    const launch = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', script];
    const settings = ['--steps', '30', '--batch-size', '4', '--learning-rate', '1e-2'];
    const { status, stdout, stderr } = spawnSync(
      python,
      [...launch, at('handover'), at('tokens.bin'), at('trained'), ...settings],
      { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } },
    );
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/step 30\/30 loss \d/);
    using trained = await GPT.load(at('trained'));
    expect(trained.tokenizer!.fingerprint).toBe(verseTokenizer.fingerprint);
    const text = verse.slice(0, 16);
    const lossOf = async (each: GPT) => {
      const loss = each.loss([each.tokenizer!.encode(text)]);
      const [value] = await loss.data();
      loss.dispose();
      return value!;
    };
    expect(await lossOf(trained)).toBeLessThan((await lossOf(model)) - 0.2);
  }, 240_000);
});
