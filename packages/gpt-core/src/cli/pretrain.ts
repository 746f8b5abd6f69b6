import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type GPTConfigInput, parseConfig } from '../config/config.js';
import { describe } from '../config/describe.js';
import { presets } from '../config/presets.js';
import { formatBytes, formatCount, formatDuration, formatQuantity } from '../metrics/format.js';
import { GPT } from '../model/gpt.js';
import { RunDirectory } from '../node/run-directory.js';
import type { SavedTraining } from '../training/checkpoint-store.js';
import { pretrain } from '../training/pretrain.js';
import type { PretrainOptions } from '../training/pretrain-options.js';
import { UsageError } from './errors.js';
import { anyNumber, defined, wholeNumber } from './flags.js';
import { loadData } from './load-data.js';
import {
  mergeRunConfigs,
  parseRunConfig,
  type RunConfig,
  readRunConfig,
  recipeConfig,
} from './run-config.js';
import { startingModel } from './starting-model.js';
import { initialise, joinWorkers, refuseTaken, runSession, type SessionFlags } from './training-session.js';

interface Flags extends SessionFlags {
  text?: string[];
  data?: string[];
  field?: string;
  shards?: string;
  tokenizer?: string;
  config?: string;
  recipe?: string;
  preset?: string;
  from?: string;
  dryRun?: boolean;
  sample?: boolean;
  sampleEvery?: number;
  samplePrompt?: string;
  sampleTokens?: number;
  [name: string]: unknown;
}

/** Flags that set a field of the config: flag, value kind, section, field, help. */
const SETTINGS: readonly (readonly [
  string,
  'int' | 'number',
  'model' | 'data' | 'training',
  string,
  string,
])[] = [
  ['n-layer', 'int', 'model', 'nLayer', 'blocks'],
  ['n-head', 'int', 'model', 'nHead', 'attention heads'],
  ['n-embd', 'int', 'model', 'nEmbd', 'width'],
  ['context-length', 'int', 'model', 'contextLength', 'tokens per row'],
  ['steps', 'int', 'training', 'steps', 'optimizer steps'],
  ['batch-size', 'int', 'training', 'batchSize', 'rows per step'],
  ['micro-batch-size', 'int', 'training', 'microBatchSize', 'rows at once; the rest is accumulated'],
  ['learning-rate', 'number', 'training', 'learningRate', 'highest learning rate'],
  ['min-learning-rate', 'number', 'training', 'minLearningRate', 'rate at the end'],
  ['warmup', 'number', 'training', 'warmup', 'steps of linear warm-up'],
  ['decay', 'number', 'training', 'decay', 'step at which the decay ends'],
  ['weight-decay', 'number', 'training', 'weightDecay', 'decoupled weight decay'],
  ['clip-norm', 'number', 'training', 'clipNorm', 'largest gradient norm'],
  ['ema-decay', 'number', 'training', 'emaDecay', 'average the weights'],
  ['seed', 'int', 'training', 'seed', 'seed of weights, batches and dropout'],
  ['space-runs', 'int', 'data', 'spaceRuns', 'tokens for runs of up to so many spaces, for code'],
  ['validation-fraction', 'number', 'data', 'validationFraction', 'share of the text that is held out'],
  ['validate-every', 'int', 'training', 'validateEvery', 'steps between validations'],
  ['validation-batches', 'int', 'training', 'validationBatches', 'batches per validation (default all)'],
  ['patience', 'int', 'training', 'patience', 'stop after so many validations without progress'],
  ['checkpoint-every', 'int', 'training', 'checkpointEvery', 'steps between checkpoints'],
  ['keep-last', 'int', 'training', 'keepLast', 'checkpoints kept besides the best'],
];

