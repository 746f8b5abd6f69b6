import { type GPT, type GPTConfig, GPT as Model, type TrainableModel } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { lastTokenMask } from '../objectives/masked.js';
import { copyModel, copyVariables } from './copy-model.js';

const HEAD = 'scalar_head.weight';
const BIAS = 'scalar_head.bias';
const FILE = 'scalar_head.safetensors';

/** Right-padded sequences: `tokenIds` and `attentionMask` `[batch, length]` int32. */
export interface Sequences {
  readonly tokenIds: tf.Tensor2D;
  readonly attentionMask: tf.Tensor2D;
}

/**
 * A GPT whose output matrix is replaced by one number per position: the reward model of InstructGPT (its value at the
 * last token) and the value model of PPO (its value everywhere). Owns its variables.
 */
export class ScalarHeadModel implements TrainableModel {
  readonly gpt: GPT;
  readonly variables: ReadonlyMap<string, tf.Variable>;

  private constructor(gpt: GPT, head: ReadonlyMap<string, tf.Variable>) {
    this.gpt = gpt;
    this.variables = new Map([...gpt.variables, ...head]);
  }

  /**
   * Starts from a copy of `model`; the head is zero, so that every reward is 0 before training (the gradient of the
   * head is not zero, hence training starts).
   */
  static create(model: GPT): ScalarHeadModel {
    return new ScalarHeadModel(copyModel(model), newHead(model.config.nEmbd));
  }

  /** A copy with its own variables: InstructGPT's value model starts from the reward model. */
  clone(): ScalarHeadModel {
    const copy = new ScalarHeadModel(copyModel(this.gpt), newHead(this.config.nEmbd));
    copyVariables(this.variables, copy.variables);
    return copy;
  }

  /** @throws {CheckpointError} when the folder holds no such model */
  static async load(directory: string): Promise<ScalarHeadModel> {
    const gpt = await Model.load(directory);
    const model = new ScalarHeadModel(gpt, newHead(gpt.config.nEmbd));
    try {
      await model.#readHead(directory);
      return model;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /** Writes a Hugging Face directory with `scalar_head.safetensors` beside the weights. */
  async save(directory: string): Promise<void> {
    const { directoryWriter, tensorInputs } = await import('@gpt-lineage/gpt-core/node');
    const writer = await directoryWriter(directory);
    const head = new Map([HEAD, BIAS].map((name) => [name, this.variables.get(name)!]));
    await writer.writeTensors(FILE, tensorInputs(head));
    await this.gpt.save(writer);
  }

  /** Takes over the weights of a saved one. */
  async restore(directory: string): Promise<void> {
    const saved = await ScalarHeadModel.load(directory);
    copyVariables(saved.variables, this.variables);
    saved.dispose();
  }

  get config(): GPTConfig {
    return this.gpt.config;
  }

  /**
   * Value of every position, `[batch, length]`; with `from`, of the positions from there on. Without a mask where padding
   * stands on the right: no token sees it.
   */
  values(
    { tokenIds, attentionMask }: Pick<Sequences, 'tokenIds'> & Partial<Sequences>,
    options: { training?: boolean; seed?: number | tf.Tensor; from?: number } = {},
  ): tf.Tensor2D {
    return tf.tidy(() => {
      const mask = attentionMask ? { attentionMask } : {};
      const { lastHiddenState } = this.gpt.forward(tokenIds, { ...mask, logits: 'none', ...options });
      const weight = this.variables.get(HEAD)!;
      const products = tf.sum(tf.mul(lastHiddenState, weight), -1); // [batch, length]
      return tf.add(products, this.variables.get(BIAS)!) as tf.Tensor2D;
    });
  }

  /** Reward of each sequence, read at its last token, `[batch]`. */
  rewards(
    sequences: Sequences,
    options: { training?: boolean; seed?: number | tf.Tensor } = {},
  ): tf.Tensor1D {
    return tf.tidy(() => {
      const values = this.values(sequences, options);
      const last = lastTokenMask(tf.cast(sequences.attentionMask, 'float32') as tf.Tensor2D);
      return tf.sum(tf.mul(values, last), 1) as tf.Tensor1D;
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

  dispose(): void {
    this.gpt.dispose();
    this.variables.get(HEAD)!.dispose();
    this.variables.get(BIAS)!.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #readHead(directory: string): Promise<void> {
    const { readTensorFile } = await import('@gpt-lineage/gpt-core/node');
    const stored = await readTensorFile(`${directory}/${FILE}`);
    for (const name of [HEAD, BIAS]) {
      const variable = this.variables.get(name)!;
      const tensor = stored.get(name);
      if (tensor) tf.tidy(() => variable.assign(tf.tensor(tensor.data, variable.shape)));
    }
  }
}

const newHead = (nEmbd: number): ReadonlyMap<string, tf.Variable> =>
  tf.tidy(
    () =>
      new Map([
        [HEAD, tf.variable(tf.zeros([nEmbd]), true)],
        [BIAS, tf.variable(tf.zeros([]), true)],
      ]) as never,
  );
