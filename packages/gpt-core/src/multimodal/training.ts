import type { PixelValues, RawImage } from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';
import { describe } from '../config/describe.js';
import { DataError } from '../data/errors.js';
import { hash32, uniform } from '../data/random.js';
import { countTargets, IGNORE_INDEX, type Json, type TokenBatch } from '../data/token-batch.js';
import type { TrainingEvent } from '../training/events.js';
import type { PretrainOptions } from '../training/pretrain-options.js';
import { trainingLoop } from '../training/training-loop.js';
import type { TrainingTask } from '../training/training-task.js';
import type { MultimodalGPT } from './multimodal-gpt.js';
import { stageFilter, type TrainingStage } from './stages.js';

/** A stretch of an example: text that is trained on or only read, or an image. */
export type ExampleSegment =
  | {
      readonly text: string;
      /** The model learns to write this. Default `false`. */
      readonly train?: boolean;
      /** Special tokens in the text count as such. Default `false`. */
      readonly special?: boolean;
    }
  | { readonly image: RawImage };

/** Examples of one shape. Rows of a batch come from one data set, so that each shape is compiled once. */
export interface MultimodalDataset {
  readonly name: string;
  /** Tokens of a row, image tokens included; longer examples are an error. */
  readonly length: number;
  /** Images of a row. */
  readonly images: number;
  /** Share of the batches. Default 1. */
  readonly weight?: number;
  /** Example `index`, counted up without end: depends on nothing else, so that a run can be repeated and resumed. */
  example(index: number): readonly ExampleSegment[] | Promise<readonly ExampleSegment[]>;
}

export interface TrainMultimodalOptions
  extends Omit<
    PretrainOptions,
    | 'tokens'
    | 'validation'
    | 'validationBatches'
    | 'batchRamp'
    | 'scheduleUnit'
    | 'adapter'
    | 'gradientCheckpointing'
  > {
  readonly steps: number;
  /** What is trained; `trainable` takes its place. Default `instruct`. */
  readonly stage?: TrainingStage;
}

/** A batch on the host: ids of image tokens count from each row's first image. */
interface MultimodalBatch extends TokenBatch {
  readonly images: number;
  /** `[batchSize * images, 3, height, width]` */
  readonly pixels: Float32Array;
  readonly imageShape: readonly [number, number, number];
}

/**
 * Trains a multimodal model on text with images, step by step as `pretrain` does. The loss counts text that is marked
 * `train`, and never image tokens.
 *
 * @throws {DataError} an example that does not fit its data set
 * @throws {TrainingError}
 */
export async function* trainMultimodal(
  model: MultimodalGPT,
  datasets: readonly MultimodalDataset[],
  options: TrainMultimodalOptions,
): AsyncGenerator<TrainingEvent, void, void> {
  if (datasets.length === 0) throw new DataError('There is nothing to train on: give at least one data set.');
  const { stage = 'instruct', batchSize = 16, seed = 0, ...rest } = options;
  const longest = Math.max(...datasets.map(({ length }) => length));
  yield* trainingLoop(taskOf(model, datasets, seed), {
    learningRate: 1e-3,
    warmup: Math.ceil(0.03 * options.steps),
    trainable: stageFilter(model, stage),
    ...rest,
    seed,
    batchSize,
    microBatchSize: options.microBatchSize ?? batchSize,
    tokensPerStep: batchSize * longest,
    contextLength: longest,
    flopsPerToken: describe(model.gpt.config).trainingFlopsPerToken,
    settings: {
      batchSize,
      seed,
      stage,
      datasets: datasets.map(({ name, weight = 1 }) => `${name} ${weight}`).join(', '),
      learningRate: options.learningRate ?? 1e-3,
    },
  });
}

function taskOf(
  model: MultimodalGPT,
  datasets: readonly MultimodalDataset[],
  seed: number,
): TrainingTask<MultimodalBatch> {
  let step = 0;
  const drawn = datasets.map(() => 0);
  const { vocabSize, vision } = model.config;
  return {
    model: { config: model.config, variables: model.variables, save: (folder) => model.save(folder) },
    async next(rows) {
      const at = pick(datasets, uniform(seed, step));
      const dataset = datasets[at]!;
      const first = drawn[at]!;
      step += 1;
      drawn[at] = first + rows;
      const examples = await Promise.all(
        Array.from({ length: rows }, (_, row) => dataset.example(hash32(seed, at, first + row))),
      );
      return layOut(model, dataset, examples);
    },
    get position(): Json {
      return { step, drawn: [...drawn] };
    },
    seek(position) {
      const saved = position as { step: number; drawn: number[] };
      step = saved.step;
      saved.drawn.forEach((count, at) => {
        drawn[at] = count;
      });
    },
    epochs: () => datasets.map(({ name, length }, at) => ({ name, tokens: drawn[at]! * length, epochs: 0 })),
    micro: rowsOf,
    targets: ({ labels }) => countTargets(labels),
    tokens: ({ batchSize, length }) => batchSize * length,
    feeds: (batch) => {
      const { batchSize, length, images } = batch;
      const perRow = images * vision.imageTokens;
      const tokenIds = Int32Array.from(batch.tokenIds, (id, i) =>
        id < vocabSize ? id : id + Math.floor(i / length) * perRow,
      );
      const shape = [batchSize, length];
      return {
        tokenIds: { data: tokenIds, shape },
        labels: { data: batch.labels, shape },
        ...(images > 0 && {
          pixels: { data: batch.pixels, shape: [batchSize * images, ...batch.imageShape] },
        }),
      };
    },
    loss: (inputs, lossSeed) => lossOf(model, inputs, { training: true, seed: lossSeed }),
    evaluate: (inputs) => lossOf(model, inputs, { training: false }),
    asTokens: (batch) => batch,
  };
}

