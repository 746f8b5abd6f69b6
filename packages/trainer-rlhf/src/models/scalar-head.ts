import {
  CheckpointError,
  type GPT,
  type GPTConfig,
  GPT as Model,
  type TrainableModel,
} from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { TrainerDataError } from '../errors.js';
import { lastTokenMask } from '../objectives/masked.js';
import { copyModel, copyVariables } from './copy-model.js';

const HEAD = 'scalar_head.weight';
const BIAS = 'scalar_head.bias';
const TOKENS = 'scalar_head.token_weights';
/** In the file of a head that pools: which way. */
const POOLING = 'scalar_head.pooling';
const FILE = 'scalar_head.safetensors';

/** Right-padded sequences: `tokenIds` and `attentionMask` `[batch, length]` int32. */
export interface Sequences {
  readonly tokenIds: tf.Tensor2D;
  readonly attentionMask: tf.Tensor2D;
  /** 1 = token of the completion, float32: what is pooled. Default every token of the sequence. */
  readonly completionMask?: tf.Tensor2D;
}

const poolings = ['last', 'mean', 'sqrt'] as const;

/**
 * Where a reward is read: at the sequence's last token (InstructGPT), or over the completion's tokens: their mean, or
 * their sum over the square root of their number.
 */
export type Pooling = (typeof poolings)[number];

export interface ScalarHeadOptions {
  /**
   * Default `'last'`. The others learn more from few comparisons: every token of an answer has a say from the first
   * step on. The value of a position is the same for all.
   */
  readonly pooling?: Pooling;
  /**
   * Adds a linear path beside the network (Cheng et al. 2016, Wide & deep learning): a learned number for each entry of
   * the vocabulary, zero at first, summed over the completion's tokens and divided by the square root of how many there
   * are. A regression on words can fill it ({@link ScalarHeadModel.setWeights}). Values do not have it. Default `false`.
   */
  readonly tokenWeights?: boolean;
}

/**
 * A GPT whose output matrix is replaced by one number per position: the reward model of InstructGPT (its value at the
 * last token, unless `pooling` says otherwise) and the value model of PPO (its value everywhere). Owns its variables.
 */
export class ScalarHeadModel implements TrainableModel {
  readonly gpt: GPT;
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly pooling: Pooling;

  private constructor(gpt: GPT, head: ReadonlyMap<string, tf.Variable>, pooling: Pooling) {
    this.gpt = gpt;
    this.pooling = pooling;
    this.variables = new Map([...gpt.variables, ...head]);
  }

  /**
   * Starts from a copy of `model`; the head is zero, so that every reward is 0 before training (the gradient of the
   * head is not zero, hence training starts).
   *
   * @throws {TrainerDataError} an unknown pooling
   */
  static create(
    model: GPT,
    { pooling = 'last', tokenWeights = false }: ScalarHeadOptions = {},
  ): ScalarHeadModel {
    if (!poolings.includes(pooling))
      throw new TrainerDataError('pooling', pooling, `use one of ${poolings.join(', ')}`);
    return new ScalarHeadModel(copyModel(model), newHead(model.config, tokenWeights), pooling);
  }

  /** A copy with its own variables: InstructGPT's value model starts from the reward model. */
  clone(): ScalarHeadModel {
    const head = newHead(this.config, this.variables.has(TOKENS));
    const copy = new ScalarHeadModel(copyModel(this.gpt), head, this.pooling);
    copyVariables(this.variables, copy.variables);
    return copy;
  }

  /** @throws {CheckpointError} when the folder holds no such model */
  static async load(directory: string): Promise<ScalarHeadModel> {
    const { readTensorFile } = await import('@gpt-lineage/gpt-core/node');
    const stored = await readTensorFile(`${directory}/${FILE}`);
    const gpt = await Model.load(directory);
    const pooling = poolings[stored.get(POOLING)?.data[0] ?? 0]!;
    const model = new ScalarHeadModel(gpt, newHead(gpt.config, stored.has(TOKENS)), pooling);
    for (const name of HEAD_NAMES) {
      const variable = model.variables.get(name);
      const tensor = stored.get(name);
      if (variable && tensor) tf.tidy(() => variable.assign(tf.tensor(tensor.data, variable.shape)));
    }
    return model;
  }

