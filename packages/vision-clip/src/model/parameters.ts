import * as tf from '@tensorflow/tfjs-core';
import type { ClipConfig } from '../config.js';
import { ClipInputError } from '../errors.js';
import { Random } from '../random.js';
import { type ParameterSpec, parameterSpecs } from './parameter-specs.js';

/** The tensors of a model by name. Owns them: `dispose` frees all. */
export class Parameters {
  readonly #variables = new Map<string, tf.Variable>();

  /** @param fill gives the values of each parameter in turn */
  static async create(
    specs: readonly ParameterSpec[],
    fill: (spec: ParameterSpec, index: number) => Float32Array | Promise<Float32Array>,
  ): Promise<Parameters> {
    const parameters = new Parameters();
    try {
      for (const [index, spec] of specs.entries()) parameters.#add(spec, await fill(spec, index));
    } catch (error) {
      parameters.dispose();
      throw error;
    }
    return parameters;
  }

  /** Fresh values; the same seed gives the same model on every backend. */
  static initialize(config: ClipConfig, seed: number): Parameters {
    const parameters = new Parameters();
    for (const [index, spec] of parameterSpecs(config).entries()) {
      parameters.#add(spec, initialValues(spec, seed, index));
    }
    return parameters;
  }

  #add({ name, shape, trainable }: ParameterSpec, values: Float32Array): void {
    const value = tf.tensor(values, [...shape], 'float32');
    // Names are unique per engine in tfjs, so that two models may live side by side.
    this.#variables.set(name, tf.variable(value, trainable));
    value.dispose();
  }

  get(name: string): tf.Variable {
    const variable = this.#variables.get(name);
    if (!variable) throw new ClipInputError('parameter', `"${name}" does not exist in this model`);
    return variable;
  }

  has(name: string): boolean {
    return this.#variables.has(name);
  }

  entries(): IterableIterator<[string, tf.Variable]> {
    return this.#variables.entries();
  }

  dispose(): void {
    for (const variable of this.#variables.values()) variable.dispose();
    this.#variables.clear();
  }
}

function initialValues(spec: ParameterSpec, seed: number, index: number): Float32Array {
  const size = spec.shape.reduce((product, axis) => product * axis, 1);
  const values = new Float32Array(size);
  if ('constant' in spec.init) return values.fill(spec.init.constant);
  const random = new Random(seed, index + 1);
  for (let i = 0; i < size; i++) values[i] = random.normal() * spec.init.normal;
  return values;
}
