#!/usr/bin/env node
// The reliability suite: `node main.mjs` (10,000 hostile inputs for each reader, 200 kills for each writer), or with
// `--short` what runs with the tests.
import { Command } from 'commander';
import { fuzz } from './fuzz.mjs';
import { killWriters } from './kills.mjs';

const options = new Command()
  .option('--short', 'a few of each')
  .option('--inputs <count>', 'hostile inputs per reader', Number)
  .option('--kills <count>', 'kills per writer', Number)
  .option('--seed <number>', 'seed of the inputs', Number, 1)
  .option('--only <name>', 'readers and writers whose name contains this')
  .parse()
  .opts();
const inputs = options.inputs ?? (options.short ? 200 : 10_000);
const kills = options.kills ?? (options.short ? 2 : 200);

let broken = 0;
for (const { name, inputs: count, failures } of await fuzz({
  runs: inputs,
  seed: options.seed,
  only: options.only,
})) {
  console.log(`${failures.length === 0 ? '✓' : '✗'} reader ${name}: ${count} hostile inputs`);
  for (const { count: times, failure } of failures) console.log(`  ${times} times: ${failure}`);
  broken += failures.length;
}
for (const { name, kills: count, failures } of await killWriters({
  kills,
  seed: options.seed,
  only: options.only,
})) {
  console.log(`${failures.length === 0 ? '✓' : '✗'} writer ${name}: ${count}`);
  for (const failure of failures.slice(0, 5)) console.log(`  ${failure}`);
  broken += failures.length;
}
console.log(broken === 0 ? 'nothing lost, nothing hung, no crash without a typed error' : `${broken} faults`);
process.exit(broken === 0 ? 0 : 1);
