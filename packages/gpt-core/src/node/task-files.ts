import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SafetensorsInput } from '@gpt-lineage/vision-clip/safetensors';
import { openSafetensors } from '@gpt-lineage/vision-clip/safetensors/node';
import type * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { directoryWriter } from '../checkpoint/directory.node.js';
import { CheckpointError } from '../errors.js';
import { taskKinds } from '../finetuning/task-inputs.js';
import type { TaskDefinition } from '../finetuning/task-model.js';
import type { GPT } from '../model/gpt.js';
import type { StateTensors } from '../training/checkpoint-store.js';

const TASK_FILE = 'task.json';
const HEAD_FILE = 'head.safetensors';

const schema = z.strictObject({
  task: z.enum(taskKinds),
  labels: z.array(z.string()).min(2).optional(),
  regression: z.boolean().optional(),
  maxLength: z.number().int().positive().optional(),
});

/** What makes a model folder a task model. @throws {CheckpointError} */
export async function readTaskFiles(
  directory: string,
): Promise<{ definition: TaskDefinition; head: StateTensors }> {
  const content = await readFile(join(directory, TASK_FILE), 'utf8').catch((cause) => {
    throw new CheckpointError(directory, `it has no ${TASK_FILE}; give a folder that fine-tuning wrote.`, {
      cause,
    });
  });
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (cause) {
    throw new CheckpointError(directory, `${TASK_FILE} is not JSON; fine-tune again.`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new CheckpointError(directory, `${TASK_FILE} does not describe a task; fine-tune again.`);
  return {
    definition: parsed.data as TaskDefinition,
    head: await readTensorFile(join(directory, HEAD_FILE)),
  };
}

/** Writes a task model: weights, head and task as one save. @throws {CheckpointError} */
export async function saveTaskModel(
  directory: string,
  gpt: GPT,
  definition: TaskDefinition,
  head: ReadonlyMap<string, tf.Variable>,
): Promise<void> {
  const writer = await directoryWriter(directory);
  await writer.writeTensors(HEAD_FILE, tensorInputs(head));
  await writer.writeText(TASK_FILE, `${JSON.stringify(definition, null, 2)}\n`);
  await gpt.save(writer);
}

/** Every tensor of a safetensors file. @throws {CheckpointError} */
export async function readTensorFile(path: string): Promise<StateTensors> {
  try {
    const file = await openSafetensors(path);
    try {
      const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
      for (const [name, { shape }] of file.tensors)
        tensors.set(name, { shape, data: await file.readFloat32(name) });
      return tensors;
    } finally {
      await file.close();
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError(path, `cannot be read (${reason}); restore the file.`, { cause });
  }
}

/** Variables as float32 under their names, read when they are written. */
export function tensorInputs(tensors: ReadonlyMap<string, tf.Tensor>): Record<string, SafetensorsInput> {
  const entries = [...tensors].map(([name, tensor]) => [
    name,
    { dtype: 'F32' as const, shape: tensor.shape, data: async () => (await tensor.data()) as Float32Array },
  ]);
  return Object.fromEntries(entries);
}
