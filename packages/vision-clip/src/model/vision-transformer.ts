import { linear } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { VitConfig } from '../config.js';
import { ClipInputError } from '../errors.js';
import type { Parameters } from './parameters.js';
import { positionResizeMatrix } from './position-resize.js';
import {
  applyLayerNorm,
  type BlockOptions,
  type TowerTrace,
  type TraceOptions,
  transformerBlocks,
} from './transformer.js';

export interface VisionOutput extends TowerTrace {
  /** `[batch, 1 + patches, nEmbd]` before the last norm, class token first: what image tokens are made from. */
  readonly lastHiddenState: tf.Tensor3D;
  /** `[batch, nEmbd]`, the class token after the last norm, before the projection. */
  readonly pooled: tf.Tensor2D;
}

/**
 * The image tower: patches → tokens → blocks → class token. An image of another size than the config's works too:
 * the position table is resized bicubically, as transformers' `interpolate_pos_encoding` does.
 *
 * @param pixels `[batch, 3, height, width]`; both sides multiples of the patch size
 * @throws {ClipInputError}
 */
export function visionTransformer(
  parameters: Parameters,
  config: VitConfig,
  pixels: tf.Tensor4D,
  options: TraceOptions = {},
): VisionOutput {
  const { batch, output, trace } = run(parameters, config, pixels, options);
  return { ...trace, lastHiddenState: output, pooled: pool(parameters, config, batch, output) };
}

/** `pooled` alone. The last block then works on the class token only: a sixteenth of B/32's arithmetic is saved. */
export function pooledVision(parameters: Parameters, config: VitConfig, pixels: tf.Tensor4D): tf.Tensor2D {
  const { batch, output } = run(parameters, config, pixels, { select: firstToken });
  return pool(parameters, config, batch, output);
}

function firstToken(x: tf.Tensor3D): tf.Tensor3D {
  return tf.slice(x, [0, 0, 0], [x.shape[0], 1, x.shape[2]]) as tf.Tensor3D;
}

function pool(parameters: Parameters, config: VitConfig, batch: number, output: tf.Tensor3D): tf.Tensor2D {
  const first = tf.reshape(firstToken(output), [batch, config.nEmbd]) as tf.Tensor2D;
  return applyLayerNorm(parameters, 'vision.postNorm', first, config.layerNormEpsilon);
}

function run(
  parameters: Parameters,
  config: VitConfig,
  pixels: tf.Tensor4D,
  options: Omit<BlockOptions, 'causal'>,
): { batch: number; output: tf.Tensor3D; trace: TowerTrace } {
  const { patchSize, nEmbd, layerNormEpsilon, imageSize } = config;
  const [batch, channels, height, width] = pixels.shape;
  // The patch convolution ignores a rest that does not fill a patch; only the trained size may have one.
  const exact = height % patchSize === 0 && width % patchSize === 0;
  if (channels !== 3 || (!exact && (height !== imageSize || width !== imageSize))) {
    throw new ClipInputError(
      'pixels',
      `must be [batch, 3, height, width] with sides that are multiples of ${patchSize}, received [${pixels.shape}]`,
    );
  }
  const rows = Math.floor(height / patchSize);
  const columns = Math.floor(width / patchSize);
  const tokens = linear(
    patches(pixels, rows, columns, patchSize),
    parameters.get('vision.patchEmbedding'),
    null,
    {
      transposeWeight: true,
    },
  ) as tf.Tensor3D; // [batch, rows·columns, nEmbd]
  const classToken = tf.tile(tf.reshape(parameters.get('vision.classEmbedding'), [1, 1, nEmbd]), [
    batch,
    1,
    1,
  ]);
  const positions = positionTable(parameters, config, rows, columns);
  const embedded = tf.add(tf.concat([classToken as tf.Tensor3D, tokens], 1), positions) as tf.Tensor3D;
  const input = applyLayerNorm(parameters, 'vision.preNorm', embedded, layerNormEpsilon);
  const { output, trace } = transformerBlocks(parameters, 'vision', config, input, {
    ...options,
    causal: false,
  });
  return { batch, output, trace };
}

/** `[batch, 3, height, width]` → `[batch, rows·columns, 3·patch²]`, a patch's values ordered channel, row, column. */
function patches(pixels: tf.Tensor4D, rows: number, columns: number, patch: number): tf.Tensor3D {
  const [batch, , height, width] = pixels.shape;
  let whole = pixels;
  if (height !== rows * patch || width !== columns * patch) {
    whole = tf.slice(pixels, [0, 0, 0, 0], [batch, 3, rows * patch, columns * patch]);
  }
  const grid = tf.reshape(whole, [batch, 3, rows, patch, columns, patch]);
  const ordered = tf.transpose(grid, [0, 2, 4, 1, 3, 5]); // [batch, rows, columns, 3, patch, patch]
  return tf.reshape(ordered, [batch, rows * columns, 3 * patch * patch]);
}

/** `[1 + rows·columns, nEmbd]`; the class row is kept, the grid resized when the image is not of the trained size. */
function positionTable(parameters: Parameters, config: VitConfig, rows: number, columns: number): tf.Tensor {
  const table = parameters.get('vision.positionEmbedding');
  const side = Math.floor(config.imageSize / config.patchSize);
  if (rows === side && columns === side) return table;
  const { nEmbd } = config;
  const classRow = tf.slice(table, [0, 0], [1, nEmbd]);
  const grid = tf.slice(table, [1, 0], [side * side, nEmbd]);
  const matrix = tf.tensor2d(positionResizeMatrix(side, rows, columns), [rows * columns, side * side]);
  return tf.concat([classRow as tf.Tensor2D, tf.matMul(matrix, grid as tf.Tensor2D)], 0);
}
