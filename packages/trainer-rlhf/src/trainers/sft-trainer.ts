import {
  exampleSource,
  type GPT,
  type PretrainOptions,
  pretrain,
  type TrainingEvent,
  type TrainingExample,
} from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { SequenceLengthError, TrainerDataError } from '../errors.js';
import type { PromptCompletion } from '../rollouts/sequence-rows.js';

/** A demonstration: what a labeller was asked, and wrote. */
export interface Demonstration {
  readonly prompt: string;
  readonly completion: string;
}

export interface SFTOptions
  extends Omit<PretrainOptions, 'validation' | 'tokens' | 'batchRamp' | 'scheduleUnit'> {
  /** Passes over the demonstrations; `steps` overrides it. Default 16. */
  readonly epochs?: number;
  /** Held-out demonstrations. */
  readonly validation?: readonly Demonstration[];
  /** Tokens per row, default the model's context. */
  readonly maxLength?: number;
  /** `'best-fit'` (default) packs several demonstrations into a row, attention kept inside each. */
  readonly packing?: 'best-fit' | 'none';
  /**
   * Scores the model at the end of each epoch, higher is better; the weights of the best epoch stay. InstructGPT
   * selects by reward-model score, because validation loss overfits after one epoch while preference still improves.
   */
  readonly selectBy?: (model: GPT) => Promise<number>;
}

export interface SelectionEvent {
  readonly type: 'selection';
  readonly epoch: number;
  readonly score: number;
  readonly isBest: boolean;
}

/** Ids of a demonstration; the end token closes the completion, so that the model learns to stop. */
export function encodeDemonstration(model: GPT, { prompt, completion }: Demonstration): PromptCompletion {
  const promptTokenIds = model.encode(prompt);
  const whole = model.encode(prompt + completion);
  // Where a merge crosses the border the two parts are encoded alone: no token belongs to both.
  const shared = promptTokenIds.every((id, index) => whole[index] === id);
  const completionTokenIds = shared ? whole.slice(promptTokenIds.length) : model.encode(completion);
  const end = model.config.eosTokenId ?? model.tokenizer?.eosTokenId ?? null;
  return {
    promptTokenIds,
    completionTokenIds: end === null ? completionTokenIds : [...completionTokenIds, end],
  };
}

function toExamples(
  model: GPT,
  demonstrations: readonly Demonstration[],
  maxLength: number,
): TrainingExample[] {
  return demonstrations.map((demonstration, index) => {
    const { promptTokenIds, completionTokenIds } = encodeDemonstration(model, demonstration);
    const tokenIds = [...promptTokenIds, ...completionTokenIds];
    if (tokenIds.length > maxLength) throw new SequenceLengthError(index, tokenIds.length, maxLength);
    if (completionTokenIds.length === 0) throw new SequenceLengthError(index, 0, maxLength);
    return { tokenIds, lossMask: tokenIds.map((_, position) => Number(position >= promptTokenIds.length)) };
  });
}

/**
 * Supervised fine-tuning on demonstrations, step 1 of InstructGPT (Ouyang et al. 2022, §3.5 and appendix C.1): loss on
 * completions only, 16 epochs, cosine decay to a tenth, no warm-up. The paper's residual dropout of 0.2 is part of the
 * model's configuration (`residualDropout`). PPO does not start from this model but from one trained for 2 epochs with
 * 10 % of pretraining data mixed in: pass `epochs: 2`.
 */
export class SFTTrainer {
  readonly model: GPT;
  readonly #demonstrations: readonly Demonstration[];
  readonly #options: SFTOptions;

  constructor(model: GPT, demonstrations: readonly Demonstration[], options: SFTOptions = {}) {
    if (demonstrations.length === 0) {
      throw new TrainerDataError('demonstrations', '[]', 'give at least one prompt with its completion');
    }
    this.model = model;
    this.#demonstrations = demonstrations;
    this.#options = options;
  }

  /** Trains, and tells what happens. @throws {SequenceLengthError} naming the demonstration that does not fit */
  async *train(): AsyncGenerator<TrainingEvent | SelectionEvent, void, void> {
    const { epochs = 16, validation, packing = 'best-fit', selectBy, ...options } = this.#options;
    const contextLength = options.maxLength ?? this.model.config.contextLength;
    const source = (list: readonly Demonstration[], name: string) =>
      exampleSource(toExamples(this.model, list, contextLength), {
        contextLength,
        packing,
        name,
        seed: options.seed ?? 0,
      });
    const training = source(this.#demonstrations, 'demonstrations');
    const batchSize = options.batchSize ?? Math.min(32, this.#demonstrations.length);
    const rows = Math.max(1, [...(training.batches(1) as Iterable<unknown>)].length);
    const stepsPerEpoch = Math.ceil(rows / batchSize);
    const events = pretrain(this.model, training, {
      learningRate: 9.65e-6,
      schedule: 'cosine',
      warmup: 0,
      betas: [0.9, 0.95],
      weightDecay: 0,
      ...options,
      steps: options.steps ?? epochs * stepsPerEpoch,
      batchSize,
      validateEvery: options.validateEvery ?? stepsPerEpoch,
      ...(validation ? { validation: source(validation, 'validation') } : {}),
    });
    const best = new BestWeights(this.model);
    try {
      for await (const event of events) {
        yield event;
        if (selectBy && event.type === 'step' && event.step % stepsPerEpoch === 0) {
          const score = await selectBy(this.model);
          const isBest = best.offer(score);
          yield { type: 'selection', epoch: event.step / stepsPerEpoch, score, isBest };
        }
      }
      best.restore();
    } finally {
      best.dispose();
    }
  }
}

/** A copy of the best weights so far. */
class BestWeights {
  readonly #model: GPT;
  readonly #copies = new Map<string, tf.Tensor>();
  #score = Number.NEGATIVE_INFINITY;

  constructor(model: GPT) {
    this.#model = model;
  }

  offer(score: number): boolean {
    if (!(score > this.#score)) return false;
    this.#score = score;
    this.dispose();
    for (const [name, variable] of this.#model.variables) this.#copies.set(name, tf.keep(tf.clone(variable)));
    return true;
  }

  restore(): void {
    for (const [name, copy] of this.#copies) this.#model.variables.get(name)!.assign(copy);
  }

  dispose(): void {
    tf.dispose([...this.#copies.values()]);
    this.#copies.clear();
  }
}
