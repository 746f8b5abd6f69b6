import { type CapturedFunction, capture, saveOnnx } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import { exportOnnxDecoder } from './onnx-decoder.js';

export interface OnnxOptions {
  /** Rows of `input_ids`. Default 1. */
  readonly batch?: number;
  /** Tokens of a row; shorter texts are padded on the right. Default the context. */
  readonly length?: number;
  /**
   * With the key-value cache and all lengths open, in the folder layout of transformers.js; `batch` and `length` do not
   * apply then. Default `false`.
   */
  readonly cache?: boolean;
  /** Default `float32`; `int8` and `int4` use an operator of ONNX Runtime. */
  readonly weights?: 'float32' | 'float16' | 'int8' | 'int4';
}

/**
 * Writes `model.onnx` (and `model.onnx.data` for the weights) into a folder: `input_ids` `[batch, length]` int32 to
 * `logits` `[batch, length, vocabSize]`, of fixed shape. With `cache` instead a model that decodes token by token: see
 * `exportOnnxDecoder`.
 *
 * @throws {InvalidArgumentError} a length beyond the context
 */
export async function exportOnnx(model: GPT, folder: string, options: OnnxOptions = {}): Promise<void> {
  const { contextLength } = model.config;
  if (options.cache) return exportOnnxDecoder(model, folder, options.weights);
  const { batch = 1, length = contextLength, weights = 'float32' } = options;
  if (!Number.isInteger(length) || length < 1 || length > contextLength) {
    throw new InvalidArgumentError('length', length, `must be a whole number from 1 to ${contextLength}`);
  }
  if (!Number.isInteger(batch) || batch < 1)
    throw new InvalidArgumentError('batch', batch, 'must be at least 1');
  const logits: CapturedFunction<[tf.Tensor2D], tf.Tensor3D> = capture((tokenIds: tf.Tensor2D) =>
    tf.tidy(() => model.forward(tokenIds).logits),
  );
  const example = tf.zeros<tf.Rank.R2>([batch, length], 'int32');
  try {
    saveOnnx(folder, logits, [example], { inputNames: ['input_ids'], outputNames: ['logits'], weights });
  } finally {
    example.dispose();
    logits.dispose();
  }
}
