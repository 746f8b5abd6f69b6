import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { parseJsonl } from '../data/documents.js';
import { DataError } from '../data/errors.js';
import { exampleSource } from '../data/example-source.js';
import type { TrainingExample } from '../data/packing.js';
import { finetune } from '../finetuning/finetune.js';
import { chatExample, completionExample } from '../finetuning/loss-masks.js';
import { hasChoices, type TaskExample, type TaskKind, taskKinds } from '../finetuning/task-inputs.js';
import { TaskModel } from '../finetuning/task-model.js';
import { LoRA } from '../lora/lora.js';
import { GPT } from '../model/gpt.js';
import { RunDirectory } from '../node/run-directory.js';
import { pretrain } from '../training/pretrain.js';
import { UsageError } from './errors.js';
import { anyNumber, defined, wholeNumber } from './flags.js';
import { initialise, refuseTaken, runSession, type SessionFlags } from './training-session.js';

interface Flags extends SessionFlags {
  model: string;
  task: TaskKind | 'instructions';
  data: string[];
  validation?: string[];
  labels?: string[];
  regression?: boolean;
  out: string;
  epochs?: number;
  steps?: number;
  batchSize?: number;
  microBatchSize?: number;
  learningRate?: number;
  warmup?: number;
  weightDecay?: number;
  lmWeight?: number;
  maxLength?: number;
  seed?: number;
  validateEvery?: number;
  checkpointEvery?: number;
  patience?: number;
  loraRank?: number;
  loraAlpha?: number;
  packing?: boolean;
}

/** Adds `gpt finetune`. */
export function registerFinetune(program: Command): void {
  program
    .command('finetune')
    .description('Fine-tune a pretrained GPT on a labelled task, or on instructions.')
    .requiredOption('--model <folder>', 'pretrained checkpoint')
    .addOption(
      new Option('--task <task>', 'what the examples are')
        .choices([...taskKinds, 'instructions'])
        .makeOptionMandatory(),
    )
    .requiredOption('--data <file...>', 'JSONL with one example a line')
    .option('--validation <file...>', 'JSONL that is not trained on')
    .requiredOption('--out <folder>', 'folder of the run')
    .option('--labels <name...>', 'classes (default: those of the data, in alphabetical order)')
    .option('--regression', 'labels are numbers')
    .option('--epochs <n>', 'passes over the data (default 3)', anyNumber)
    .option('--steps <n>', 'optimizer steps, in place of --epochs', wholeNumber)
    .option('--batch-size <n>', 'examples (instructions: rows) per step', wholeNumber)
    .option('--micro-batch-size <n>', 'at once; the rest is accumulated', wholeNumber)
    .option('--learning-rate <n>', 'highest learning rate (default 6.25e-5)', anyNumber)
    .option('--warmup <n>', 'steps of warm-up', anyNumber)
    .option('--weight-decay <n>', 'decoupled weight decay', anyNumber)
    .option('--lm-weight <n>', 'weight of the auxiliary language-modelling loss (default 0.5)', anyNumber)
    .option('--max-length <n>', 'longest sequence (default the model’s context)', wholeNumber)
    .option('--seed <n>', 'seed of the head, the order and dropout', wholeNumber)
    .option('--validate-every <n>', 'steps between validations', wholeNumber)
    .option('--checkpoint-every <n>', 'steps between checkpoints', wholeNumber)
    .option('--patience <n>', 'stop after so many validations without progress', wholeNumber)
    .option('--lora-rank <n>', 'instructions: train low-rank adapters of this rank only', wholeNumber)
    .option('--lora-alpha <n>', 'scale of the adapters (default 16)', anyNumber)
    .option('--no-packing', 'instructions: one example a row')
    .option('--resume', 'go on with the run in --out')
    .option('--overwrite', 'delete what --out holds and start anew')
    .option('--jsonl <file>', 'write every event as JSON; - for standard output')
    .option('--tensorboard', 'write TensorBoard event files')
    .option('--quiet', 'print nothing but errors')
    .option('--backend <name>', 'tensorflow, webgpu, wasm or cpu')
    .option('--verbose', 'show stack traces')
    .action((flags: Flags) => runFinetune(flags));
}

async function runFinetune(flags: Flags): Promise<void> {
  const directory = new RunDirectory(flags.out);
  await refuseTaken(directory, flags);
  const rows = await readRows(flags.data);
  const held = flags.validation && (await readRows(flags.validation));
  await initialise(flags);
  using model = await GPT.load(flags.model);
  if (!model.tokenizer)
    throw new UsageError(`${flags.model} holds no tokenizer: fine-tuning needs the one of pretraining.`);
  await (flags.task === 'instructions'
    ? tuneInstructions(model, rows, held, directory, flags)
    : tuneTask(model, rows, held, directory, flags));
}

