import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { InvalidArgumentError } from '../errors.js';
import { loadModel, type ModelFlags, numberFlag } from './load-model.js';

interface Flags extends ModelFlags {
  prompt: string;
  completion?: string[];
  file?: string;
  stride?: number;
  json?: boolean;
}

/** `gpt score DIR`: log-likelihood of completions, or perplexity of a text. */
export function registerScore(program: Command): void {
  program
    .command('score')
    .description('Log-likelihood of completions given a prompt, or perplexity of a text file.')
    .argument('<directory>', 'checkpoint folder')
    .option('-p, --prompt <text>', 'what the completions follow', '')
    .option('-c, --completion <text...>', 'texts to score')
    .option('-f, --file <path>', 'text file: perplexity and bits per byte of the whole')
    .option('--stride <n>', 'tokens that each window predicts (default: the whole window)', numberFlag)
    .option('--layer-pattern <pattern...>', 'attention of the layers, for checkpoints that cannot say')
    .option('--backend <name>', 'TensorFlow.js backend')
    .option('--json', 'print the result as JSON')
    .action(async (directory: string, flags: Flags) => {
      if ((flags.completion === undefined) === (flags.file === undefined)) {
        throw new InvalidArgumentError(
          '--completion',
          flags.completion,
          'give either --completion or --file',
        );
      }
      const model = await loadModel(directory, flags);
      try {
        const print = (value: object, text: string) =>
          process.stdout.write(flags.json ? `${JSON.stringify(value, null, 2)}\n` : text);
        if (flags.file !== undefined) {
          const text = await readFile(flags.file, 'utf8');
          const options = flags.stride === undefined ? {} : { stride: flags.stride };
          const { logLikelihood, tokenLogProbs } = await model.rollingLogLikelihood(text, options);
          const tokens = tokenLogProbs.length;
          const bytes = new TextEncoder().encode(text).length;
          const perplexity = Math.exp(-logLikelihood / tokens);
          const bitsPerByte = -logLikelihood / Math.LN2 / bytes;
          print(
            { logLikelihood, tokens, bytes, perplexity, bitsPerByte },
            `${tokens} tokens, ${bytes} bytes: perplexity ${perplexity.toFixed(3)}, ` +
              `${bitsPerByte.toFixed(4)} bits per byte\n`,
          );
          return;
        }
        const completions = flags.completion!;
        const [scores] = await model.score([flags.prompt], [completions]);
        const rows = completions.map((completion, i) => ({ completion, ...scores![i]! }));
        const lines = rows.map(
          ({ completion, logLikelihood, isGreedy }) =>
            `${logLikelihood.toFixed(4).padStart(12)}  ${isGreedy ? 'greedy' : '      '}  ${JSON.stringify(completion)}`,
        );
        print(rows, `${lines.join('\n')}\n`);
      } finally {
        model.dispose();
      }
    });
}
