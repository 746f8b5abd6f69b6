import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { WeightStorage } from '../generation/decode-programs.js';
import type { JsonSchema } from '../generation/json-schema.js';
import type { GenerateOptions } from '../generation/options.js';
import { loadModel, type ModelFlags, numberFlag } from './load-model.js';

interface Flags extends ModelFlags {
  prompt?: string;
  promptFile?: string;
  maxTokens: number;
  minTokens?: number;
  temperature: number;
  topK?: number;
  topP?: number;
  minP?: number;
  typicalP?: number;
  repetitionPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  noRepeatNgramSize?: number;
  stop?: string[];
  seed: number;
  samples: number;
  bestOf?: number;
  beams?: number;
  logprobs?: number;
  jsonSchema?: string;
  weights?: WeightStorage;
  ignoreEnd?: boolean;
  json?: boolean;
}

/** `gpt generate DIR` */
export function registerGenerate(program: Command): void {
  program
    .command('generate')
    .description('Continue a text with a trained model.')
    .argument('<directory>', 'checkpoint folder (config.json, model.safetensors, tokenizer.json)')
    .option('-p, --prompt <text>', 'text to continue; "-" reads standard input')
    .option('--prompt-file <path>', 'file with the text to continue')
    .option('-n, --max-tokens <n>', 'most tokens to generate', numberFlag, 200)
    .option('--min-tokens <n>', 'no end before this many', numberFlag)
    .option('-t, --temperature <t>', '0 is greedy', numberFlag, 0.8)
    .option('-k, --top-k <k>', 'sample from the k best tokens', numberFlag)
    .option('--top-p <p>', 'sample from the most likely tokens of this mass', numberFlag)
    .option('--min-p <p>', 'drop tokens less likely than this share of the best', numberFlag)
    .option('--typical-p <p>', 'locally typical sampling', numberFlag)
    .option('--repetition-penalty <x>', 'above 1: fewer repetitions', numberFlag)
    .option('--presence-penalty <x>', 'subtracted once from generated tokens', numberFlag)
    .option('--frequency-penalty <x>', 'subtracted per occurrence', numberFlag)
    .option('--no-repeat-ngram-size <n>', 'no n-gram twice', numberFlag)
    .option('--stop <text...>', 'texts that end the generation')
    .option('-s, --seed <n>', 'of the sampling', numberFlag, 0)
    .option('--samples <n>', 'samples', numberFlag, 1)
    .option('--best-of <n>', 'generate this many, keep the likeliest', numberFlag)
    .option('--beams <n>', 'beam search', numberFlag)
    .option('--logprobs <n>', 'report so many alternatives (with --json)', numberFlag)
    .option('--json-schema <path>', 'the text is JSON that this schema accepts')
    .option('--weights <type>', 'float32, float16, int8 or int4 while decoding')
    .option('--ignore-end', 'do not stop at the end token')
    .option('--layer-pattern <pattern...>', 'attention of the layers, for checkpoints that cannot say')
    .option('--backend <name>', 'TensorFlow.js backend')
    .option('--json', 'print the result as JSON')
    .action(async (directory: string, flags: Flags) => {
      const model = await loadModel(directory, flags);
      try {
        const prompt = await promptOf(flags);
        const options = await optionsOf(flags);
        if (flags.json || flags.samples > 1 || flags.beams || flags.bestOf) {
          const { choices, promptTokenIds } = await model.generate(prompt, options);
          if (flags.json)
            process.stdout.write(`${JSON.stringify({ prompt, promptTokenIds, choices }, null, 2)}\n`);
          else for (const { text } of choices) process.stdout.write(`${prompt}${text}\n---\n`);
          return;
        }
        const abort = new AbortController();
        const interrupt = () => abort.abort();
        process.once('SIGINT', interrupt);
        process.stdout.write(prompt);
        for await (const { text } of model.stream(prompt, { ...options, signal: abort.signal })) {
          process.stdout.write(text);
        }
        process.stdout.write('\n');
        process.off('SIGINT', interrupt);
      } finally {
        model.dispose();
      }
    });
}

async function promptOf({ prompt, promptFile }: Flags): Promise<string> {
  if (promptFile !== undefined) return readFile(promptFile, 'utf8');
  if (prompt === '-') return readFileSync(0, 'utf8');
  return prompt ?? '\n';
}

async function optionsOf(flags: Flags): Promise<GenerateOptions> {
  const schema = flags.jsonSchema && (JSON.parse(await readFile(flags.jsonSchema, 'utf8')) as JsonSchema);
  const options = {
    maxTokens: flags.maxTokens,
    minTokens: flags.minTokens,
    temperature: flags.temperature,
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    typicalP: flags.typicalP,
    repetitionPenalty: flags.repetitionPenalty,
    presencePenalty: flags.presencePenalty,
    frequencyPenalty: flags.frequencyPenalty,
    noRepeatNgramSize: flags.noRepeatNgramSize,
    stop: flags.stop,
    seed: flags.seed,
    n: flags.samples,
    bestOf: flags.bestOf,
    numBeams: flags.beams,
    logprobs: flags.logprobs,
    jsonSchema: schema || undefined,
    weights: flags.weights,
    eosTokenIds: flags.ignoreEnd ? [] : undefined,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
