import { initCompute } from '@gpt-lineage/compute';
import type { GPTConfigInput } from '../config/config.js';
import { GPT } from '../model/gpt.js';

export interface ModelFlags {
  readonly backend?: string;
  readonly layerPattern?: string[];
}

/** Starts the backend and loads a checkpoint folder. */
export async function loadModel(directory: string, flags: ModelFlags): Promise<GPT> {
  await initCompute(flags.backend === undefined ? {} : { prefer: flags.backend as never });
  const config: GPTConfigInput | undefined = flags.layerPattern && { layerPattern: flags.layerPattern };
  return GPT.load(directory, config ? { config } : {});
}

/** A number on the command line. */
export function numberFlag(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new Error(`${text} is not a number.`);
  return value;
}
