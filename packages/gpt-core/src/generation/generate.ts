import * as tf from '@tensorflow/tfjs-core';
import type { GPT } from '../model/gpt.js';
import { Random } from '../model/random.js';

export interface GenerateOptions {
  /** Default 16. */
  readonly maxTokens?: number;
  /** 0 is greedy. Default 1. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly seed?: number;
}

export interface GenerateResult {
  readonly promptTokenIds: number[];
  /** The new tokens */
  readonly tokenIds: number[];
  readonly text: string;
  readonly finishReason: 'length' | 'eos';
}

/** First version: the whole window again for each token. */
export async function generate(
  model: GPT,
  prompt: string | readonly number[],
  options: GenerateOptions,
): Promise<GenerateResult> {
  const { maxTokens = 16, temperature = 1, topK = 0, seed = 0 } = options;
  const promptTokenIds = typeof prompt === 'string' ? model.encode(prompt) : [...prompt];
  const random = new Random(seed, 'sample');
  const all = [...promptTokenIds];
  const tokenIds: number[] = [];
  for (let step = 0; step < maxTokens; step++) {
    const window = all.slice(-model.config.contextLength);
    const logits = tf.tidy(() => tf.squeeze(model.forward([window], { logits: 'last' }).logits));
    const scores = (await logits.data()) as Float32Array;
    logits.dispose();
    const next = sample(scores, temperature, topK, random);
    if (next === model.config.eosTokenId) {
      return { promptTokenIds, tokenIds, text: text(model, tokenIds), finishReason: 'eos' };
    }
    all.push(next);
    tokenIds.push(next);
  }
  return { promptTokenIds, tokenIds, text: text(model, tokenIds), finishReason: 'length' };
}

function text(model: GPT, ids: number[]): string {
  return model.tokenizer ? model.tokenizer.decode(ids) : '';
}

function sample(scores: Float32Array, temperature: number, topK: number, random: Random): number {
  if (temperature === 0) return scores.indexOf(Math.max(...scores));
  const sorted = Float32Array.from(scores).sort().reverse();
  const cut = topK > 0 && topK < scores.length ? sorted[topK - 1]! : Number.NEGATIVE_INFINITY;
  const max = sorted[0]!;
  const weights = Array.from(scores, (s) => (s < cut ? 0 : Math.exp((s - max) / temperature)));
  let u = random.uniform() * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < weights.length; i++) {
    u -= weights[i]!;
    if (u < 0) return i;
  }
  return weights.length - 1;
}
