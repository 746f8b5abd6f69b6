import {
  AdamW,
  type CapturedFunction,
  capture,
  clipFactor,
  cosineSchedule,
  globalNorm,
  type NoDecay,
  type OptimizerState,
  type Schedule,
  vectorsOnly,
} from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { ClipConfigError, ClipInputError } from '../errors.js';
import type { CLIP } from '../model/clip.js';
import { updateRunningStatistics } from '../model/modified-resnet.js';
import { textBatch } from '../model/text-transformer.js';
import type { PixelValues } from '../preprocess/preprocess.js';
import { Random } from '../random.js';
import { contrastiveGradients, type Tower, trainedNames } from './contrastive-gradients.js';

/** Pairs to train on. `example` must depend on nothing but its arguments, so that a run can be repeated and resumed. */
export interface ContrastiveDataset {
  readonly size: number;
  example(index: number, random: Random): ContrastiveExample | Promise<ContrastiveExample>;
}

export interface ContrastiveExample {
  /** What `preprocess` returns, `[3, height, width]`; all of one size. */
  readonly pixels: PixelValues;
  /** With start and end token. */
  readonly tokenIds: readonly number[];
}

export interface TrainerOptions {
  /** Updates in all. */
  readonly steps: number;
  /** Pairs that are compared with each other. Default 32. */
  readonly batchSize?: number;
  /** Pairs that are in memory at once; gradients stay those of the whole batch. Default `batchSize`. */
  readonly microBatchSize?: number;
  /** Peak, or a schedule. Default 5e-4 with warm-up over 5 % and a cosine to 0, as in the paper. */
  readonly learningRate?: number | Schedule;
  /** Default 5 % of `steps`. */
  readonly warmupSteps?: number;
  /** Decoupled, on matrices only. Default 0.2, the paper's. */
  readonly weightDecay?: number;
  /** Which parameters do not decay. Default: gains, biases and the scale. */
  readonly noDecay?: NoDecay;
  readonly beta1?: number;
  /** Default 0.98, as for ViTs in the paper. */
  readonly beta2?: number;
  /** Default 1e-6. */
  readonly epsilon?: number;
  /** Gradients are scaled down to this global norm. Default: no clipping. */
  readonly maxGradNorm?: number;
  /** `siglip` needs a config with `logitBiasInit`. Default `infonce`. */
  readonly loss?: 'infonce' | 'siglip';
  /** Towers that stay as they are: `['image']` is LiT (Zhai et al. 2022). */
  readonly locked?: readonly Tower[];
  /** Upper limit of the similarity scale. Default 100. */
  readonly maxLogitScale?: number;
  /** Order of examples and augmentation. Default 0. */
  readonly seed?: number;
  /** Compile the step to one native call where TensorFlow is there. Default `false`. */
  readonly compile?: boolean;
}

export interface TrainStep {
  /** Updates made, this one included. */
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  /** Nats, before the update. A model that knows nothing has ln(batchSize). */
  readonly loss: number;
  /** exp of the learned logarithm. */
  readonly logitScale: number;
  readonly learningRate: number;
  readonly gradNorm: number;
  /** Share of the batch's images that find their text among the batch's, and the reverse. */
  readonly imageAccuracy: number;
  readonly textAccuracy: number;
  readonly examplesPerSecond: number;
  readonly etaSeconds: number;
}

/** Everything besides the weights that a run needs to go on as if it had never stopped. */
export interface TrainerState {
  readonly step: number;
  readonly seed: number;
  readonly optimizer: OptimizerState;
}

interface StepTensors {
  readonly [name: string]: tf.Tensor;
  readonly loss: tf.Scalar;
  readonly accuracy: tf.Tensor1D;
  readonly gradNorm: tf.Scalar;
}

type Batch = { pixels: tf.Tensor4D; tokenIds: tf.Tensor2D }[];

