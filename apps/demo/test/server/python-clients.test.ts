import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GPT } from '@gpt-lineage/gpt-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestServer } from './support.js';

const execute = promisify(execFile);
const python = process.env.PEERS_PYTHON ?? 'python3';

async function has(...modules: string[]): Promise<boolean> {
  try {
    await execute(python, ['-c', `import ${modules.join(', ')}`], { timeout: 120_000 });
    return true;
  } catch {
    console.log(`skipped: ${python} cannot import ${modules.join(', ')}`);
    return false;
  }
}

const [withClient, withHarness] = [await has('openai'), await has('lm_eval', 'tenacity', 'aiohttp')];

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.stop());

describe.skipIf(!withClient)('the Python openai package', () => {
  it('chats, streams, completes and embeds', async () => {
    const program = `
import json, sys
from openai import OpenAI
client = OpenAI(base_url=sys.argv[1] + "/v1", api_key="none")
messages = [{"role": "user", "content": "Hello"}]
whole = client.chat.completions.create(model="tiny", messages=messages, max_tokens=8, seed=3)
parts = client.chat.completions.create(model="tiny", messages=messages, max_tokens=8, seed=3, stream=True)
text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
scored = client.completions.create(model="tiny", prompt=[[1, 2, 3]], max_tokens=1, echo=True, logprobs=1)
vector = client.embeddings.create(model="tiny", input="a").data[0].embedding
print(json.dumps([whole.choices[0].message.content == text, len(scored.choices[0].logprobs.tokens), len(vector),
                  [model.id for model in client.models.list()]]))
`;
    const { stdout } = await execute(python, ['-c', program, server.url], { timeout: 120_000 });
    expect(JSON.parse(stdout)).toEqual([true, 4, 32, ['tiny', 'other']]);
  });
});

describe.skipIf(!withHarness)('lm-evaluation-harness', () => {
  it('scores and generates through local-completions what the library does', async () => {
    const program = `
import json, sys
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.api.instance import Instance

model = LocalCompletionsAPI(model="tiny", base_url=sys.argv[1] + "/v1/completions", tokenizer_backend="remote",
                            tokenized_requests=True, batch_size=2, max_length=200)
pairs = [("The cat", " sat"), ("One and", " two")]
scores = model.loglikelihood([Instance("loglikelihood", {}, pair, at) for at, pair in enumerate(pairs)])
arguments = ("Once", {"until": ["zzz"], "max_gen_toks": 6, "temperature": 0})
text = model.generate_until([Instance("generate_until", {}, arguments, 0)])
print(json.dumps([[list(score) for score in scores], text]))
`;
    const { stdout } = await execute(python, ['-c', program, server.url], {
      timeout: 200_000,
      env: { ...process.env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' },
    });
    const [scores, [text]] = JSON.parse(stdout.trim().split('\n').at(-1)!) as [[number, boolean][], [string]];
    const model = await GPT.load(join(server.folder, 'tiny'));
    const expected = await model.score(['The cat', 'One and'], [' sat', ' two']);
    for (const [at, { logLikelihood, isGreedy }] of expected.entries()) {
      expect(scores[at]![0]).toBeCloseTo(logLikelihood, 2);
      expect(Boolean(scores[at]![1])).toBe(isGreedy);
    }
    expect(text).toBe((await model.generate('Once', { maxTokens: 6, temperature: 0 })).text);
    model.dispose();
  });
});
