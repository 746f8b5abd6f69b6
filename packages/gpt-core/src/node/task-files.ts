import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors, writeSafetensorsFile } from '@gpt-lineage/vision-clip/safetensors/node';
import type * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { CheckpointError } from '../errors.js';
import { taskKinds } from '../finetuning/task-inputs.js';
import type { TaskDefinition } from '../finetuning/task-model.js';
import type { StateTensors } from '../training/checkpoint-store.js';
import { writeFileAtomic } from './atomic-files.js';

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

export async function writeTaskFiles(
  directory: string,
  definition: TaskDefinition,
  head: ReadonlyMap<string, tf.Variable>,
): Promise<void> {
  await writeTensorFile(join(directory, HEAD_FILE), head);
  await writeFileAtomic(join(directory, TASK_FILE), `${JSON.stringify(definition, null, 2)}\n`);
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

/** Writes variables as float32 under their names. */
export async function writeTensorFile(
  path: string,
  tensors: ReadonlyMap<string, tf.Tensor>,
  metadata: Record<string, string> = { format: 'pt' },
): Promise<void> {
  const entries = [...tensors].map(([name, tensor]) => [
    name,
    { dtype: 'F32' as const, shape: tensor.shape, data: async () => (await tensor.data()) as Float32Array },
  ]);
  await writeSafetensorsFile(path, Object.fromEntries(entries), { metadata });
}
