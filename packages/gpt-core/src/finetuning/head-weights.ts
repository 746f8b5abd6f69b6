import * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig } from '../config/config.js';
import { normal } from '../data/random.js';
import { CheckpointError } from '../errors.js';
import type { StateTensors } from '../training/checkpoint-store.js';

/** A saved head, and where it came from. */
export interface SavedHead {
  readonly files: StateTensors;
  readonly directory: string;
}

/**
 * The linear layer on top: `head.weight` `[nEmbd, outputs]`, N(0, 0.02), and `head.bias` `[outputs]`, zeros; or
 * what was saved.
 *
 * @throws {CheckpointError} when the saved head has another shape
 */
export function headWeights(
  config: GPTConfig,
  outputs: number,
  seed: number,
  saved?: SavedHead,
): ReadonlyMap<string, tf.Variable> {
  const shapes = { 'head.weight': [config.nEmbd, outputs], 'head.bias': [outputs] };
  const values = Object.entries(shapes).map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    if (saved) {
      const stored = saved.files.get(name);
      if (stored?.shape.join() !== shape.join())
        throw new CheckpointError(
          saved.directory,
          `its head has ${name} ${stored ? `of shape [${stored.shape}]` : 'missing'}, the task needs [${shape}]; use the folder that fine-tuning wrote.`,
        );
      return [name, shape, stored!.data] as const;
    }
    const draws = Float32Array.from({ length: size }, (_, i) => normal(seed, i, 41) * 0.02);
    return [name, shape, name === 'head.bias' ? new Float32Array(size) : draws] as const;
  });
  return new Map(
    values.map(([name, shape, data]) => [
      name,
      tf.tidy(() => tf.variable(tf.tensor(data, [...shape]), true)),
    ]),
  );
}
