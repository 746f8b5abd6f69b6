import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  ByteTokenizer,
  CharacterTokenizer,
  GPT,
  LoRA,
  pretrain,
  SubwordTokenizer,
  type Tokenizer,
  textSource,
} from '@gpt-lineage/gpt-core';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import type { JobEvent, TrainingSpec } from './job-specs.js';

/** Trains, tells every step, and leaves the model in `out`. */
export async function* trainingJob(
  spec: TrainingSpec,
  base: string | undefined,
  out: string,
  signal: AbortSignal,
): AsyncGenerator<JobEvent> {
  const text = typeof spec.data === 'string' ? spec.data : await preset();
  const options = spec.options ?? {};
  const steps = options.steps ?? 200;
  const seed = options.seed ?? 0;
  if (spec.kind === 'pretrain' && spec.config?.tokenizer === 'bbpe') {
    yield { type: 'note', text: 'Learning a byte-level vocabulary' };
  }
  using model = await startModel(spec, base, text, seed);
  const contextLength = Math.min(
    spec.config?.contextLength ?? model.config.contextLength,
    model.config.contextLength,
  );
  const adapter = spec.kind === 'lora' ? LoRA.attach(model, { rank: options.rank ?? 8, seed }) : undefined;
  const { train, validation } = textSource(text, model.tokenizer!, { contextLength, seed });
  const every = Math.max(5, Math.round(steps / 6));
  const opening = text.slice(0, 12);
  const events = pretrain(model, train, {
    steps,
    batchSize: options.batchSize ?? 12,
    learningRate: options.learningRate ?? (spec.kind === 'pretrain' ? 1e-3 : 3e-4),
    warmup: options.warmup ?? Math.min(100, Math.floor(steps / 10)),
    seed,
    signal,
    ...(adapter ? { adapter } : {}),
    ...(validation ? { validation, validationBatches: 4, validateEvery: every } : {}),
    sampleEvery: every,
    sample: async () => {
      const prompt = model.encode(opening).slice(-Math.floor(contextLength / 2));
      const sampling = { maxTokens: 96, temperature: 0.8, topK: 40, seed };
      return opening + (await model.generate(prompt, sampling)).text;
    },
  });
  for await (const event of events) {
    if (event.type === 'end') {
      adapter?.merge();
      await model.save(out);
      yield { type: 'saved', path: out };
    }
    yield { ...event };
  }
}

async function startModel(
  spec: TrainingSpec,
  base: string | undefined,
  text: string,
  seed: number,
): Promise<GPT> {
  if (spec.kind !== 'pretrain') {
    if (base === undefined) throw new Error('Name the model that training starts from: model.');
    return GPT.load(base);
  }
  const { nLayer, nHead, nEmbd, contextLength, layerPattern, dropout } = spec.config ?? {};
  const tokenizer = await makeTokenizer(spec, text);
  const layers = nLayer ?? 4;
  const drop = dropout ?? 0;
  return GPT.create(
    {
      vocabSize: tokenizer.vocabSize,
      contextLength: contextLength ?? 64,
      nLayer: layers,
      nHead: nHead ?? 4,
      nEmbd: nEmbd ?? 128,
      ...(layerPattern
        ? {
            layerPattern: Array.from(
              { length: layers },
              (_, layer) => layerPattern[layer % layerPattern.length]!,
            ),
          }
        : {}),
      embeddingDropout: drop,
      residualDropout: drop,
      attentionDropout: drop,
      bosTokenId: null,
      eosTokenId: tokenizer.eosTokenId,
    },
    { seed, tokenizer },
  );
}

async function makeTokenizer(spec: TrainingSpec, text: string): Promise<Tokenizer> {
  const { tokenizer = 'character', vocabSize } = spec.config ?? {};
  if (tokenizer === 'byte') return new ByteTokenizer();
  if (tokenizer !== 'bbpe') return CharacterTokenizer.train(text);
  return new SubwordTokenizer(await ByteLevelBPETokenizer.train([text], { vocabSize: vocabSize ?? 512 }));
}

/** Tiny Shakespeare, as it lies with gpt-core. */
function preset(): Promise<string> {
  const core = dirname(createRequire(import.meta.url).resolve('@gpt-lineage/gpt-core/package.json'));
  return readFile(join(core, 'data/tinyshakespeare.txt'), 'utf8');
}
