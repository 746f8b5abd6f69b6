import { open, rename, rm } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { ggufChunks } from '../export/gguf.js';
import { exportOnnx } from '../export/onnx.js';
import type { GPT } from '../model/gpt.js';
import { loadModel, type ModelFlags, numberFlag } from './load-model.js';

interface Flags extends ModelFlags {
  to: 'huggingface' | 'gguf' | 'onnx';
  type: 'f16' | 'f32';
  shardBytes?: number;
  batch: number;
  length?: number;
  cache?: boolean;
  weights?: 'float32' | 'float16' | 'int8' | 'int4';
  json?: boolean;
}

/** `gpt convert DIR OUT --to gguf` */
export function registerConvert(program: Command): void {
  program
    .command('convert')
    .alias('export')
    .description('Write a checkpoint in another format: Hugging Face folder, GGUF, ONNX.')
    .argument('<directory>', 'checkpoint folder')
    .argument('<output>', 'folder (huggingface, onnx) or file (gguf)')
    .addOption(
      new Option('--to <format>', 'target').choices(['huggingface', 'gguf', 'onnx']).default('huggingface'),
    )
    .addOption(
      new Option('--type <type>', 'GGUF: number format of matrices').choices(['f16', 'f32']).default('f16'),
    )
    .option('--shard-bytes <n>', 'Hugging Face: split the weights into files of this size', numberFlag)
    .option('--batch <n>', 'ONNX: rows of the input', numberFlag, 1)
    .option('--cache', 'ONNX: with key-value cache and open lengths, as transformers.js loads it')
    .option('--length <n>', 'ONNX: tokens of a row (default: the context)', numberFlag)
    .addOption(
      new Option('--weights <type>', 'ONNX: storage').choices(['float32', 'float16', 'int8', 'int4']),
    )
    .option('--layer-pattern <pattern...>', 'attention of the layers, for checkpoints that cannot say')
    .option('--backend <name>', 'TensorFlow.js backend')
    .option('--json', 'print the result as JSON')
    .action(async (directory: string, output: string, flags: Flags) => {
      const model = await loadModel(directory, flags);
      try {
        await convert(model, output, flags);
        const result = { output, format: flags.to, parameters: model.parameterCount };
        process.stdout.write(
          flags.json
            ? `${JSON.stringify(result)}\n`
            : `${output}: ${flags.to}, ${result.parameters.toLocaleString('en')} parameters\n`,
        );
      } finally {
        model.dispose();
      }
    });
}

async function convert(model: GPT, output: string, flags: Flags): Promise<void> {
  switch (flags.to) {
    case 'huggingface':
      return model.save(output, flags.shardBytes === undefined ? {} : { maxShardBytes: flags.shardBytes });
    case 'gguf':
      return writeChunks(output, ggufChunks(model, { type: flags.type }));
    case 'onnx':
      return exportOnnx(model, output, {
        batch: flags.batch,
        ...(flags.cache === undefined ? {} : { cache: flags.cache }),
        ...(flags.length === undefined ? {} : { length: flags.length }),
        ...(flags.weights === undefined ? {} : { weights: flags.weights }),
      });
  }
}

/** Whole or not at all: temporary file in the same folder, flushed, renamed. */
async function writeChunks(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'w');
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}
