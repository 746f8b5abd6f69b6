import * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig } from '../config/config.js';
import { elements, type Initializer, parameterSpecs } from '../config/parameters.js';
import { Random } from './random.js';

let modelCount = 0;

/**
 * Names of tfjs variables are global to the process, so each model prefixes its own. The map that a model gives
 * out is keyed by the parameter's name alone.
 */
export function nextModelId(): string {
  modelCount += 1;
  return `gpt${modelCount}`;
}

/** Fresh variables. Each draws from its own stream of `seed`, so a parameter does not depend on its neighbours. */
export function initializeParameters(config: GPTConfig, seed: number, id: string): Map<string, tf.Variable> {
  const variables = new Map<string, tf.Variable>();
  for (const [name, { shape, init }] of parameterSpecs(config)) {
    const values = initialValues(init, elements(shape), seed, name);
    variables.set(name, variableFrom(values, shape, `${id}/${name}`));
  }
  return variables;
}

/** A variable that owns its memory; the intermediate tensor is gone afterwards. */
export function variableFrom(values: Float32Array, shape: readonly number[], name: string): tf.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(values, [...shape], 'float32'), true, name, 'float32'));
}

function initialValues(init: Initializer, count: number, seed: number, name: string): Float32Array {
  if (init === 'zeros') return new Float32Array(count);
  if (init === 'ones') return new Float32Array(count).fill(1);
  return new Random(seed, name).normals(count, init.std);
}
