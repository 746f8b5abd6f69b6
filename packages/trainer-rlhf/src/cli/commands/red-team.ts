import { join } from 'node:path';
import { localLanguageModel } from '@gpt-lineage/gpt-core';
import { writeFileAtomic } from '@gpt-lineage/gpt-core/node';
import type { Command } from 'commander';
import { attackWrappers } from '../../safety/attack-wrappers.js';
import { compareRedTeam, redTeamMarkdown } from '../../safety/compare-red-team.js';
import { type RedTeamPrompt, type RedTeamReport, redTeam } from '../../safety/red-team.js';
import { addFlags, type ConfigOf, readConfig, type SessionFlags } from '../config.js';
import { defined, readPrompts } from '../records.js';
import { initialise, loadModel } from '../session.js';

/** Adds `gpt-rlhf redteam`. */
export function registerRedTeam(program: Command): void {
  const command = program
    .command('redteam')
    .description(
      'Attack a model and report what gets through and what is refused needlessly; JSONL of { prompt, category? }.',
    );
  addFlags(command, 'redteam', false).action(async (flags: SessionFlags) => {
    const config = await readConfig('redteam', { ...flags });
    const attacks = await requests(config.attacks);
    const benign = config.benign ? await requests(config.benign) : [];
    await initialise(flags);
    const stop = new AbortController();
    const interrupt = () => stop.abort();
    process.once('SIGINT', interrupt);
    try {
      const before =
        config.before === undefined
          ? undefined
          : await attack(config.before, config, attacks, benign, stop.signal);
      const after = await attack(config.model, config, attacks, benign, stop.signal);
      const comparison = before && compareRedTeam(before, after);
      const report = { model: config.model, ...after, ...(before ? { before, comparison } : {}) };
      const markdown = redTeamMarkdown(after, before);
      if (config.out !== undefined) {
        await writeFileAtomic(join(config.out, 'red-team.json'), `${JSON.stringify(report, null, 2)}\n`);
        await writeFileAtomic(join(config.out, 'red-team.md'), markdown);
      }
      if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else if (!flags.quiet) process.stdout.write(markdown);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      process.exitCode = 130;
    } finally {
      process.off('SIGINT', interrupt);
    }
  });
}

async function requests(paths: readonly string[]): Promise<RedTeamPrompt[]> {
  return (await readPrompts(paths)).map(({ prompt, record }) => ({
    prompt,
    ...(typeof record?.category === 'string' ? { category: record.category } : {}),
  }));
}

async function attack(
  directory: string,
  config: ConfigOf<'redteam'>,
  attacks: readonly RedTeamPrompt[],
  benign: readonly RedTeamPrompt[],
  signal: AbortSignal,
): Promise<RedTeamReport> {
  using model = await loadModel(directory);
  const { template = '\n\nHuman: {request}\n\nAssistant:', wrappers } = config;
  // Awaited here: the model is disposed when this function returns.
  return await redTeam(localLanguageModel(model, { name: directory }), {
    attacks,
    benign,
    format: (request) => template.replaceAll('{request}', () => request),
    stop: ['\n\nHuman:'],
    signal,
    ...(wrappers ? { wrappers: attackWrappers } : {}),
    ...defined({
      samples: config.samples,
      maxTokens: config.maxTokens,
      temperature: config.temperature,
      seed: config.seed,
    }),
  });
}
