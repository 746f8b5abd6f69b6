import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { parse as parseYaml } from 'yaml';
import { ConfigError, GptLineageError } from '../errors.js';
import type { PipelineConfig } from '../pipeline/config.js';
import { pipeline } from '../pipeline/pipeline.js';
import { redisExecutor, startRedisWorker } from '../scale-out/redis.js';
import { addDataCommands } from './data-commands.js';
import { integer } from './options.js';
import { progressPrinter } from './progress.js';
import { printSummary } from './summary.js';

/** The `gpt-corpus` command. @returns the exit code */
export async function run(argv: readonly string[]): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new DOMException('interrupted', 'AbortError'));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const program = commands(controller.signal);
  try {
    await program.parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (controller.signal.aborted) {
      process.stderr.write('\ninterrupted; the same command goes on where it stopped\n');
      return 130;
    }
    if (GptLineageError.isInstance(error)) {
      process.stderr.write(`${error.name}: ${error.message}\n`);
      return 1;
    }
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function commands(signal: AbortSignal): Command {
  const program = new Command('gpt-corpus')
    .description('From raw documents to a training mixture')
    .exitOverride()
    .showHelpAfterError();

  program
    .command('build')
    .description('run all stages of a configuration; started again, it goes on where it stopped')
    .argument('<config>', 'YAML or JSON file; paths in it start from its folder')
    .option('-w, --workers <n>', 'worker threads', integer, 1)
    .option('-o, --output <folder>', 'instead of the configured output')
    .option('--redis <url>', 'send the tasks to a queue; start workers with: gpt-corpus worker')
    .option('--queue <name>', 'name of the queue', 'gpt-corpus')
    .option('--jsonl', 'events as JSON lines on standard output')
    .action(async (path: string, options: BuildFlags) => {
      const config = readConfig(path);
      if (options.output !== undefined) config.output = resolve(options.output);
      const executor =
        options.redis === undefined
          ? undefined
          : await redisExecutor({ url: options.redis, queue: options.queue });
      try {
        const print = progressPrinter(options.jsonl ? 'jsonl' : 'text');
        const building = pipeline(config, {
          workers: options.workers,
          baseDirectory: dirname(resolve(path)),
          signal,
          ...(executor && { executor }),
        });
        for await (const event of building) print(event);
        if (!options.jsonl) printSummary(await building);
      } finally {
        await executor?.close();
      }
    });

  program
    .command('worker')
    .description('take tasks of gpt-corpus build --redis until interrupted')
    .requiredOption('--redis <url>', 'as redis://127.0.0.1:6379')
    .option('--queue <name>', 'name of the queue', 'gpt-corpus')
    .option('-c, --concurrency <n>', 'tasks at a time', integer, 1)
    .option('--lease <ms>', 'a worker silent for so long is taken for dead', integer, 30_000)
    .action(async (options: { redis: string; queue: string; concurrency: number; lease: number }) => {
      const worker = await startRedisWorker({
        url: options.redis,
        queue: options.queue,
        concurrency: options.concurrency,
        leaseMs: options.lease,
        onTask: ({ stage, key }) => process.stderr.write(`${stage}/${key}\n`),
      });
      process.stderr.write(`waiting for tasks in queue '${options.queue}'\n`);
      await new Promise<void>((stop) => signal.addEventListener('abort', () => stop(), { once: true }));
      await worker.close();
    });

  addDataCommands(program, signal);
  return program;
}

interface BuildFlags {
  workers: number;
  output?: string;
  redis?: string;
  queue: string;
  jsonl?: boolean;
}

function readConfig(path: string): PipelineConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError('config', `${path} cannot be read`, { cause });
  }
  try {
    return parseYaml(text) as PipelineConfig;
  } catch (cause) {
    throw new ConfigError('config', `${path} is not valid YAML: ${(cause as Error).message}`, { cause });
  }
}
