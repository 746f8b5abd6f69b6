import type { GPT, GPTConfig, TrainableModel } from '@gpt-lineage/gpt-core';
import { GPT as Model } from '@gpt-lineage/gpt-core';
import type * as tf from '@tensorflow/tfjs-core';
import { copyVariables } from './copy-model.js';
import type { ScalarHeadModel } from './scalar-head.js';

/** Prefix of the value model's variables among those of both. */
export const VALUE_PREFIX = 'value.';

/** Policy and value model side by side: what PPO trains and saves. Owns neither. */
export class ActorCritic implements TrainableModel {
  readonly policy: GPT;
  readonly value: ScalarHeadModel;
  readonly variables: ReadonlyMap<string, tf.Variable>;

  constructor(policy: GPT, value: ScalarHeadModel) {
    this.policy = policy;
    this.value = value;
    const critic = [...value.variables].map(([name, variable]) => [VALUE_PREFIX + name, variable] as const);
    this.variables = new Map([...policy.variables, ...critic]);
  }

  get config(): GPTConfig {
    return this.policy.config;
  }

  /** The policy as a Hugging Face directory, the value model in its folder `value`. */
  async save(directory: string): Promise<void> {
    await this.value.save(`${directory}/value`);
    await this.policy.save(directory);
  }

  async restore(directory: string): Promise<void> {
    await this.value.restore(`${directory}/value`);
    const saved = await Model.load(directory);
    copyVariables(saved.variables, this.policy.variables);
    saved.dispose();
  }
}
