import * as tf from '@tensorflow/tfjs-core';
import { CheckpointError } from '../errors.js';
import type { StateTensors } from './checkpoint-store.js';

/** Copies tensors to the host, by name. */
export async function readStateTensors(
  entries: Iterable<readonly [string, tf.Tensor]>,
): Promise<StateTensors> {
  const read = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, tensor] of entries)
    read.set(name, { shape: tensor.shape, data: Float32Array.from((await tensor.data()) as Float32Array) });
  return read;
}

/**
 * Assigns a saved array to a variable.
 *
 * @throws {CheckpointError} when the array is missing or has another shape
 */
export function restoreStateTensor(
  tensors: StateTensors,
  name: string,
  variable: tf.Variable,
  path: string,
): void {
  const saved = tensors.get(name);
  if (!saved)
    throw new CheckpointError(path, `it has no "${name}"; resume with the options of the first run.`);
  if (saved.shape.join() !== variable.shape.join())
    throw new CheckpointError(
      path,
      `"${name}" has shape [${saved.shape}], the model's is [${variable.shape}]; resume with the same model.`,
    );
  tf.tidy(() => variable.assign(tf.tensor(saved.data, variable.shape, 'float32')));
}
