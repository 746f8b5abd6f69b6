import type { SourceEpochs } from '../data/token-batch.js';

/** One optimizer step. */
export interface StepEvent {
  readonly type: 'step';
  /** Steps done, counted from 1. */
  readonly step: number;
  /** Tokens trained on so far, all steps together. */
  readonly tokens: number;
  /** Mean negative log-likelihood of this step's targets, nats per token. */
  readonly loss: number;
  /** The same in bits per UTF-8 byte, which does not depend on the vocabulary; absent when bytes are unknown. */
  readonly bitsPerByte?: number;
  readonly learningRate: number;
  /** Global L2 norm of the gradients before clipping. */
  readonly gradientNorm: number;
  /** Rows of this step, all micro-batches together. */
  readonly batchSize: number;
  /** `false` when a guard refused the update. */
  readonly applied: boolean;
  readonly tokensPerSecond: number;
  /** Share of the machine's measured matrix-product rate that the model's arithmetic reached. */
  readonly mfu?: number;
  /** Bytes of live tensors. */
  readonly memoryBytes: number;
  readonly durationMs: number;
  /** Time left at the present rate. */
  readonly etaMs: number;
}

/** The loss on held-out text. */
export interface ValidationEvent {
  readonly type: 'validation';
  readonly step: number;
  readonly tokens: number;
  /** Nats per token. */
  readonly loss: number;
  readonly perplexity: number;
  readonly bitsPerByte?: number;
  /** Held-out tokens (or examples) scored. */
  readonly targets: number;
  /** A fine-tuning task's metrics. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Lowest validation loss so far, this one included. */
  readonly bestLoss: number;
  readonly isBest: boolean;
  readonly durationMs: number;
}

/** A text the model wrote during training. */
export interface SampleEvent {
  readonly type: 'sample';
  readonly step: number;
  readonly text: string;
}

/** A checkpoint is complete on disk. */
export interface CheckpointEvent {
  readonly type: 'checkpoint';
  readonly step: number;
  readonly path: string;
  readonly isBest: boolean;
  readonly durationMs: number;
}

/** A guard acted on a step that would have harmed the model. */
export interface GuardEvent {
  readonly type: 'guard';
  readonly step: number;
  readonly reason: 'non-finite-loss' | 'non-finite-gradient' | 'loss-spike';
  readonly action: 'skip' | 'stop';
  readonly loss: number;
  readonly gradientNorm: number;
  /** Multiplier of the learning rate from now on, 1 when nothing was backed off. */
  readonly learningRateScale: number;
  /** Where the batch was saved, when the run stores checkpoints. */
  readonly batchPath?: string;
}

/** Training begins, or goes on from a checkpoint. */
export interface StartEvent {
  readonly type: 'start';
  /** Steps done before: 0 for a new run. */
  readonly step: number;
  readonly steps: number;
  readonly parameters: number;
  readonly tokensPerStep: number;
  readonly resumedFrom?: string;
}

/** Training is over. */
export interface EndEvent {
  readonly type: 'end';
  readonly reason: 'completed' | 'aborted' | 'early-stop' | 'diverged';
  readonly step: number;
  readonly tokens: number;
  readonly bestLoss?: number;
  readonly durationMs: number;
  readonly epochs: readonly SourceEpochs[];
}

export type TrainingEvent =
  | StartEvent
  | StepEvent
  | ValidationEvent
  | SampleEvent
  | CheckpointEvent
  | GuardEvent
  | EndEvent;
