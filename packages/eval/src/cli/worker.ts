import type { Command } from 'commander';
import { serveParent, startAnsweringProcess } from '../scale-out/answering-process.js';
import { startRedisWorker } from '../scale-out/redis.js';
import { wholeNumber } from './flags.js';
import { loadModel, type ModelFlags, modelFlags } from './load-model.js';

interface Flags extends ModelFlags {
  redis: string;
  queue?: string;
  lease: number;
}

/** `gpt-eval worker`: answers what `gpt-eval run --redis` asks of the same model. */
export function registerWorker(program: Command, signal: AbortSignal): void {
  modelFlags(
    program.command('worker').description('Answer the batches of runs that use the same queue and model.'),
  )
    .requiredOption('--redis <url>', 'as redis://127.0.0.1:6379')
    .option('--queue <name>', 'name of the queue (default: gpt-eval)')
    .option('--lease <ms>', 'a worker silent for so long is taken for dead', wholeNumber(1000), 30_000)
    .action(async ({ redis, queue, lease, ...model }: Flags) => {
      const answering = await startAnsweringProcess(process.argv[1]!, ['answer', ...modelArguments(model)]);
      const worker = await startRedisWorker({
        url: redis,
        ...(queue === undefined ? {} : { queue }),
        model: answering.model,
        answer: answering.answer,
        leaseMs: lease,
        onBatch: (requests) => process.stderr.write(`batch of ${requests} requests\n`),
      });
      process.stderr.write(`answering for ${answering.model.name}; stop with Ctrl-C\n`);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await worker.close();
      answering.close();
    });

  // The worker's other half: holds the model and answers its parent.
  modelFlags(program.command('answer', { hidden: true })).action((flags: ModelFlags) =>
    serveParent(() => loadModel(flags)),
  );
}

function modelArguments({
  model,
  modelName,
  tokenizer,
  contextLength,
  chat,
  apiKeyEnv,
  backend,
}: ModelFlags): string[] {
  const given = (flag: string, value: string | number | undefined) =>
    value === undefined ? [] : [flag, String(value)];
  return [
    ...given('--model', model),
    ...given('--model-name', modelName),
    ...given('--tokenizer', tokenizer),
    ...given('--context-length', contextLength),
    ...(chat ? ['--chat'] : []),
    ...given('--api-key-env', apiKeyEnv),
    ...given('--backend', backend),
  ];
}
