import { SafetensorsError, type SafetensorsFile } from '@gpt-lineage/vision-clip/safetensors';
import * as tf from '@tensorflow/tfjs-core';
import {
  alternativeNames,
  type CheckpointEntry,
  type CheckpointFamily,
  type CheckpointPart,
  checkpointEntries,
} from '../checkpoint-names.js';
import type { GPTConfig } from '../config/config.js';
import { CheckpointError, GptLineageError, show } from '../errors.js';
import { variableFrom } from '../model/parameters.js';
import { checksum } from './checksums.js';

/**
 * Reads every parameter, one at a time: at most one tensor is in memory beside the model itself.
 *
 * @throws {CheckpointError} a parameter is missing or has another shape than the configuration says
 */
export async function readWeights(
  file: SafetensorsFile,
  config: GPTConfig,
  family: CheckpointFamily,
  path: string,
  id: string,
): Promise<Map<string, tf.Variable>> {
  const variables = new Map<string, tf.Variable>();
  try {
    const sums = storedChecksums(file, path);
    for (const entry of checkpointEntries(config, family)) {
      const parts: { values: Float32Array; part: CheckpointPart }[] = [];
      for (const part of entry.parts) {
        const name = locate(file, part, entry, path);
        const values = await file.readFloat32(name);
        if (sums[name] !== undefined && sums[name] !== checksum(values)) {
          throw new CheckpointError(path, `${name} does not match its checksum: the file is damaged`);
        }
        parts.push({ values, part });
      }
      variables.set(entry.parameter, assemble(entry, parts, `${id}/${entry.parameter}`));
    }
  } catch (error) {
    for (const variable of variables.values()) variable.dispose();
    if (error instanceof SafetensorsError) throw new CheckpointError(path, error.message, { cause: error });
    if (GptLineageError.isInstance(error)) throw error;
    throw new CheckpointError(path, `the weights cannot be read (${(error as Error).message})`, {
      cause: error,
    });
  }
  return variables;
}

function storedChecksums(file: SafetensorsFile, path: string): Readonly<Record<string, unknown>> {
  const text = file.metadata.get('checksums');
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new CheckpointError(path, 'its list of checksums is not JSON: the file is damaged', { cause });
  }
}

function locate(file: SafetensorsFile, part: CheckpointPart, entry: CheckpointEntry, path: string): string {
  const name = alternativeNames(part.name).find((candidate) => file.tensors.has(candidate));
  if (name === undefined) {
    throw new CheckpointError(path, `the weights lack ${part.name}: it is a checkpoint of another model`);
  }
  const { shape } = file.tensors.get(name)!;
  if (shape.length !== part.shape.length || shape.some((size, axis) => size !== part.shape[axis])) {
    throw new CheckpointError(
      path,
      `${name} has shape ${show(shape)}, the configuration needs ${show(part.shape)} (for ${entry.parameter})`,
    );
  }
  return name;
}

function assemble(
  entry: CheckpointEntry,
  parts: readonly { values: Float32Array; part: CheckpointPart }[],
  name: string,
): tf.Variable {
  const [first] = parts;
  if (parts.length === 1 && !first!.part.transposed) return variableFrom(first!.values, entry.shape, name);
  return tf.tidy(() => {
    const tensors = parts.map(({ values, part }) => {
      const tensor = tf.tensor(values, [...part.shape], 'float32');
      return part.transposed ? tf.transpose(tensor) : tensor;
    });
    const whole = tensors.length === 1 ? tensors[0]! : tf.concat(tensors, entry.shape.length - 1);
    return tf.variable(whole, true, name, 'float32');
  });
}
