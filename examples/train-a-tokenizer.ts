// A byte-level BPE vocabulary of our own, saved as a tokenizer.json that Hugging Face tokenizers loads too.
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import { cl100k_base } from '@gpt-lineage/tokenizer-bbpe/cl100k_base';
import { loadTokenizer, saveTokenizer } from '@gpt-lineage/tokenizer-bbpe/node';

const text = await readFile(new URL('./data/shakespeare.txt', import.meta.url), 'utf8');

const tokenizer = await ByteLevelBPETokenizer.train([text], {
  vocabSize: 1000,
  minFrequency: 2,
  specialTokens: ['<|endoftext|>'],
});

const line = 'What say you to a league of peace, my lord? 你好';
const tokenIds = tokenizer.encode(line);
console.log(tokenIds.map((id) => tokenizer.decode([id])));
console.log(tokenizer.decode(tokenIds) === line); // true: bytes cover every text

// How many characters a token holds, here and in GPT-4's vocabulary of 100,000.
const perToken = (count: number) => (text.length / count).toFixed(2);
console.log(
  `own ${perToken(tokenizer.count(text))}, GPT-4 ${perToken(cl100k_base().count(text))} characters a token`,
);

const folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
await saveTokenizer(tokenizer, folder);
const again = await loadTokenizer(folder);
console.log(again.fingerprint === tokenizer.fingerprint); // true: same rules, same ids
