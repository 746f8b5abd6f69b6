// What the writers of numbered versions share.
import * as tf from '@tensorflow/tfjs-core';

/** Fails unless all numbers are one version. */
export function oneVersion(values, where) {
  const [version] = values;
  for (const value of values)
    if (value !== version) throw new Error(`${where} mixes version ${version} with version ${value}`);
  return version;
}

/** Makes every weight the number of the version. */
export function fill(variables, version) {
  for (const variable of variables.values())
    tf.tidy(() => variable.assign(tf.fill(variable.shape, version, variable.dtype)));
}

export const valuesOf = (variables) =>
  [...variables.values()].flatMap((variable) => [...variable.dataSync()]);

export const small = { vocabSize: 300, contextLength: 16, nLayer: 2, nHead: 2, nEmbd: 32 };
