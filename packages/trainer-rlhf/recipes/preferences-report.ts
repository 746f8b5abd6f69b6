/**
 * The reports of the preference run in one file of rounded numbers. Of a folder that is not given, the file keeps what
 * it has.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/preferences-report.ts --reward runs/reward --plain runs/plain \
 *   --rlhf runs/rlhf
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { recipeArguments } from './arguments.js';

const args = recipeArguments();
const file = new URL(args.text('out', '../reports/preferences.json'), import.meta.url);
const read = (path: string | URL) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const before = existsSync(file) ? read(file) : {};
const part = (name: string, key: string) => {
  const folder = args.text(name, '');
  return folder ? read(`${folder}/report.json`) : before[key];
};
const report = {
  reward: part('reward', 'reward'),
  plainReward: part('plain', 'plainReward'),
  rlhf: part('rlhf', 'rlhf'),
};
const rounded = JSON.stringify(
  report,
  (_, value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value),
  2,
);
writeFileSync(file, `${rounded}\n`);
