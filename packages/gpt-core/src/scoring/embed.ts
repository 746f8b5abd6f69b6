import * as tf from '@tensorflow/tfjs-core';
import { ContextLengthError, InvalidArgumentError } from '../errors.js';
import type { Prompt } from '../generation/generate.js';
import type { GPT } from '../model/gpt.js';

export interface EmbedOptions {
  /** `mean` over the tokens, or the `last` token's vector, which has seen all others. Default `mean`. */
  readonly pooling?: 'mean' | 'last';
  /** Scale vectors to length 1. Default `true`. */
  readonly normalize?: boolean;
  /** Which hidden state: 0 is the embedding, `nLayer` the last. Default `nLayer`. */
  readonly layer?: number;
}

/** A vector `[nEmbd]` for each text. */
export async function embed(
  model: GPT,
  texts: readonly Prompt[],
  options: EmbedOptions = {},
): Promise<Float32Array[]> {
  const { nLayer, nEmbd, contextLength } = model.config;
  const { pooling = 'mean', normalize = true, layer = nLayer } = options;
  if (!Number.isInteger(layer) || layer < 0 || layer > nLayer) {
    throw new InvalidArgumentError('layer', layer, `must be a whole number from 0 to ${nLayer}`);
  }
  if (pooling !== 'mean' && pooling !== 'last') {
    throw new InvalidArgumentError('pooling', pooling, 'must be "mean" or "last"');
  }
  const vectors: Float32Array[] = [];
  for (const [at, text] of texts.entries()) {
    const tokenIds = typeof text === 'string' ? model.encode(text) : [...text];
    if (tokenIds.length === 0)
      throw new InvalidArgumentError(`texts[${at}]`, text, 'an empty text has no vector');
    if (tokenIds.length > contextLength) {
      throw new ContextLengthError(tokenIds.length, contextLength, 'embed the text in parts');
    }
    const vector = tf.tidy(() => {
      const { hiddenStates } = model.forward([tokenIds], { outputHiddenStates: true, logits: 'none' });
      const states = tf.squeeze(hiddenStates![layer]!, [0]) as tf.Tensor2D; // [length, nEmbd]
      const pooled =
        pooling === 'mean' ? tf.mean(states, 0) : tf.slice(states, [tokenIds.length - 1, 0], [1, nEmbd]);
      const flat = tf.reshape(pooled, [nEmbd]);
      return normalize ? tf.div(flat, tf.maximum(tf.norm(flat), 1e-12)) : flat;
    });
    vectors.push((await vector.data()) as Float32Array);
    vector.dispose();
  }
  return vectors;
}
