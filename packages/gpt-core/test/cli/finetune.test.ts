import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setupBackend, testBackend } from '@gpt-lineage/compute/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { ByteTokenizer, GPT, predictTask, TaskModel } from '../../src/index.js';
import { loadLoRA, readJsonlLog } from '../../src/node/index.js';
import { fixturePath } from '../support/fixtures.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-cli-finetune-'));
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  await setupBackend();
  const config = { vocabSize: 257, contextLength: 64, nLayer: 1, nHead: 2, nEmbd: 16 };
  using model = GPT.create(config, { seed: 1, tokenizer: new ByteTokenizer() });
  await model.save(at('base'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function finetune(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => Boolean(out.push(String(chunk)))),
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => Boolean(err.push(String(chunk)))),
  ];
  try {
    const status = await runCli(['finetune', '--model', at('base'), '--backend', testBackend(), ...args]);
    return { status, stdout: out.join(''), stderr: err.join('') };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = undefined;
  }
}

it('fine-tunes a task and reports its metrics', async () => {
  const data = fixturePath('tasks/sentiment.jsonl');
  const run = await finetune(
    '--task',
    'sentiment',
    '--data',
    data,
    '--validation',
    data,
    '--out',
    at('task'),
    '--steps',
    '3',
    '--batch-size',
    '4',
  );
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  const events = await readJsonlLog(join(at('task'), 'metrics.jsonl'));
  const validation = events.find((event) => event.type === 'validation')!;
  expect(Object.keys(validation.metrics!)).toEqual(['accuracy', 'f1', 'matthews']);
  using model = await TaskModel.load(at('task'));
  const [answer] = await predictTask<'sentiment'>(model, [{ text: 'a fine film' }]);
  expect(['negative', 'positive']).toContain(answer!.label);
});

it('tunes instructions, whole or as adapters that PEFT reads', async () => {
  const rows = [
    { prompt: 'Say hi.', completion: ' Hi!' },
    {
      messages: [
        { role: 'user', content: 'Bye' },
        { role: 'assistant', content: 'See you' },
      ],
    },
  ];
  writeFileSync(at('chat.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
  const common = ['--task', 'instructions', '--data', at('chat.jsonl'), '--steps', '2', '--batch-size', '2'];
  expect((await finetune(...common, '--out', at('sft'))).stderr).toBe('');
  using model = await GPT.load(at('sft'));
  expect(model.tokenizer!.vocabSize).toBe(257);
  expect((await finetune(...common, '--out', at('lora'), '--lora-rank', '2')).stderr).toBe('');
  using lora = await loadLoRA(model, at('lora'));
  expect(lora.options.rank).toBe(2);
  expect(JSON.parse(readFileSync(join(at('lora'), 'adapter_config.json'), 'utf8'))).toMatchObject({
    peft_type: 'LORA',
  });
});

it('refuses bad input in one sentence', async () => {
  writeFileSync(at('bad.jsonl'), '{"instruction": 1}');
  const refused = async (message: RegExp, ...args: string[]) => {
    const run = await finetune('--out', at('none'), ...args);
    expect(run.stderr).toMatch(message);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(run.status).toBeGreaterThan(0);
  };
  const data = fixturePath('tasks/sentiment.jsonl');
  await refused(/required option '--task <task>' not specified/, '--data', data);
  await refused(/Allowed choices are classification/, '--task', 'poetry', '--data', data);
  await refused(/Example 0 is neither/, '--task', 'instructions', '--data', at('bad.jsonl'));
  await refused(/nowhere.jsonl does not exist/, '--task', 'chat', '--data', at('nowhere.jsonl'));
  await refused(
    /name two or more different classes/,
    '--task',
    'sentiment',
    '--data',
    data,
    '--labels',
    'one',
  );
  await refused(/chat example needs a list of texts/, '--task', 'chat', '--data', data);
});