  /** Writes a Hugging Face directory with `scalar_head.safetensors` beside the weights. */
  async save(directory: string): Promise<void> {
    const { directoryWriter, tensorInputs } = await import('@gpt-lineage/gpt-core/node');
    const writer = await directoryWriter(directory);
    const index = poolings.indexOf(this.pooling);
    const pooling = { dtype: 'F32', shape: [1], data: Float32Array.of(index) } as const;
    await writer.writeTensors(FILE, {
      ...tensorInputs(this.#head()),
      ...(index === 0 ? {} : { [POOLING]: pooling }),
    });
    await this.gpt.save(writer);
  }

  /**
   * Takes over the weights of a saved one.
   *
   * @throws {CheckpointError} when its head has another form
   */
  async restore(directory: string): Promise<void> {
    using saved = await ScalarHeadModel.load(directory);
    const form = ({ pooling, variables }: ScalarHeadModel) =>
      `pooling '${pooling}'${variables.has(TOKENS) ? ' and token weights' : ''}`;
    if (form(saved) !== form(this)) {
      throw new CheckpointError(
        directory,
        `its reward model has ${form(saved)}, this one ${form(this)}; create this one with the same.`,
      );
    }
    copyVariables(saved.variables, this.variables);
  }

  get config(): GPTConfig {
    return this.gpt.config;
  }

  /**
   * Value of every position, `[batch, length]`; with `from`, of the positions from there on. Without a mask where padding
   * stands on the right: no token sees it.
   */
  values(sequences: Masked, options: ForwardOptions = {}): tf.Tensor2D {
    return tf.tidy(
      () => tf.add(this.#products(sequences, options), this.variables.get(BIAS)!) as tf.Tensor2D,
    );
  }

  /** Reward of each sequence, as `pooling` says, `[batch]`. */
  rewards(
    sequences: Sequences,
    options: { training?: boolean; seed?: number | tf.Tensor } = {},
  ): tf.Tensor1D {
    return tf.tidy(() => {
      const tokens = tf.cast(sequences.attentionMask, 'float32') as tf.Tensor2D;
      const completion = sequences.completionMask ?? tokens;
      const count = tf.maximum(tf.sum(completion, 1), 1);
      const sum = (values: tf.Tensor, mask: tf.Tensor) => tf.sum(tf.mul(values, mask), 1);
      const products = this.#products(sequences, options);
      const read = {
        last: () => sum(products, lastTokenMask(tokens)),
        mean: () => tf.div(sum(products, completion), count),
        sqrt: () => tf.div(sum(products, completion), tf.sqrt(count)),
      }[this.pooling]();
      const weights = this.variables.get(TOKENS);
      const linear =
        weights && tf.div(sum(tf.gather(weights, sequences.tokenIds), completion), tf.sqrt(count));
      const bias = this.variables.get(BIAS)!;
      return tf.add(linear ? tf.add(read, linear) : read, bias) as tf.Tensor1D;
    });
  }

  /**
   * Moves the output by a constant. The ranking loss does not see it; InstructGPT (appendix C.2) shifts it so that
   * labeller demonstrations score 0 on average before PPO.
   */
  shift(amount: number): void {
    const bias = this.variables.get(BIAS)!;
    tf.tidy(() => bias.assign(tf.add(bias, amount)));
  }

  /**
   * Writes weights found elsewhere, as a regression on hidden states and tokens finds them: `hidden`, one per channel,
   * and `tokens`, one per vocabulary entry.
   *
   * @throws {TrainerDataError} another number of weights, or `tokens` without such a path
   */
  setWeights({ hidden, tokens }: { hidden?: ArrayLike<number>; tokens?: ArrayLike<number> }): void {
    const given = [
      ['hidden', HEAD, hidden],
      ['tokens', TOKENS, tokens],
    ] as const;
    for (const [field, name, weights] of given) {
      if (!weights) continue;
      const variable = this.variables.get(name);
      if (weights.length !== variable?.size) {
        const fix = variable ? `give ${variable.size}` : 'create the model with tokenWeights: true';
        throw new TrainerDataError(field, `${weights.length} numbers`, fix);
      }
      tf.tidy(() => variable.assign(tf.tensor1d(Float32Array.from(weights))));
    }
  }

  dispose(): void {
    this.gpt.dispose();
    for (const variable of this.#head().values()) variable.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #head(): ReadonlyMap<string, tf.Variable> {
    return new Map([...this.variables].filter(([name]) => HEAD_NAMES.includes(name)));
  }

  /** Values without the bias, `[batch, length]`. */
  #products({ tokenIds, attentionMask }: Masked, options: ForwardOptions): tf.Tensor {
    const mask = attentionMask ? { attentionMask } : {};
    const { lastHiddenState } = this.gpt.forward(tokenIds, { ...mask, logits: 'none', ...options });
    return tf.sum(tf.mul(lastHiddenState, this.variables.get(HEAD)!), -1);
  }
}

type Masked = Pick<Sequences, 'tokenIds'> & Partial<Sequences>;
type ForwardOptions = { training?: boolean; seed?: number | tf.Tensor; from?: number };

const HEAD_NAMES: readonly string[] = [HEAD, BIAS, TOKENS];

const newHead = ({ nEmbd, vocabSize }: GPTConfig, tokenWeights: boolean): ReadonlyMap<string, tf.Variable> =>
  tf.tidy(
    () =>
      new Map([
        [HEAD, tf.variable(tf.zeros([nEmbd]), true)],
        [BIAS, tf.variable(tf.zeros([]), true)],
        ...(tokenWeights ? [[TOKENS, tf.variable(tf.zeros([vocabSize]), true)]] : []),
      ] as never) as never,
  );
