import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finishSave } from '@gpt-lineage/tokenizer-bpe/folders';
import { z } from 'zod';
import { directoryWriter } from '../checkpoint/directory.node.js';
import { CheckpointError } from '../errors.js';
import type { LoRA, LoRAFactors, LoRAOptions } from '../lora/lora.js';
import { readTensorFile } from './task-files.js';

const CONFIG_FILE = 'adapter_config.json';
const WEIGHTS_FILE = 'adapter_model.safetensors';
/** What PEFT puts before the module names of the model it wraps. */
const PREFIX = 'base_model.model.';

const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  target_modules: z.union([z.array(z.string()), z.string()]).nullish(),
  use_rslora: z.boolean().default(false),
  use_dora: z.boolean().default(false),
  bias: z.string().default('none'),
  alpha_pattern: z.record(z.string(), z.number()).default({}),
  modules_to_save: z.array(z.string()).nullish(),
});

/** The factors and options of a PEFT adapter folder. @throws {CheckpointError} */
export async function readLoRAFactors(
  directory: string,
): Promise<{ factors: Map<string, LoRAFactors>; options: LoRAOptions }> {
  await finishSave(directory);
  const config = await readConfig(directory);
  const tensors = await readTensorFile(join(directory, WEIGHTS_FILE));
  const factors = new Map<string, LoRAFactors>();
  for (const [key, { shape, data }] of tensors) {
    const match = /^(?:base_model\.model\.)?(.*)\.lora_A\.weight$/.exec(key);
    if (!match) continue;
    const name = match[1]!;
    const other = tensors.get(key.replace(/lora_A\.weight$/, 'lora_B.weight'));
    const [rank, inputs] = shape;
    if (
      !other ||
      rank === undefined ||
      inputs === undefined ||
      other.shape[1] !== rank ||
      other.shape.length !== 2
    )
      throw new CheckpointError(
        directory,
        `the factors of ${name} do not fit together; save the adapter again.`,
      );
    // PyTorch keeps linear weights as [out, in].
    factors.set(name, {
      rank,
      a: transpose(data, rank, inputs),
      b: transpose(other.data, other.shape[0]!, rank),
    });
  }
  if (factors.size === 0)
    throw new CheckpointError(directory, `${WEIGHTS_FILE} holds no LoRA factors; give a PEFT LoRA folder.`);
  const { r: rank, lora_alpha: alpha, lora_dropout: dropout, use_rslora: rankStabilized } = config;
  const targets = config.target_modules;
  return {
    factors,
    options: {
      rank,
      alpha,
      dropout,
      rankStabilized,
      ...(Array.isArray(targets) && { targetModules: targets }),
    },
  };
}

/** Writes a PEFT adapter folder. */
export async function saveLoRA(lora: LoRA, directory: string): Promise<void> {
  const { rank, alpha, dropout, targetModules, rankStabilized } = lora.options;
  const writer = await directoryWriter(directory);
  const entries = [];
  for (const [name, variable] of lora.variables) {
    const [rows, columns] = variable.shape as [number, number];
    entries.push([
      `${PREFIX}${name}.weight`,
      {
        dtype: 'F32' as const,
        shape: [columns, rows],
        data: async () => transpose((await variable.data()) as Float32Array, rows, columns),
      },
    ] as const);
  }
  await writer.writeTensors(WEIGHTS_FILE, Object.fromEntries(entries));
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: null,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    use_rslora: rankStabilized,
    use_dora: false,
    bias: 'none',
    // GPT-1 and GPT-2 keep their linear weights as [in, out] (Conv1D).
    fan_in_fan_out: true,
    target_modules: targetModules === 'all-linear' ? ['c_attn', 'c_proj', 'c_fc'] : [...targetModules],
    modules_to_save: null,
    init_lora_weights: true,
  };
  await writer.writeText(CONFIG_FILE, `${JSON.stringify(config, null, 2)}\n`);
  await writer.commit();
}

async function readConfig(directory: string): Promise<z.infer<typeof schema>> {
  const content = await readFile(join(directory, CONFIG_FILE), 'utf8').catch((cause) => {
    throw new CheckpointError(directory, `it has no ${CONFIG_FILE}; give a PEFT adapter folder.`, { cause });
  });
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (cause) {
    throw new CheckpointError(directory, `${CONFIG_FILE} is not JSON; save the adapter again.`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new CheckpointError(
      directory,
      `${CONFIG_FILE} is not a LoRA adapter's (${issue?.path.join('.')}: ${issue?.message}); give a PEFT LoRA folder.`,
    );
  }
  const { use_dora, bias, alpha_pattern, modules_to_save } = parsed.data;
  const unsupported = use_dora
    ? 'use_dora'
    : bias !== 'none'
      ? 'bias'
      : Object.keys(alpha_pattern).length > 0
        ? 'alpha_pattern'
        : modules_to_save && modules_to_save.length > 0
          ? 'modules_to_save'
          : undefined;
  if (unsupported)
    throw new CheckpointError(
      directory,
      `${CONFIG_FILE} uses ${unsupported}, which is not supported; merge the adapter with PEFT instead.`,
    );
  return parsed.data;
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = values[row * columns + column]!;
  return out;
}
