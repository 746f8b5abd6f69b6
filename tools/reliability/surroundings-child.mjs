// Does a little of everything and prints a hash of each result.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initCompute } from '@gpt-lineage/compute';
import { pipeline } from '@gpt-lineage/corpus';
import { evaluate, reportMarkdown } from '@gpt-lineage/eval';
import { arrayStore, ByteTokenizer, GPT, pretrain, windowSource } from '@gpt-lineage/gpt-core';
import { RunDirectory } from '@gpt-lineage/gpt-core/node';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';

const folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-surroundings-'));
const sha = (content) => createHash('sha256').update(content).digest('hex');
const text = 'INDIGO Iıİi ilk 1,234.5 ١٢٣ STRASSE straße ΣΊΣΥΦΟΣ naïve Ünicode ';
const parts = {};

try {
  await initCompute({ prefer: 'cpu' });
  const words = await BPETokenizer.train([text.repeat(3)], { vocabSize: 90 });
  parts['GPT-1 tokenizer'] = sha(JSON.stringify([words.vocab, words.merges, words.encode(text)]));
  const bytes = await ByteLevelBPETokenizer.train([text.repeat(3)], { vocabSize: 300 });
  parts['byte-level tokenizer'] = sha(JSON.stringify([bytes.toTokenizerJSON(), bytes.encode(text)]));

  const records = Array.from({ length: 30 }, (_, i) => ({
    id: `d${i}`,
    text: `${text} document ${i} ${i * i}`,
  }));
  writeFileSync(join(folder, 'a.jsonl'), records.map((record) => JSON.stringify(record)).join('\n'));
  await pipeline(
    {
      output: 'corpus',
      seed: 1,
      deduplicate: false,
      sources: [{ name: 'a', files: ['a.jsonl'] }],
      tokenizer: { encoding: 'gpt2' },
    },
    { baseDirectory: folder },
  );
  parts['corpus shard'] = sha(readFileSync(join(folder, 'corpus/train-00000.tokens')));
  parts['corpus manifest'] = sha(readFileSync(join(folder, 'corpus/manifest.json')));

  const tokenizer = new ByteTokenizer();
  const shape = { vocabSize: tokenizer.vocabSize, contextLength: 64, nLayer: 1, nHead: 2, nEmbd: 16 };
  const model = GPT.create(shape, { seed: 1, tokenizer });
  const checkpoints = new RunDirectory(join(folder, 'run'));
  await checkpoints.open();
  const source = windowSource(arrayStore(tokenizer.encode(text.repeat(4))), { contextLength: 16, seed: 1 });
  const losses = [];
  for await (const event of pretrain(model, source, { steps: 4, batchSize: 2, seed: 1, checkpoints }))
    if (event.type === 'step') losses.push(event.loss);
  checkpoints.close();
  parts.losses = sha(JSON.stringify(losses));
  parts.weights = sha(readFileSync(join(folder, 'run/model.safetensors')));
  const { text: sample } = await model.generate('I', { maxTokens: 20, seed: 3 });
  parts.sample = sha(sample);
  const report = await evaluate(model, { tasks: ['lambada_openai'], limit: 3 });
  parts.report = sha(reportMarkdown(report).replaceAll(/\d+(\.\d+)? ?m?s\b/g, ''));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify(parts));
