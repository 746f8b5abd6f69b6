import { GPT } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';

/** Writes the values of one set of variables into another with the same names. */
export function copyVariables(
  from: ReadonlyMap<string, tf.Variable>,
  to: ReadonlyMap<string, tf.Variable>,
): void {
  for (const [name, variable] of to) tf.tidy(() => variable.assign(tf.clone(from.get(name)!)));
}

/** A second model with the same weights: the frozen reference of PPO and DPO, or the start of a reward model. */
export function copyModel(model: GPT): GPT {
  const copy = GPT.create(model.config, model.tokenizer ? { tokenizer: model.tokenizer } : {});
  copyVariables(model.variables, copy.variables);
  return copy;
}
