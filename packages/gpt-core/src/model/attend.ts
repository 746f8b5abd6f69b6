import * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig } from '../config/config.js';
import type { LayerAttention } from '../config/layer-attention.js';
import type { Dropout } from './forward.js';

/** What all layers of one pass share. */
export interface AttentionContext {
  /** `[batch, keyLength]`, 1 = real token, 0 = padding */
  readonly keyMask?: tf.Tensor2D | undefined;
  /** `[batch, length]`: a token sees only its own segment */
  readonly segmentIds?: tf.Tensor2D | undefined;
  /** Receives `[batch, heads, queryLength, keyLength]` of each layer when given. */
  readonly maps?: tf.Tensor4D[] | undefined;
}

export interface AttendInput {
  readonly config: GPTConfig;
  readonly layer: number;
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
  readonly name: string;
  readonly query: tf.Tensor4D;
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  readonly context: AttentionContext;
  readonly attentionDropout: number;
  readonly drop: Dropout;
}

/** TEMPORARY: masked dense attention, until the attention package lands. */
export function attend(input: AttendInput): tf.Tensor4D {
  const { config, query, key, value, context } = input;
  const length = query.shape[2];
  const scale = config.scaleAttention ? 1 / Math.sqrt(query.shape[3]) : 1;
  let scores = tf.mul(tf.matMul(query, key, false, true), scale) as tf.Tensor4D;
  const allowed = maskOf(config.layerPattern[input.layer]!, length);
  scores = tf.add(scores, tf.mul(tf.sub(allowed, 1), 1e9)) as tf.Tensor4D;
  if (context.keyMask) {
    const [batch, keys] = context.keyMask.shape;
    const padding = tf.reshape(tf.cast(context.keyMask, 'float32'), [batch, 1, 1, keys]);
    scores = tf.add(scores, tf.mul(tf.sub(padding, 1), 1e9)) as tf.Tensor4D;
  }
  if (context.segmentIds) {
    const [batch, keys] = context.segmentIds.shape;
    const same = tf.equal(
      tf.reshape(context.segmentIds, [batch, 1, keys, 1]),
      tf.reshape(context.segmentIds, [batch, 1, 1, keys]),
    );
    scores = tf.add(scores, tf.mul(tf.sub(tf.cast(same, 'float32'), 1), 1e9)) as tf.Tensor4D;
  }
  const weights = tf.softmax(scores);
  context.maps?.push(weights);
  return tf.matMul(weights, value);
}

function maskOf(layer: LayerAttention, length: number): tf.Tensor2D {
  const mask = new Float32Array(length * length);
  for (let i = 0; i < length; i++)
    for (let j = 0; j <= i; j++) {
      const near =
        layer.type === 'dense'
          ? true
          : layer.type === 'banded'
            ? i - j < layer.window
            : layer.type === 'strided'
              ? i - j < layer.stride || (i - j) % layer.stride === 0
              : layer.type === 'fixed'
                ? Math.floor(i / layer.stride) === Math.floor(j / layer.stride) ||
                  j % layer.stride >= layer.stride - layer.summary
                : true;
      if (near) mask[i * length + j] = 1;
    }
  return tf.tensor2d(mask, [length, length]);
}
