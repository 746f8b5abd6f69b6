import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectNoLeak, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GPT, LoRA, pretrain, textSource } from '../../src/index.js';
import { loadLoRA, RunDirectory } from '../../src/node/index.js';
import { expectClose, fixturePath, fixtureTensors, ints } from '../support/fixtures.js';
import { collect, curve, tinyConfig, verse, verseTokenizer, weightsOf } from '../support/training.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-lora-'));
beforeAll(setupBackend);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const load = () => GPT.load(fixturePath('gpt2-tiny/model'));
const source = () => textSource(verse, verseTokenizer, { contextLength: 16, seed: 1 }).train;
const create = () => GPT.create(tinyConfig, { seed: 4, tokenizer: verseTokenizer });

async function logitsOf(model: GPT, ids: tf.Tensor2D): Promise<Float32Array> {
  const { logits, lastHiddenState } = model.forward(ids);
  const values = Float32Array.from((await logits.data()) as Float32Array);
  tf.dispose([logits, lastHiddenState]);
  return values;
}

describe('PEFT adapters', () => {
  it.each(['c-attn', 'all-rslora'])(
    '%s: logits equal PEFT’s, adapted and merged; saved again they are the same',
    async (name) => {
      const io = await fixtureTensors(`lora/${name}/io.safetensors`);
      const expected = io.get('logits')!.values as Float32Array;
      const ids = ints(io, 'input_ids');
      using model = await load();
      const base = await logitsOf(model, ids);
      const lora = await loadLoRA(model, fixturePath(`lora/${name}`));
      expectClose(await logitsOf(model, ids), expected, 1e-4);
      lora.merge();
      expect(model.adapters.size).toBe(0);
      expectClose(await logitsOf(model, ids), expected, 1e-4);
      lora.unmerge();
      expectClose(await logitsOf(model, ids), expected, 1e-4);

      await lora.save(join(folder, name));
      const tensors = await fixtureTensors(`lora/${name}/adapter_model.safetensors`);
      lora.dispose();
      expectClose(await logitsOf(model, ids), base, 1e-4);
      const again = await loadLoRA(model, join(folder, name));
      expectClose(await logitsOf(model, ids), expected, 1e-4);
      for (const [module, variable] of again.variables) {
        const saved = tensors.get(`base_model.model.${module}.weight`)!;
        expect([...variable.shape].reverse()).toEqual([...saved.shape]);
      }
      again.dispose();
      ids.dispose();
    },
  );

  it('are read by PEFT with equal logits, where Python has it', async (context) => {
    const python = process.env.PEERS_PYTHON;
    if (!python) return context.skip('set PEERS_PYTHON to a Python with peft and transformers');
    const imports = 'from peft import PeftModel; from transformers import GPT2LMHeadModel';
    if (spawnSync(python, ['-c', imports]).status !== 0) return context.skip(`${python} cannot import PEFT`);
    using model = await load();
    using lora = LoRA.attach(model, { rank: 3, alpha: 5, seed: 2 });
    for (const [name, variable] of lora.variables)
      if (name.endsWith('lora_B'))
        tf.tidy(() => variable.assign(tf.randomNormal(variable.shape, 0, 0.2, 'float32', 7)));
    const out = join(folder, 'to-peft');
    await lora.save(out);
    const ids = tf.tensor2d([[5, 9, 300, 42]], [1, 4], 'int32');
    const script = [
      'import sys, torch, json',
      'from peft import PeftModel',
      'from transformers import GPT2LMHeadModel',
      'model = PeftModel.from_pretrained(GPT2LMHeadModel.from_pretrained(sys.argv[1]), sys.argv[2]).eval()',
      'print(json.dumps(model(torch.tensor([[5, 9, 300, 42]])).logits.flatten().tolist()))',
    ].join('\n');
    const run = spawnSync(python, ['-c', script, fixturePath('gpt2-tiny/model'), out], {
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    expect(run.status, run.stderr).toBe(0);
    expectClose(
      await logitsOf(model, ids),
      Float32Array.from(JSON.parse(run.stdout.trim().split('\n').at(-1)!)),
      1e-4,
    );
    ids.dispose();
  }, 300_000);

  it('are refused when they do not fit', async () => {
    using model = create();
    await expectNoLeak(async () => {
      await expect(loadLoRA(model, fixturePath('lora/c-attn'))).rejects.toThrow(
        /use an adapter of this model's size|no linear layer/,
      );
      await expect(loadLoRA(model, join(folder, 'nowhere'))).rejects.toThrow(/has no adapter_config.json/);
    });
    const config = JSON.parse(readFileSync(fixturePath('lora/c-attn/adapter_config.json'), 'utf8')) as object;
    const { cpSync } = await import('node:fs');
    const bad = join(folder, 'bad');
    cpSync(fixturePath('lora/c-attn'), bad, { recursive: true });
    const cases: [object, RegExp][] = [
      [{ use_dora: true }, /use_dora, which is not supported/],
      [{ bias: 'all' }, /bias, which is not supported/],
      [{ modules_to_save: ['lm_head'] }, /modules_to_save, which is not supported/],
      [{ peft_type: 'PREFIX_TUNING' }, /not a LoRA adapter's \(peft_type/],
      [{ r: 0 }, /not a LoRA adapter's \(r:/],
    ];
    for (const [change, message] of cases) {
      writeFileSync(join(bad, 'adapter_config.json'), JSON.stringify({ ...config, ...change }));
      await expect(loadLoRA(model, bad)).rejects.toThrow(message);
    }
    writeFileSync(join(bad, 'adapter_config.json'), JSON.stringify(config));
    writeFileSync(join(bad, 'adapter_model.safetensors'), 'x');
    await expect(loadLoRA(model, bad)).rejects.toThrow(/adapter_model.safetensors: cannot be read/);
  });
});

describe('training adapters', () => {
  it('changes nothing at first, then only the adapters, and resumes exactly', async () => {
    using model = create();
    const ids = tf.tensor2d([[1, 2, 3, 4]], [1, 4], 'int32');
    const before = await logitsOf(model, ids);
    const weights = await weightsOf(model);
    const make = () => LoRA.attach(model, { rank: 4, alpha: 32, dropout: 0.1, seed: 3 });
    const options = {
      steps: 20,
      batchSize: 4,
      learningRate: 1e-2,
      weightDecay: 0,
      checkpointEvery: 8,
      seed: 6,
    };
    let expected: (readonly number[])[];
    {
      using lora = make();
      expect(await logitsOf(model, ids)).toEqual(before);
      const events = await collect(pretrain(model, source(), { ...options, adapter: lora }));
      expected = curve(events);
      expect(expected.at(-1)![1]!).toBeLessThan(expected[0]![1]! - 0.05);
      expect(await weightsOf(model)).toEqual(weights);
      const start = events.find((event) => event.type === 'start')!;
      expect(start.parameters).toBe([...lora.variables.values()].reduce((sum, { size }) => sum + size, 0));
    }
    expect(await logitsOf(model, ids)).toEqual(before);
    const run = new RunDirectory(join(folder, 'run'));
    const stop = new AbortController();
    const head = [];
    {
      using lora = make();
      for await (const event of pretrain(model, source(), {
        ...options,
        adapter: lora,
        checkpoints: run,
        signal: stop.signal,
      })) {
        head.push(event);
        if (event.type === 'step' && event.step === 9) stop.abort();
      }
    }
    using lora = make();
    const tail = await collect(
      pretrain(model, source(), { ...options, adapter: lora, checkpoints: run, resume: true }),
    );
    expect([...curve(head), ...curve(tail)]).toEqual(expected);
    // The folder of the run is a PEFT adapter.
    using other = create();
    using loaded = await loadLoRA(other, join(folder, 'run'));
    expect(loaded.modules).toEqual(lora.modules);
    ids.dispose();
  });

  it('targets modules by the end of their names', async () => {
    using model = create();
    using lora = LoRA.attach(model, { targetModules: ['attn.c_proj', 'c_fc'] });
    expect(lora.modules).toEqual(
      [0, 1].flatMap((i) => [`transformer.h.${i}.attn.c_proj`, `transformer.h.${i}.mlp.c_fc`]),
    );
    expect(() => LoRA.attach(model, { targetModules: ['c_fc'] })).toThrow(/has an adapter already/);
    expect(() => LoRA.attach(model, { targetModules: ['q_proj'] })).toThrow(/there are c_attn, c_proj, c_fc/);
    expect(() => LoRA.attach(model, { rank: 0 })).toThrow(/"rank" is 0/);
    expect(() => LoRA.attach(model, { dropout: 1 })).toThrow(/"dropout" is 1/);
    using other = create();
    await expect(collect(pretrain(other, source(), { steps: 1, adapter: lora }))).rejects.toThrow(
      /attached to another model/,
    );
  });
});
