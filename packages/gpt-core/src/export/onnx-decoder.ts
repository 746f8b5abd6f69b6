import { type CapturedFunction, capture, exportOnnx, saveOnnx } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import type { GrowingCache } from '../model/external-attention.js';
import type { GPT } from '../model/gpt.js';

type Arguments = [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, { key: tf.Tensor4D; value: tf.Tensor4D }[]];

interface Output {
  readonly logits: tf.Tensor;
  readonly present: { readonly key: tf.Tensor4D; readonly value: tf.Tensor4D }[];
}

/** More weights than this go into a file of their own: one ONNX file holds 2 GB. */
const inOneFile = 1.9e9;

/** File names by storage of the weights, as transformers.js looks for them. */
const fileNames = {
  float32: 'model',
  float16: 'model_fp16',
  int8: 'model_quantized',
  int4: 'model_q4',
} as const;

/**
 * The model with its key-value cache: `input_ids` and `position_ids` `[batch, length]`, `attention_mask`
 * `[batch, past + length]` (0 = padding on the left), `past_key_values.N.key` and `.value`
 * `[batch, nKvHead, past, headDim]`; to `logits` `[batch, length, vocabSize]` and `present.N.key` and `.value`. All
 * lengths are open; `past` may be 0. Integers are int64.
 *
 * @returns `files` by name
 * @throws {InvalidArgumentError} a model whose attention does not work on a cache of keys and values
 */
export function decoderProgram(model: GPT): {
  captured: CapturedFunction<Arguments, Output>;
  example: Arguments;
  inputNames: string[];
  outputNames: string[];
} {
  const { nLayer, nEmbd, nHead, nKvHead, positions, layerPattern } = model.config;
  if (positions !== 'learned' && positions !== 'none' && positions !== 'rotary') {
    throw new InvalidArgumentError(
      'positions',
      positions,
      'learned, none or rotary positions can be exported',
    );
  }
  const odd = layerPattern.find(
    (layer) => layer.type === 'topk' || ('heads' in layer && layer.heads === 'alternating'),
  );
  if (odd) {
    throw new InvalidArgumentError('layerPattern', odd.type, 'this pattern cannot be exported with a cache');
  }
  const headDim = nEmbd / nHead;
  const layers = Array.from({ length: nLayer }, (_, layer) => layer);
  const fn = (
    tokenIds: tf.Tensor2D,
    attentionMask: tf.Tensor2D,
    positionIds: tf.Tensor2D,
    past: { key: tf.Tensor4D; value: tf.Tensor4D }[],
  ): Output => {
    const cache: GrowingCache = { past, attentionMask, positionIds, present: [], masks: new Map() };
    const hidden = model.forwardExternal(tokenIds, cache);
    const [batch, length] = tokenIds.shape;
    const logits = model.head(tf.reshape(hidden, [-1, nEmbd]) as tf.Tensor2D);
    return { logits: tf.reshape(logits, [batch, length, -1]), present: cache.present };
  };
  const int = (...shape: string[]) => ({ shape, dtype: 'int32' as const });
  const cached = { shape: ['batch', nKvHead, 'past', headDim] };
  const captured = capture(fn, {
    executor: 'onnx',
    inputs: [
      int('batch', 'length'),
      int('batch', 'past + length'),
      int('batch', 'length'),
      ...new Array<typeof cached>(2 * nLayer).fill(cached),
    ],
  });
  const ids = () => tf.zeros<tf.Rank.R2>([1, 2], 'int32');
  const empty = () => tf.zeros<tf.Rank.R4>([1, nKvHead, 1, headDim]);
  return {
    captured,
    example: [
      ids(),
      tf.zeros<tf.Rank.R2>([1, 3], 'int32'),
      ids(),
      layers.map(() => ({ key: empty(), value: empty() })),
    ],
    inputNames: [
      'input_ids',
      'attention_mask',
      'position_ids',
      ...layers.flatMap((layer) => [`past_key_values.${layer}.key`, `past_key_values.${layer}.value`]),
    ],
    outputNames: ['logits', ...layers.flatMap((layer) => [`present.${layer}.key`, `present.${layer}.value`])],
  };
}

/**
 * Writes a folder as transformers.js loads it: `config.json`, `generation_config.json`, `tokenizer.json` and
 * `onnx/model.onnx` (`model_quantized.onnx` for int8, `model_q4.onnx` for int4, `model_fp16.onnx`).
 *
 * @throws {InvalidArgumentError} see {@link decoderProgram}
 */
export async function exportOnnxDecoder(
  model: GPT,
  folder: string,
  weights: keyof typeof fileNames = 'float32',
): Promise<void> {
  const { captured, example, inputNames, outputNames } = decoderProgram(model);
  const options = { inputNames, outputNames, weights, int64Inputs: true };
  try {
    const { directoryWriter } = await import('../checkpoint/directory.node.js');
    const writer = await directoryWriter(folder);
    if (4 * model.parameterCount > inOneFile) saveOnnx(`${folder}/onnx`, captured, example, options);
    else {
      const bytes = exportOnnx(captured, example, options);
      const { mkdir } = await import('node:fs/promises');
      const { writeFileAtomic } = await import('../node/atomic-files.js');
      await mkdir(`${folder}/onnx`, { recursive: true });
      await writeFileAtomic(`${folder}/onnx/${fileNames[weights]}.onnx`, bytes);
    }
    await model.save({ ...writer, writeWeights: async () => {} });
  } finally {
    tf.dispose(example as unknown as tf.TensorContainer);
    captured.dispose();
  }
}