async function tuneTask(
  model: GPT,
  rows: readonly object[],
  held: readonly object[] | undefined,
  directory: RunDirectory,
  flags: Flags,
): Promise<void> {
  const task = flags.task as TaskKind;
  const examples = rows as readonly TaskExample[];
  const labels = hasChoices(task) || flags.regression ? undefined : (flags.labels ?? labelsOf(examples));
  using taskModel = TaskModel.create(model, {
    task,
    ...(labels && { labels }),
    ...(flags.regression && { regression: true }),
    ...defined({ maxLength: flags.maxLength, seed: flags.seed }),
  });
  const { end, shown } = await runSession(directory, flags, { ...flags, labels }, (signal) =>
    finetune(taskModel, examples, {
      ...loopOptions(flags),
      ...defined({
        epochs: flags.epochs,
        lmWeight: flags.lmWeight,
        validation: held as TaskExample[] | undefined,
      }),
      checkpoints: directory,
      resume: flags.resume === true,
      signal,
    }),
  );
  if (shown && end) process.stdout.write(`\ntask model saved in ${directory.path}\n`);
}

async function tuneInstructions(
  model: GPT,
  rows: readonly object[],
  held: readonly object[] | undefined,
  directory: RunDirectory,
  flags: Flags,
): Promise<void> {
  const options = {
    contextLength: flags.maxLength ?? model.config.contextLength,
    packing: flags.packing === false ? ('none' as const) : ('best-fit' as const),
    tooLong: 'truncate' as const,
    seed: flags.seed ?? 0,
    tokenizerFingerprint: model.tokenizer!.fingerprint,
  };
  const source = exampleSource(instructionExamples(model, rows), options);
  const validation = held && exampleSource(instructionExamples(model, held), options);
  const batchSize = flags.batchSize ?? 8;
  const rowCount = [...(source.batches(1) as Iterable<unknown>)].length;
  const steps = flags.steps ?? Math.ceil(((flags.epochs ?? 3) * rowCount) / batchSize);
  using lora =
    flags.loraRank === undefined
      ? undefined
      : LoRA.attach(model, {
          rank: flags.loraRank,
          ...defined({ alpha: flags.loraAlpha, seed: flags.seed }),
        });
  const { end, shown } = await runSession(directory, flags, { ...flags }, (signal) =>
    pretrain(model, source, {
      learningRate: 1e-5,
      ...loopOptions(flags),
      steps,
      batchSize,
      checkpoints: directory,
      resume: flags.resume === true,
      signal,
      ...(lora && { adapter: lora }),
      ...(validation && { validation }),
    }),
  );
  if (shown && end) process.stdout.write(`\n${lora ? 'adapter' : 'model'} saved in ${directory.path}\n`);
}

/** `{ prompt, completion }` or `{ messages: [{ role, content }] }`. @throws {DataError} naming the line */
function instructionExamples(model: GPT, rows: readonly object[]): TrainingExample[] {
  const tokenizer = model.tokenizer!;
  return rows.map((row, index) => {
    const { prompt, completion, messages } = row as Record<string, unknown>;
    if (typeof prompt === 'string' && typeof completion === 'string')
      return completionExample(tokenizer, prompt, completion);
    const turns = Array.isArray(messages) ? (messages as { role?: unknown; content?: unknown }[]) : [];
    if (
      turns.length > 0 &&
      turns.every(({ role, content }) => typeof role === 'string' && typeof content === 'string')
    )
      return chatExample(tokenizer, turns as { role: string; content: string }[]);
    throw new DataError(
      `Example ${index} is neither { "prompt", "completion" } nor { "messages": [{ "role", "content" }] }: write one of these forms.`,
    );
  });
}

function loopOptions(flags: Flags) {
  const { steps, batchSize, microBatchSize, learningRate, warmup, weightDecay, seed } = flags;
  const { validateEvery, checkpointEvery, patience } = flags;
  return defined({
    steps,
    batchSize,
    microBatchSize,
    learningRate,
    warmup,
    weightDecay,
    seed,
    validateEvery,
    checkpointEvery,
    patience,
  });
}

async function readRows(paths: readonly string[]): Promise<object[]> {
  const rows: object[] = [];
  for (const path of paths)
    for (const [, row] of parseJsonl(await readFile(path, 'utf8'), path)) rows.push(row);
  if (rows.length === 0)
    throw new DataError(`${paths.join(', ')} holds no examples: give at least one line.`);
  return rows;
}

function labelsOf(examples: readonly TaskExample[]): string[] {
  return [...new Set(examples.map(({ label }) => String(label)))].sort();
}
