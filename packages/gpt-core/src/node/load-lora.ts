import { LoRA } from '../lora/lora.js';
import type { GPT } from '../model/gpt.js';
import { readLoRAFactors } from './lora-files.js';

/**
 * Puts a PEFT adapter on a model.
 *
 * @throws {CheckpointError} when the folder is not a LoRA adapter, or uses what is not supported
 * @throws {InvalidArgumentError} when the adapter does not fit the model
 */
export async function loadLoRA(model: GPT, directory: string): Promise<LoRA> {
  const { factors, options } = await readLoRAFactors(directory);
  return LoRA.fromFactors(model, factors, options);
}
