import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { configFromHuggingFace } from '../checkpoint/hf-config.js';
import type { GPTConfig } from '../config/config.js';
import { describe } from '../config/describe.js';
import { formatLayerAttention } from '../config/layer-attention.js';
import { presets } from '../config/presets.js';
import { CheckpointError, InvalidArgumentError } from '../errors.js';

/** `gpt info DIR|PRESET`: sizes and costs, without loading any weight. */
export function registerInfo(program: Command): void {
  program
    .command('info')
    .description('Parameters, memory and work of a checkpoint or of a published size.')
    .argument(
      '[model]',
      'checkpoint folder, or a preset such as gpt3-175b; without it, the presets are listed',
    )
    .option('--json', 'print as JSON')
    .action(async (model: string | undefined, flags: { json?: boolean }) => {
      if (model === undefined) {
        const names = Object.keys(presets);
        process.stdout.write(flags.json ? `${JSON.stringify(names)}\n` : `${names.join('\n')}\n`);
        return;
      }
      const config = await configOf(model);
      const description = describe(config);
      process.stdout.write(flags.json ? `${JSON.stringify(description, null, 2)}\n` : table(description));
    });
}

async function configOf(model: string): Promise<GPTConfig> {
  if (Object.hasOwn(presets, model)) return presets[model as keyof typeof presets];
  const info = await stat(model).catch(() => undefined);
  if (!info) {
    throw new InvalidArgumentError(
      'model',
      model,
      'neither a folder nor a preset; `gpt info` without a name lists the presets',
    );
  }
  const path = join(model, 'config.json');
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new CheckpointError(path, `cannot be read (${(cause as Error).message})`, { cause });
  }
  return configFromHuggingFace(json, path).config;
}

function table(description: ReturnType<typeof describe>): string {
  const { config } = description;
  const patterns = [...new Set(config.layerPattern.map(formatLayerAttention))].join(', ');
  const rows: [string, string][] = [
    ['layers × heads × width', `${config.nLayer} × ${config.nHead} × ${config.nEmbd}`],
    ['vocabulary', config.vocabSize.toLocaleString('en')],
    ['context', `${config.contextLength.toLocaleString('en')} tokens`],
    ['norms', config.normPlacement],
    ['positions', config.positions],
    ['attention', patterns],
    ['parameters', description.parameters.toLocaleString('en')],
    ['without embeddings', description.nonEmbeddingParameters.toLocaleString('en')],
    ['weights, float32', bytes(description.bytes.float32)],
    ['weights, int8', bytes(description.bytes.int8)],
    ['training state, AdamW', bytes(description.trainStateBytes)],
    ['cache at full context', bytes(description.kvCacheBytes)],
    ['work per token', `${(description.forwardFlopsPerToken / 1e9).toFixed(3)} GFLOP`],
    ['work per trained token', `${(description.trainingFlopsPerToken / 1e9).toFixed(3)} GFLOP`],
  ];
  return `${rows.map(([name, value]) => `${name.padEnd(24)}${value}`).join('\n')}\n`;
}

function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 2)} ${units[power]}`;
}
