import type { Cluster } from '@gpt-lineage/compute';
import type { ValidationSource } from '../data/token-batch.js';
import type { LoRA } from '../lora/lora.js';
import type { CheckpointStore } from './checkpoint-store.js';
import type { GuardOptions } from './guard.js';
import type { BatchRamp, LearningRateOptions } from './learning-rate.js';

export interface PretrainOptions {
  /** Optimizer steps of the whole run, those before a resume included. Give this or `tokens`. */
  steps?: number;
  /** Tokens of the whole run; takes the place of `steps`. */
  tokens?: number;
  /** Rows per optimizer step. Default 12. */
  batchSize?: number;
  /** Rows that go through the model at once; the rest is gradient accumulation. Default `batchSize`. */
  microBatchSize?: number;
  /** GPT-3's growing batch; default none. */
  batchRamp?: BatchRamp;
  /** Highest learning rate. Default 6e-4 (GPT-2/3 small). */
  learningRate?: number;
  /** Default a tenth of `learningRate`. */
  minLearningRate?: number;
  /** Steps (or tokens, see `scheduleUnit`) of linear warm-up. Default 0. */
  warmup?: number;
  /** Default `'cosine'`. */
  schedule?: NonNullable<LearningRateOptions['shape']>;
  /** Length of warm-up and decay together. Default the whole run. */
  decay?: number;
  /** `'steps'` (default), or `'tokens'` as GPT-3 counts. */
  scheduleUnit?: 'steps' | 'tokens';
  /** First step of warm-up; default `'nanogpt'`. */
  warmupStart?: NonNullable<LearningRateOptions['warmupStart']>;
  /** Decay rates of Adam's moments. Default 0.9 and 0.95. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  epsilon?: number;
  /** Decoupled weight decay. Default 0.1. */
  weightDecay?: number;
  /** `'matrices'` (default): only tensors of two or more axes decay; `'all'`: every parameter. */
  decayed?: 'matrices' | 'all';
  /** Largest global gradient norm; `null` never clips. Default 1. */
  clipNorm?: number | null;
  /** Refuses harmful updates; `false` applies every step. Default: only non-finite steps are refused. */
  guard?: GuardOptions | false;
  /** Seeds dropout. Default 0. */
  seed?: number;
  /** Names of trainable variables; the others stay as they are. Default all. */
  trainable?: (name: string) => boolean;
  /** Multiplier of the learning rate per variable (layer-wise rates). Default 1. */
  learningRateScale?: (name: string) => number;
  /** Train these low-rank adapters and nothing else; checkpoints then hold the adapters. */
  adapter?: LoRA;
  /**
   * Weight average `average = decay × average + (1 − decay) × weights`: what is validated, and what the model holds
   * when the run is over.
   */
  emaDecay?: number;
  /** Recompute each block in the backward pass: less memory, about a third more time. Default `false`. */
  gradientCheckpointing?: boolean;

  /** Held-out text. */
  validation?: ValidationSource;
  /** Steps between validations; the last step is always validated. Default 250. */
  validateEvery?: number;
  /** Batches per validation. Default: the whole held-out text. */
  validationBatches?: number;
  /** Validations without a better loss after which training ends. Default: never. */
  patience?: number;
  /** Writes a text every `sampleEvery` steps. */
  sample?: (step: number) => string | Promise<string>;
  sampleEvery?: number;

  /** Where checkpoints go. */
  checkpoints?: CheckpointStore;
  /** Steps between checkpoints; one is always made at the end. Default 500. */
  checkpointEvery?: number;
  /** Go on from the newest checkpoint of `checkpoints`, when it has one. Default `false`. */
  resume?: boolean;
  /** Ends training after the current step, with a checkpoint. */
  signal?: AbortSignal;
  /**
   * Data-parallel training: this process's place among the workers (`joinCluster` of compute). Every worker runs the
   * same call; each takes its share of the rows of every batch, so `batchSize` is that of all workers together. The
   * first worker writes the checkpoints, all of them read them.
   */
  cluster?: Cluster;
  /**
   * `'auto'` (default): a captured graph where TensorFlow is the active backend, op by op elsewhere. `'onnx'` captures
   * for ONNX Runtime.
   */
  execution?: 'auto' | 'eager' | 'tensorflow' | 'onnx';
  /** `'bf16'` rounds the operands of matrix products to bfloat16; captured TensorFlow only. Default `'float32'`. */
  precision?: 'float32' | 'bf16';
}
