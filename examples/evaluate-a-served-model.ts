// Serve a checkpoint with an OpenAI-compatible server, ask it as any client would, and evaluate it over HTTP.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { evaluate, registerTask, reportTable } from '@gpt-lineage/eval';
import { endpointLanguageModel, tokenizerFromJSON } from '@gpt-lineage/gpt-core';

const demo = new URL('../apps/demo/', import.meta.url);
const checkpoint = fileURLToPath(new URL('checkpoints/shakespeare-char', demo));

// The same as `npx gpt-demo serve --model CHECKPOINT`, on a free port.
const server = fork(
  fileURLToPath(new URL('dist/cli.js', demo)),
  ['serve', '--model', checkpoint, '--port', '0', '--log-level', 'warn'],
  { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
);
try {
  const [{ url }] = (await once(server, 'message')) as [{ url: string }];
  const baseUrl = `${url}/v1`;

  const answer = await fetch(`${baseUrl}/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'shakespeare-char', prompt: 'ROMEO:', max_tokens: 80, seed: 1 }),
  });
  const { choices } = (await answer.json()) as { choices: { text: string }[] };
  console.log(`ROMEO:${choices[0]!.text}\n`);

  const model = endpointLanguageModel({
    baseUrl,
    model: 'shakespeare-char',
    tokenizer: tokenizerFromJSON(JSON.parse(await readFile(`${checkpoint}/tokenizer.json`, 'utf8'))),
    contextLength: 256,
  });
  registerTask({
    kind: 'multiple-choice',
    name: 'word-order',
    version: 1,
    title: 'Which line is English, and which one is its words in reverse?',
    data: { files: { test: 'word-order.jsonl' } },
    prompt: '{{ speaker }}:\n',
    choices: ({ line }) => [line as string, (line as string).split(' ').reverse().join(' ')],
    target: () => 0,
  });
  const report = await evaluate(model, {
    tasks: ['word-order'],
    dataFolder: fileURLToPath(new URL('data', import.meta.url)),
  });
  console.log(reportTable(report));
} finally {
  server.kill();
}