/** Contrastive training of a CLIP. Owns the optimiser's moments; the model stays the caller's. */
export class ContrastiveTrainer implements Disposable {
  readonly #clip: CLIP;
  readonly #dataset: ContrastiveDataset;
  readonly #options: Required<
    Pick<
      TrainerOptions,
      'steps' | 'batchSize' | 'microBatchSize' | 'loss' | 'locked' | 'maxLogitScale' | 'seed'
    >
  > &
    TrainerOptions;
  readonly #schedule: Schedule;
  readonly #optimizer: AdamW;
  readonly #compiled: CapturedFunction<[Batch, tf.Scalar], StepTensors> | undefined;
  #step = 0;

  /** @throws {ClipConfigError} when options do not fit each other or the data */
  constructor(clip: CLIP, dataset: ContrastiveDataset, options: TrainerOptions) {
    const { steps, batchSize = 32, loss = 'infonce', locked = [], maxLogitScale = 100, seed = 0 } = options;
    const microBatchSize = options.microBatchSize ?? batchSize;
    for (const [field, value] of Object.entries({ steps, batchSize, microBatchSize })) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new ClipConfigError(field, `must be a positive integer, received ${value}`);
    }
    if (batchSize % microBatchSize !== 0) {
      throw new ClipConfigError(
        'batchSize',
        `must be a multiple of microBatchSize (${microBatchSize}), is ${batchSize}`,
      );
    }
    if (batchSize > dataset.size) {
      throw new ClipConfigError(
        'batchSize',
        `must be at most the data set's ${dataset.size} pairs, is ${batchSize}`,
      );
    }
    if (!clip.config.vision || !clip.config.text)
      throw new ClipConfigError('clip', 'needs both towers to be trained');
    if (loss === 'siglip' && !clip.parameters.has('logitBias')) {
      throw new ClipConfigError('loss', 'siglip needs a model with logitBiasInit in its config');
    }
    this.#clip = clip;
    this.#dataset = dataset;
    this.#options = { ...options, steps, batchSize, microBatchSize, loss, locked, maxLogitScale, seed };
    const { learningRate = 5e-4, warmupSteps = Math.ceil(steps * 0.05) } = options;
    this.#schedule =
      typeof learningRate === 'function'
        ? learningRate
        : cosineSchedule({ peak: learningRate, warmupSteps, totalSteps: steps });
    const variables = new Map(
      trainedNames(clip, this.#options).map((name) => [name, clip.parameters.get(name)]),
    );
    const { weightDecay = 0.2, noDecay = vectorsOnly, beta1 = 0.9, beta2 = 0.98, epsilon = 1e-6 } = options;
    this.#optimizer = new AdamW(variables, { weightDecay, noDecay, beta1, beta2, epsilon });
    if (options.compile) {
      this.#compiled = capture((batch: Batch, rate: tf.Scalar) => this.#update(batch, rate));
    }
  }

  /** Updates made so far. */
  get step(): number {
    return this.#step;
  }