/** Adds `gpt pretrain`. */
export function registerPretrain(program: Command): void {
  const command = program
    .command('pretrain')
    .description('Train a GPT from scratch on text, or go on with a run.')
    .option('--text <file...>', 'plain text to train on')
    .option('--data <file...>', 'JSONL to train on, one document a line')
    .option('--shards <folder>', 'token shards to train on, as gpt-corpus writes them')
    .option('--field <name>', 'field of the JSONL that holds the text (default "text")')
    .option('--tokenizer <name>', 'char, byte, or the path of a tokenizer.json')
    .option('--out <folder>', 'folder of the run')
    .option('--config <file>', 'YAML or JSON with the settings; flags win over it')
    .option('--recipe <name>', 'published settings, e.g. shakespeare-cpu, gpt2, gpt3-125m')
    .option('--preset <name>', 'published model size')
    .option('--from <folder>', 'go on from the weights and tokenizer of this checkpoint, on other data')
    .option('--resume', 'go on with the run in --out')
    .option('--overwrite', 'delete what --out holds and start anew')
    .option('--dry-run', 'print shapes, memory, arithmetic and time, and train nothing')
    .option('--jsonl <file>', 'write every event as JSON; - for standard output (default OUT/metrics.jsonl)')
    .option('--tensorboard', 'write TensorBoard event files to OUT/tensorboard')
    .option('--quiet', 'print nothing but errors')
    .option('--no-sample', 'print no sample at the end')
    .option('--sample-prompt <text>', 'what the sample continues')
    .option('--sample-tokens <n>', 'length of the sample', wholeNumber, 200)
    .option('--sample-every <n>', 'steps between samples', wholeNumber)
    .option('--workers <addresses>', 'data-parallel: host:port of every worker, separated by commas')
    .option('--worker-index <n>', 'which of them this process is; 0 keeps the run', wholeNumber)
    .option('--backend <name>', 'tensorflow, webgpu, wasm or cpu (default: the fastest that works)')
    .addOption(
      new Option('--schedule <shape>', 'learning-rate schedule').choices([
        'cosine',
        'linear',
        'constant',
        'wsd',
      ]),
    );
  for (const [flag, kind, , , help] of SETTINGS)
    command.option(`--${flag} <n>`, help, kind === 'int' ? wholeNumber : anyNumber);
  command.option('--verbose', 'show stack traces');
  command.action((flags: Flags) => runPretrain(flags));
}

async function runPretrain(flags: Flags): Promise<void> {
  const fromFlags = configOfFlags(flags);
  const fromFile = flags.config === undefined ? {} : await readRunConfig(flags.config);
  const out = flags.out ?? fromFile.out;
  if (out === undefined && !flags.dryRun) throw new UsageError('Say where the run goes: --out FOLDER.');
  const run = out === undefined ? undefined : new RunDirectory(out);
  const resuming = flags.resume === true && run !== undefined;
  const given = mergeRunConfigs(fromFile, fromFlags);
  const config = resuming ? mergeRunConfigs(await storedConfig(run), given) : withRecipe(given);
  const saved = resuming ? await run.latest() : undefined;
  if (run && !flags.dryRun) await refuseTaken(run, flags);

  const training = config.training ?? {};
  const seed = training.seed ?? 1337;
  if (config.model?.from !== undefined) await initialise(flags);
  using base = await startingModel(config, saved);
  const contextLength =
    config.data?.contextLength ??
    numberField(config.model, 'contextLength') ??
    base?.config.contextLength ??
    presetOf(config)?.contextLength ??
    256;
  const knownTokenizer = base?.tokenizer ?? (saved && (await tokenizerOf(saved)));
  const data = await loadData(config.data ?? {}, {
    contextLength,
    seed,
    ...(knownTokenizer && { tokenizer: knownTokenizer }),
  });
  const modelConfig =
    base?.config ?? modelConfigOf(config, contextLength, data.tokenizer.vocabSize, data.tokenizer.eosTokenId);
  const { keepLast, ...loopSettings } = training;
  if (flags.dryRun) {
    await initialise(flags);
    return dryRun(modelConfig, loopSettings, contextLength);
  }
  const directory = new RunDirectory(run!.path, keepLast === undefined ? {} : { keepLast });
  const compute = await initialise(flags);
  const cluster = joinWorkers(flags);
  const model = base ?? GPT.create(modelConfig, { seed, tokenizer: data.tokenizer });
  try {
    if (!flags.quiet && flags.jsonl !== '-')
      process.stdout.write(`backend ${compute.backend} (${compute.library} ${compute.version})\n`);
    const sampling = flags.sampleEvery !== undefined && {
      sampleEvery: flags.sampleEvery,
      sample: () => sampleText(model, flags, seed),
    };
    const { end, shown } = await runSession(directory, flags, { ...config, out: undefined }, (signal) =>
      pretrain(
        model,
        data.train,
        defined({
          ...loopSettings,
          ...sampling,
          seed,
          signal,
          validation: data.validation,
          checkpoints: directory,
          resume: resuming,
          cluster,
        }) as PretrainOptions,
      ),
    );
    if (!shown || !end) return;
    if (end.reason === 'aborted')
      return void process.stdout.write(
        `\nstopped; go on with: gpt pretrain --resume --out ${directory.path}\n`,
      );
    if (flags.sample !== false) process.stdout.write(`\nsample\n${await sampleText(model, flags, seed)}\n`);
    process.stdout.write(`\nmodel saved in ${directory.path}\n`);
  } finally {
    model.dispose();
  }
}

async function sampleText(model: GPT, flags: Flags, seed: number): Promise<string> {
  const prompt = flags.samplePrompt ?? '\n';
  const { text } = await model.generate(prompt, {
    maxTokens: flags.sampleTokens ?? 200,
    temperature: 0.8,
    topK: 40,
    seed,
  });
  return flags.samplePrompt === undefined ? text : `${prompt}${text}`;
}

