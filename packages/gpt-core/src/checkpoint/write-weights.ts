import type { SafetensorsInput } from '@gpt-lineage/vision-clip/safetensors';
import * as tf from '@tensorflow/tfjs-core';
import { type CheckpointFamily, checkpointEntries } from '../checkpoint-names.js';
import type { GPTConfig } from '../config/config.js';

/**
 * The parameters (or gradients, or moments: anything of their shapes) under the names and in the layout of a
 * checkpoint family. Values are fetched when the writer asks for them, one tensor at a time.
 */
export function checkpointTensors(
  tensors: ReadonlyMap<string, tf.Tensor>,
  config: GPTConfig,
  family: CheckpointFamily,
): Record<string, SafetensorsInput> {
  const inputs: Record<string, SafetensorsInput> = {};
  for (const { parameter, shape, parts } of checkpointEntries(config, family)) {
    const tensor = tensors.get(parameter)!;
    let offset = 0;
    for (const part of parts) {
      const width = part.transposed ? part.shape[0]! : part.shape.at(-1)!;
      const start = offset;
      offset += width;
      inputs[part.name] = {
        dtype: 'F32',
        shape: part.shape,
        data: async () => {
          if (parts.length === 1 && !part.transposed) return (await tensor.data()) as Float32Array;
          const piece = tf.tidy(() => {
            const begin = [...shape.map(() => 0)];
            begin[shape.length - 1] = start;
            const size = [...shape.slice(0, -1), width];
            const slice = tf.slice(tensor, begin, size);
            return part.transposed ? tf.transpose(slice) : slice;
          });
          try {
            return (await piece.data()) as Float32Array;
          } finally {
            piece.dispose();
          }
        },
      };
    }
  }
  return inputs;
}
