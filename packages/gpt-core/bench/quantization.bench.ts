/**
 * What smaller weights cost: nats per token of a trained model on text that it has not seen, for each storage of its
 * weights. The model is the demo's character-level Shakespeare; the text, the last tenth of its corpus.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import type { WeightStorage } from '../src/generation/decode-programs.js';
import { openSession } from '../src/generation/open-session.js';
import { GPT } from '../src/index.js';
import { type BenchResult, report } from './report.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
await initCompute();
const model = await GPT.load(here('../../../apps/demo/checkpoints/shakespeare-char'));
const text = readFileSync(here('../data/tinyshakespeare.txt'), 'utf8');
const tokenIds = model.encode(text.slice(Math.floor(text.length * 0.9)));
const { contextLength } = model.config;
const windows = process.argv.includes('--quick') ? 8 : 200;

/** Mean over all tokens but the first of each window. */
async function nats(weights: WeightStorage): Promise<number> {
  let [sum, count] = [0, 0];
  for (let window = 0; window < windows; window++) {
    const tokens = tokenIds.slice(window * contextLength, (window + 1) * contextLength);
    if (tokens.length < contextLength) break;
    const session = openSession(model, { capacity: contextLength, rows: 1, weights });
    const [logits] = await session.read([tokens], true);
    session.dispose();
    for (let at = 0; at + 1 < tokens.length; at++) {
      const row = logits![at]!;
      const largest = row.reduce((a, b) => Math.max(a, b));
      const total = row.reduce((a, b) => a + Math.exp(b - largest), 0);
      sum += largest + Math.log(total) - row[tokens[at + 1]!]!;
      count += 1;
    }
  }
  return sum / count;
}

const results: BenchResult[] = [];
const full = await nats('float32');
for (const weights of ['float16', 'int8', 'int4'] as const) {
  const own = await nats(weights);
  results.push({
    case: `shakespeare-char, ${windows} windows of ${contextLength}, ${weights} weights`,
    metric: 'perplexity',
    unit: '',
    ours: Math.exp(own),
    peers: { 'float32 weights': Math.exp(full) },
    ratio: { 'float32 weights': Math.exp(full - own) },
  });
}
model.dispose();
report('quantization', results);