/** What a run would cost, without running it. */
async function dryRun(
  modelConfig: GPTConfigInput,
  training: NonNullable<RunConfig['training']>,
  contextLength: number,
): Promise<void> {
  const { MachineRate } = await import('../training/throughput.js');
  const cost = describe(modelConfig);
  const { batchSize = 12, microBatchSize = batchSize, steps } = training;
  const tokensPerStep = batchSize * contextLength;
  const tokens = training.tokens ?? (steps === undefined ? undefined : steps * tokensPerStep);
  const { nLayer, nHead, nEmbd, vocabSize } = cost.config;
  const rate = await MachineRate.measure();
  const lines: [string, string][] = [
    [
      'model',
      `${nLayer} layers, ${nHead} heads, ${nEmbd} wide, context ${cost.config.contextLength}, vocabulary ${vocabSize}`,
    ],
    ['parameters', `${formatCount(cost.parameters)} (${cost.parameters})`],
    ['weights, gradients, moments', formatBytes(cost.trainStateBytes)],
    [
      'batch',
      `[${batchSize}, ${contextLength}] tokens in micro-batches of [${microBatchSize}, ${contextLength}]`,
    ],
    ['logits of a micro-batch', formatBytes(4 * microBatchSize * contextLength * vocabSize)],
    ['arithmetic per step', formatQuantity(cost.trainingFlopsPerToken * tokensPerStep, 'FLOP')],
    ['this machine', `${formatQuantity(rate.flopsPerSecond, 'FLOP/s')} in matrix products`],
  ];
  if (tokens !== undefined) {
    const seconds = (cost.trainingFlopsPerToken * tokens) / rate.flopsPerSecond;
    lines.push(['tokens', formatCount(tokens)]);
    lines.push(['least time on this machine', formatDuration(seconds * 1000)]);
  }
  const width = Math.max(...lines.map(([name]) => name.length));
  for (const [name, value] of lines) process.stdout.write(`${name.padEnd(width)}  ${value}\n`);
}

/** Settings given on the command line. */
function configOfFlags(flags: Flags): RunConfig {
  const sections: Record<'model' | 'data' | 'training', Record<string, unknown>> = {
    model: {
      ...(flags.preset !== undefined && { preset: flags.preset }),
      ...(flags.from !== undefined && { from: flags.from }),
    },
    data: {
      ...(flags.text && { text: flags.text }),
      ...(flags.data && { jsonl: flags.data }),
      ...(flags.field !== undefined && { field: flags.field }),
      ...(flags.shards !== undefined && { shards: flags.shards }),
      ...(flags.tokenizer !== undefined && { tokenizer: flags.tokenizer }),
    },
    training: {
      ...(flags.schedule !== undefined && { schedule: flags.schedule }),
    },
  };
  for (const [flag, , section, field] of SETTINGS) {
    const value = flags[flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (value !== undefined) sections[section][field] = value;
  }
  return parseRunConfig(
    { ...sections, ...(flags.recipe !== undefined && { recipe: flags.recipe }) },
    'flags',
  );
}

function withRecipe(config: RunConfig): RunConfig {
  return config.recipe === undefined ? config : mergeRunConfigs(recipeConfig(config.recipe), config);
}

async function storedConfig(run: RunDirectory): Promise<RunConfig> {
  const path = run.settingsFile;
  const content = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`${run.path} holds no run to resume: check --out, or start one without --resume.`);
  });
  try {
    return parseRunConfig(JSON.parse(content), path);
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new UsageError(`${path} is damaged: start a new run.`, { cause });
    throw cause;
  }
}

async function tokenizerOf(saved: SavedTraining) {
  const { tokenizerFromJSON } = await import('../tokenization/load-tokenizer.js');
  const content = await readFile(join(saved.path, 'tokenizer.json'), 'utf8').catch(() => undefined);
  return content === undefined ? undefined : tokenizerFromJSON(JSON.parse(content));
}

function presetOf(config: RunConfig) {
  const name = config.model?.preset;
  if (name === undefined) return undefined;
  if (!Object.hasOwn(presets, name))
    throw new UsageError(`There is no preset "${name}": choose one of ${Object.keys(presets).join(', ')}.`);
  return presets[name as keyof typeof presets];
}

function modelConfigOf(
  config: RunConfig,
  contextLength: number,
  vocabSize: number,
  eosTokenId: number | null,
): GPTConfigInput {
  const preset = presetOf(config);
  const { preset: _, ...fields } = config.model ?? {};
  const sizes = preset ? {} : { nLayer: 4, nHead: 4, nEmbd: 128 };
  const ids = { bosTokenId: eosTokenId, eosTokenId, padTokenId: null };
  return parseConfig({ ...sizes, ...preset, ...fields, ...ids, vocabSize, contextLength } as GPTConfigInput);
}

function numberField(
  section: Readonly<Record<string, unknown>> | undefined,
  field: string,
): number | undefined {
  const value = section?.[field];
  return typeof value === 'number' ? value : undefined;
}