  /**
   * Trains to the last step, one event per update. Break off or abort at any event: `state()` continues from there.
   *
   * @param options `signal` stops before the next update
   */
  async *run(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<TrainStep> {
    const { steps, batchSize } = this.#options;
    const first = this.#step;
    const started = performance.now();
    while (this.#step < steps) {
      options.signal?.throwIfAborted();
      const learningRate = this.#schedule(this.#step);
      const batch = await this.#batch(this.#step);
      const out = await this.#apply(batch, learningRate);
      tf.dispose(batch);
      const [[loss], [imageAccuracy, textAccuracy], [gradNorm], [logScale]] = (await Promise.all([
        out.loss.data(),
        out.accuracy.data(),
        out.gradNorm.data(),
        this.#clip.parameters.get('logitScale').data(),
      ])) as unknown as [number[], number[], number[], number[]];
      tf.dispose(out);
      this.#step++;
      const seconds = (performance.now() - started) / 1000;
      const done = this.#step - first;
      yield {
        step: this.#step,
        steps,
        epoch: (this.#step * batchSize) / this.#dataset.size,
        loss: loss!,
        logitScale: Math.exp(logScale!),
        learningRate,
        gradNorm: gradNorm!,
        imageAccuracy: imageAccuracy!,
        textAccuracy: textAccuracy!,
        examplesPerSecond: (done * batchSize) / seconds,
        etaSeconds: ((steps - this.#step) * seconds) / done,
      };
    }
  }

  /** Save this beside the weights. */
  async state(): Promise<TrainerState> {
    return { step: this.#step, seed: this.#options.seed, optimizer: await this.#optimizer.state() };
  }

  /** Goes on where `state` was taken. The model must hold the weights of that moment. @throws {ClipConfigError} */
  loadState(state: TrainerState): void {
    if (state.seed !== this.#options.seed) {
      throw new ClipConfigError('seed', `must be the saved run's ${state.seed}, is ${this.#options.seed}`);
    }
    this.#optimizer.loadState(state.optimizer);
    this.#step = state.step;
  }

  dispose(): void {
    this.#compiled?.dispose();
    this.#optimizer.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #apply(batch: Batch, learningRate: number): Promise<StepTensors> {
    if (this.#compiled) return this.#compiled(batch, learningRate);
    return tf.tidy(() => this.#update(batch, tf.scalar(learningRate)));
  }

  /** Tensors only, no value is looked at: runs eagerly or as a graph. */
  #update(batch: Batch, learningRate: tf.Scalar): StepTensors {
    const { maxGradNorm, maxLogitScale } = this.#options;
    const { loss, gradients, accuracy, statistics } = contrastiveGradients(this.#clip, batch, this.#options);
    const gradNorm = globalNorm(gradients);
    this.#optimizer.applyGradients(gradients, {
      learningRate,
      ...(maxGradNorm === undefined ? {} : { scale: clipFactor(gradNorm, maxGradNorm) }),
    });
    tf.dispose(gradients);
    const { vision } = this.#clip.config;
    if (vision?.kind === 'resnet') {
      updateRunningStatistics(this.#clip.parameters, statistics, vision.batchNormMomentum);
    }
    // Radford et al. 2021, section 2.5: without the limit training becomes unstable.
    const scale = this.#clip.parameters.get('logitScale');
    scale.assign(tf.clipByValue(scale, 0, Math.log(maxLogitScale)));
    return { loss, accuracy, gradNorm };
  }

  /** The batch of a step depends on seed and step alone. Every epoch is a new order; its ragged end is left out. */
  async #batch(step: number): Promise<Batch> {
    const { batchSize, microBatchSize, seed } = this.#options;
    const perEpoch = Math.floor(this.#dataset.size / batchSize);
    const epoch = Math.floor(step / perEpoch);
    const order = new Random(seed, 2 * epoch + 1).shuffle(
      Array.from({ length: this.#dataset.size }, (_, i) => i),
    );
    const start = (step % perEpoch) * batchSize;
    const examples: ContrastiveExample[] = [];
    for (let i = 0; i < batchSize; i++) {
      const random = new Random(seed, (step * batchSize + i) * 2 + 2);
      examples.push(await this.#dataset.example(order[start + i]!, random));
    }
    const batch: Batch = [];
    for (let i = 0; i < batchSize; i += microBatchSize)
      batch.push(this.#stack(examples.slice(i, i + microBatchSize)));
    return batch;
  }

  #stack(examples: readonly ContrastiveExample[]): Batch[number] {
    const [, height, width] = examples[0]!.pixels.shape as [3, number, number];
    const pixels = new Float32Array(examples.length * 3 * height * width);
    examples.forEach(({ pixels: one }, i) => {
      if (String(one.shape) !== String([3, height, width])) {
        throw new ClipInputError(
          'pixels',
          `must all have shape [3, ${height}, ${width}], received [${one.shape}]`,
        );
      }
      pixels.set(one.data, i * 3 * height * width);
    });
    const text = this.#clip.config.text!;
    // Checked here, padded to the full length so that every step has the same shapes.
    const { ids, ends } = textBatch(
      examples.map(({ tokenIds }) => tokenIds),
      text,
    );
    ends.dispose();
    const padded = tf.tidy(() =>
      tf.pad(
        ids,
        [
          [0, 0],
          [0, text.contextLength - ids.shape[1]],
        ],
        text.padTokenId,
      ),
    );
    ids.dispose();
    return { pixels: tf.tensor4d(pixels, [examples.length, 3, height, width]), tokenIds: padded };
  }
}
