// Every reader of files, with a good file to start from. `read` may succeed or throw a typed error, nothing else.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  deduplicate,
  readRecords,
  readTrainingRecords,
  resolveConfig,
  TokenShardReader,
  TokenShardWriter,
} from '@gpt-lineage/corpus';
import {
  CharacterTokenizer,
  GPT,
  parseConfig,
  parseJsonlTexts,
  tokenizerFromJSON,
} from '@gpt-lineage/gpt-core';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';
import { CLIP, decodeImage, encodePng } from '@gpt-lineage/vision-clip';
import { bytesSource, readSafetensors } from '@gpt-lineage/vision-clip/safetensors';
import { parse } from 'yaml';

/** A reader of one file of a folder: writes the variant over the good file and loads the folder. */
const folderReader = (folder, file, load) => ({
  good: readFileSync(join(folder, file)),
  async read(bytes) {
    writeFileSync(join(folder, file), bytes);
    const loaded = await load(folder);
    loaded?.dispose?.();
  },
});

const fileReader = (path, good, load) => ({
  good,
  async read(bytes) {
    writeFileSync(path, bytes);
    await load(path);
  },
});

const drain = async (records) => {
  for await (const _ of records);
};

/** Text readers get what a host would give them: a string. */
const textReader = (text, load) => ({
  good: Buffer.from(text),
  read: (bytes) => load(bytes.toString('utf8')),
});

