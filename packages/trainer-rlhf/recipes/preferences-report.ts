/**
 * The reports of the preference run in one file of rounded numbers.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/preferences-report.ts --reward runs/reward --rlhf runs/rlhf
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { recipeArguments } from './arguments.js';

const args = recipeArguments();
const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as unknown;
const report = {
  reward: read(`${args.text('reward', 'runs/reward')}/report.json`),
  rlhf: read(`${args.text('rlhf', 'runs/rlhf')}/report.json`),
};
const rounded = JSON.stringify(
  report,
  (_, value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value),
  2,
);
const file = new URL(args.text('out', '../reports/preferences.json'), import.meta.url);
writeFileSync(file, `${rounded}\n`);