function lossOf(
  model: MultimodalGPT,
  inputs: Readonly<Record<string, tf.Tensor>>,
  options: { training: boolean; seed?: number | tf.Tensor },
): tf.Scalar {
  const { tokenIds, labels, pixels } = inputs as {
    tokenIds: tf.Tensor2D;
    labels: tf.Tensor2D;
    pixels?: tf.Tensor4D;
  };
  const loss = model.loss(tokenIds, labels, pixels, {
    ...options,
    labelsShifted: true,
    ignoreIndex: IGNORE_INDEX,
  });
  if (pixels) return loss;
  // Text alone does not reach the projector; a stage that trains nothing else still needs a gradient: zero.
  const bias = model.variables.get('multi_modal_projector.linear_1.bias')!;
  return tf.add(loss, tf.mul(tf.sum(bias), 0)) as tf.Scalar;
}

/** Which data set a uniform number falls on. */
function pick(datasets: readonly MultimodalDataset[], at: number): number {
  const total = datasets.reduce((sum, { weight = 1 }) => sum + weight, 0);
  let left = at * total;
  for (const [index, { weight = 1 }] of datasets.entries()) {
    left -= weight;
    if (left < 0) return index;
  }
  return datasets.length - 1;
}

/** Examples side by side: ids padded on the right, labels shifted, pixels one after the other. */
function layOut(
  model: MultimodalGPT,
  { name, length, images }: MultimodalDataset,
  examples: readonly (readonly ExampleSegment[])[],
): MultimodalBatch {
  const rows = examples.length;
  const tokenIds = new Int32Array(rows * length);
  const labels = new Int32Array(rows * length).fill(IGNORE_INDEX);
  const prepared: PixelValues[] = [];
  const blank = images > 0 ? blankPixels(model) : undefined;
  examples.forEach((segments, row) => {
    const own: RawImage[] = [];
    let position = row * length;
    const end = position + length;
    for (const segment of segments) {
      const piece = 'image' in segment ? segment : { text: segment.text, special: segment.special ?? false };
      const ids = model.encodePieces([piece], (image) => own.push(image) - 1);
      if (position + ids.length > end) {
        throw new DataError(
          `An example of "${name}" is longer than ${length} tokens: raise length or shorten it.`,
        );
      }
      for (const id of ids) {
        tokenIds[position] = id;
        // The label of a position is the token that follows it.
        if (position > row * length && 'text' in segment && segment.train) labels[position - 1] = id;
        position += 1;
      }
    }
    if (own.length > images) {
      throw new DataError(`An example of "${name}" has ${own.length} images: the data set says ${images}.`);
    }
    prepared.push(...own.map((image) => model.clip.preprocess(image)));
    for (let i = own.length; i < images; i++) prepared.push(blank!);
  });
  const imageShape = (blank?.shape.slice(-3) ?? [3, 1, 1]) as [number, number, number];
  const size = imageShape[0] * imageShape[1] * imageShape[2];
  const pixels = new Float32Array(rows * images * size);
  prepared.forEach(({ data }, at) => {
    pixels.set(data, at * size);
  });
  return { batchSize: rows, length, tokenIds, labels, images, pixels, imageShape };
}

/** In place of an image that an example does not have; no token refers to it. */
function blankPixels(model: MultimodalGPT): PixelValues {
  return model.clip.preprocess({ width: 1, height: 1, channels: 3, data: new Uint8Array(3) });
}

/** Rows [from, to); rows beyond the end are empty and do not count. */
function rowsOf(batch: MultimodalBatch, from: number, to: number): MultimodalBatch {
  const { length, images, imageShape } = batch;
  const size = images * imageShape[0] * imageShape[1] * imageShape[2];
  const rows = to - from;
  const part = <T extends Int32Array | Float32Array>(values: T, width: number, empty: T): T => {
    if (to <= batch.batchSize) return values.subarray(from * width, to * width) as T;
    empty.set(values.subarray(from * width) as Int32Array & Float32Array);
    return empty;
  };
  return {
    batchSize: rows,
    length,
    images,
    imageShape,
    tokenIds: part(batch.tokenIds, length, new Int32Array(rows * length)),
    labels: part(batch.labels, length, new Int32Array(rows * length).fill(IGNORE_INDEX)),
    pixels: part(batch.pixels, size, new Float32Array(rows * size)),
  };
}
