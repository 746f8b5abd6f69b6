import { join } from 'node:path';
import type { Command } from 'commander';
import { type ReasoningFormat, SelfImprovement } from '../../trainers/self-improvement.js';
import { addFlags, readConfig, type SessionFlags } from '../config.js';
import { defined, readQuestions } from '../records.js';
import { initialise, loadModel, runSession } from '../session.js';

/** Adds `gpt-rlhf improve`. */
export function registerImprove(program: Command): void {
  const command = program
    .command('improve')
    .description(
      'Self-improvement with chain of thought; questions are JSONL of { question, answer? } (answers are for the report only).',
    );
  addFlags(command, 'improve').action(async (flags: SessionFlags) => {
    const config = await readConfig('improve', { ...flags });
    const {
      model: directory,
      out,
      questions: questionFiles,
      heldOut: heldOutFiles,
      formats: texts = ['{question}'],
    } = config;
    const { rounds, paths, temperatures, maxTokens, stop, minimumShare, keep, seed } = config;
    const sampling = { rounds, paths, temperatures, maxTokens, stop, minimumShare, keep, seed };
    const training = defined(
      config,
      ...([
        'model',
        'out',
        'questions',
        'heldOut',
        'formats',
        'rounds',
        'paths',
        'temperatures',
        'maxTokens',
      ] as const),
      ...(['stop', 'minimumShare', 'keep', 'seed'] as const),
    );
    const questions = await readQuestions(questionFiles);
    const heldOut = heldOutFiles && (await readQuestions(heldOutFiles));
    await initialise(flags);
    using model = await loadModel(directory);
    const formats = texts.map(
      (text, index): ReasoningFormat => ({
        name: `format ${index + 1}`,
        prompt: (question) => text.replaceAll('{question}', () => question),
      }),
    ) as [ReasoningFormat, ...ReasoningFormat[]];
    await runSession(config, flags, ({ signal, resume }) =>
      new SelfImprovement({
        ...defined(sampling),
        model,
        questions,
        ...(heldOut ? { heldOut } : {}),
        formats,
        training,
        directory: join(out, 'rounds'),
        resume,
        signal,
      }).run(),
    );
    if (process.exitCode !== 130) await model.save(out);
  });
}
