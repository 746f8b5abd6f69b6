import { CharacterTokenizer, GPT, LoRA, pretrain, SubwordTokenizer, textSource } from '@gpt-lineage/gpt-core';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import type { LabEvent, TrainingSpec } from '../lib/lab-types.js';
import type { Job } from './jobs.js';
import { loadModel, readerOf } from './model-store.js';

let trained: GPT | undefined;

/** Trains a model in this worker and tells every step. */
export async function train(spec: TrainingSpec, onEvent: (event: LabEvent) => void, job: Job): Promise<void> {
  trained?.dispose();
  trained = undefined;
  const model = await startModel(spec, onEvent);
  trained = model;
  const lora = spec.kind === 'lora' ? LoRA.attach(model, { rank: spec.rank, seed: spec.seed }) : undefined;
  const contextLength = Math.min(spec.contextLength, model.config.contextLength);
  const { text, dropped } = knownText(spec.text, model);
  if (dropped.length > 0) {
    onEvent({ type: 'note', text: `Left out, as the model does not know them: ${dropped.join(' ')}` });
  }
  const source = textSource(text, model.tokenizer!, { contextLength, seed: spec.seed });
  const sampleEvery = Math.max(5, Math.round(spec.steps / 6));
  const opening = text.slice(0, 12);
  const events = pretrain(model, source.train, {
    steps: spec.steps,
    batchSize: spec.batchSize,
    learningRate: spec.learningRate,
    warmup: spec.warmup,
    seed: spec.seed,
    signal: job.signal,
    ...(lora ? { adapter: lora } : {}),
    ...(source.validation
      ? { validation: source.validation, validationBatches: 4, validateEvery: sampleEvery }
      : {}),
    sampleEvery,
    sample: async () => {
      const prompt = model.encode(opening).slice(-Math.floor(contextLength / 2));
      const options = { maxTokens: 96, temperature: 0.8, topK: 40, seed: spec.seed, signal: job.signal };
      return opening + (await model.generate(prompt, options)).text;
    },
  });
  for await (const event of events) {
    onEvent(event);
    await job.breathe();
  }
}

/** A checkpoint's vocabulary of characters may lack some of a new text; those are left out. */
function knownText(text: string, model: GPT): { text: string; dropped: string[] } {
  const dropped = [...new Set(text)].filter((character) => {
    try {
      model.encode(character);
      return false;
    } catch {
      return true;
    }
  });
  if (dropped.length === 0) return { text, dropped };
  const unknown = new Set(dropped);
  return {
    text: Array.from(text)
      .filter((character) => !unknown.has(character))
      .join(''),
    dropped,
  };
}

async function startModel(spec: TrainingSpec, onEvent: (event: LabEvent) => void): Promise<GPT> {
  if (spec.kind !== 'pretrain') {
    const { model } = await loadModel(spec.base!);
    // A copy of its own: the model that others look at stays as it was.
    return GPT.load(readerOf(spec.base!), model.tokenizer ? { tokenizer: model.tokenizer } : {});
  }
  const tokenizer =
    spec.tokenizer === 'character'
      ? CharacterTokenizer.train(spec.text)
      : await byteLevel(spec.text, spec.vocabSize, onEvent);
  const { nLayer, nHead, nEmbd, contextLength, layerPattern, dropout } = spec;
  return GPT.create(
    {
      vocabSize: tokenizer.vocabSize,
      contextLength,
      nLayer,
      nHead,
      nEmbd,
      layerPattern: Array.from({ length: nLayer }, (_, layer) => layerPattern[layer % layerPattern.length]!),
      embeddingDropout: dropout,
      residualDropout: dropout,
      attentionDropout: dropout,
    },
    { seed: spec.seed, tokenizer },
  );
}

async function byteLevel(text: string, vocabSize: number, onEvent: (event: LabEvent) => void) {
  onEvent({ type: 'note', text: 'Learning a byte-level vocabulary' });
  const learned = await ByteLevelBPETokenizer.train([text], { vocabSize });
  return new SubwordTokenizer(learned);
}

/** Continues a text with the model that was trained last. */
export async function sampleTrained(prompt: string, seed: number): Promise<string> {
  if (!trained) throw new Error('No model has been trained here yet.');
  const ids = trained.encode(prompt).slice(-Math.floor(trained.config.contextLength / 2));
  const { text } = await trained.generate(ids.length ? ids : [0], {
    maxTokens: 160,
    temperature: 0.8,
    topK: 40,
    seed,
  });
  return text;
}