export async function readers(folder) {
  const path = (name) => join(folder, name);
  mkdirSync(folder, { recursive: true });

  const tokenizer = CharacterTokenizer.train('abcd');
  const model = GPT.create(
    { vocabSize: 4, contextLength: 4, nLayer: 1, nHead: 1, nEmbd: 4 },
    { tokenizer, seed: 1 },
  );
  for (const name of ['weights', 'config', 'tokenizer', 'generation']) await model.save(path(`gpt-${name}`));
  model.dispose();

  const tower = { nEmbd: 4, nLayer: 1, nHead: 1, nInner: 4, activation: 'quick', layerNormEpsilon: 1e-5 };
  const clip = CLIP.create({
    embedDim: 4,
    vision: { kind: 'vit', imageSize: 4, patchSize: 2, ...tower },
    text: { vocabSize: 8, contextLength: 4, ...tower, eosTokenId: 7, bosTokenId: 6, padTokenId: 0 },
    logitScaleInit: 1,
  });
  for (const name of ['weights', 'config']) await clip.save(path(`clip-${name}`));
  clip.dispose();

  const bytes = await ByteLevelBPETokenizer.train(['low lower lowest new newer newest'], { vocabSize: 270 });
  const words = await BPETokenizer.train(['low lower lowest new newer newest'], { vocabSize: 40 });
  await words.save(path('bpe'));
  const wordFiles = readdirSync(path('bpe'));
  for (const file of wordFiles) await words.save(path(`bpe-${file}`));
  const ranks = Array.from({ length: 258 }, (_, rank) => {
    const token = rank < 256 ? Buffer.from([rank]) : Buffer.from(rank === 256 ? 'lo' : 'low');
    return `${token.toString('base64')} ${rank}`;
  }).join('\n');

  const shard = new TokenShardWriter(path('good.tokens'), { vocabSize: 100, sources: ['a'], tokenizer: 'f' });
  shard.append([1, 2, 3, 4]);
  shard.append([5, 6, 7], { end: 0 });
  await shard.finish();

  const square = {
    width: 8,
    height: 8,
    channels: 3,
    data: Uint8Array.from({ length: 192 }, (_, i) => (i * 37) % 256),
  };
  const png = Buffer.from(await encodePng(square));
  const records = ['{"id":"a","text":"one two three"}', '{"id":"b","text":"four five"}', ''].join('\n');
  const preferences =
    '{"prompt":"p","chosen":"good","rejected":"bad"}\n{"prompt":"q","chosen":"a","rejected":"b"}\n';
  const csv = 'id,text\n1,"one, two"\n2,three\n';
  const pipelineConfig =
    'output: out\nseed: 1\nsources:\n  - name: a\n    files: [data.jsonl]\n    weight: 2\ntokenizer:\n  encoding: gpt2\n';
  const gptConfig = JSON.stringify({
    vocabSize: 10,
    contextLength: 8,
    nLayer: 1,
    nHead: 2,
    nEmbd: 4,
    positions: 'rotary',
  });

  const weights = readFileSync(path('gpt-weights/model.safetensors'));
  return {
    safetensors: {
      good: weights,
      async read(variant) {
        const file = await readSafetensors(bytesSource(variant));
        for (const name of file.tensors.keys()) await file.read?.(name);
      },
    },
    'GPT: model.safetensors': folderReader(path('gpt-weights'), 'model.safetensors', (at) => GPT.load(at)),
    'GPT: config.json': folderReader(path('gpt-config'), 'config.json', (at) => GPT.load(at)),
    'GPT: tokenizer.json': folderReader(path('gpt-tokenizer'), 'tokenizer.json', (at) => GPT.load(at)),
    'GPT: generation_config.json': folderReader(path('gpt-generation'), 'generation_config.json', (at) =>
      GPT.load(at),
    ),
    'CLIP: model.safetensors': folderReader(path('clip-weights'), 'model.safetensors', (at) => CLIP.load(at)),
    'CLIP: config.json': folderReader(path('clip-config'), 'config.json', (at) => CLIP.load(at)),
    'tokenizer.json': textReader(JSON.stringify(bytes.toTokenizerJSON()), (text) =>
      ByteLevelBPETokenizer.fromTokenizerJSON(text),
    ),
    'tokenizer of any kind': textReader(JSON.stringify(tokenizer.toTokenizerJSON()), (text) => {
      let json;
      try {
        json = JSON.parse(text);
      } catch {
        return; // the caller's parser
      }
      tokenizerFromJSON(json);
    }),
    '.tiktoken': textReader(ranks, (text) =>
      ByteLevelBPETokenizer.fromTiktoken(text, { pattern: 'gpt2', specialTokens: {} }),
    ),
    ...Object.fromEntries(
      wordFiles.map((file) => [
        `GPT-1 ${file}`,
        folderReader(path(`bpe-${file}`), file, (at) => BPETokenizer.load(at)),
      ]),
    ),
    'token shard': fileReader(path('hostile.tokens'), readFileSync(path('good.tokens')), (at) => {
      const reader = TokenShardReader.open(at);
      try {
        reader.read(0, Math.min(4, reader.tokenCount));
      } finally {
        reader[Symbol.dispose]?.();
      }
    }),
    JSONL: fileReader(path('hostile.jsonl'), Buffer.from(records), (at) => drain(readRecords(at))),
    'JSONL for training': textReader(records, (text) => parseJsonlTexts(text, 'hostile.jsonl')),
    CSV: fileReader(path('hostile.csv'), Buffer.from(csv), (at) => drain(readRecords(at))),
    'preference records': fileReader(path('pairs.jsonl'), Buffer.from(preferences), (at) =>
      drain(readTrainingRecords(at)),
    ),
    'model config': textReader(gptConfig, (text) => {
      let json;
      try {
        json = JSON.parse(text);
      } catch {
        return;
      }
      parseConfig(json);
    }),
    'corpus config': textReader(pipelineConfig, (text) => {
      let config;
      try {
        config = parse(text, { maxAliasCount: 10 });
      } catch {
        return; // the YAML library's own errors
      }
      resolveConfig(config);
    }),
    'image (PNG)': { good: png, read: (variant) => decodeImage(variant) },
    'documents with any text': textReader('one two three four five six seven eight nine', (text) =>
      deduplicate([
        { id: 'a', text },
        { id: 'b', text: `${text} ten` },
      ]),
    ),
  };
}

export const removeFolder = (folder) => rmSync(folder, { recursive: true, force: true });
