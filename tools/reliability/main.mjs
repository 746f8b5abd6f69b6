#!/usr/bin/env node
// The reliability suite: `node main.mjs` (10,000 hostile inputs for each reader, 200 kills for each writer), or with
// `--short` what runs with the tests. `soak.mjs` is the part that takes an hour.
import { appendFileSync } from 'node:fs';
import { initCompute } from '@gpt-lineage/compute';
import { Command } from 'commander';
import { fuzz } from './fuzz.mjs';
import { fuzzServer } from './http.mjs';
import { killWriters } from './kills.mjs';
import { injectNumbers } from './numbers.mjs';
import { contendForFolders } from './one-writer.mjs';
import { changeSurroundings } from './surroundings.mjs';

const parts = ['readers', 'http', 'writers', 'numbers', 'surroundings', 'folders'];
const options = new Command()
  .argument('[parts...]', `which of: ${parts.join(', ')} (default: all)`)
  .option('--short', 'a few of each')
  .option('--inputs <count>', 'hostile inputs per reader', Number)
  .option('--kills <count>', 'kills per writer', Number)
  .option('--seed <number>', 'seed of the inputs', Number, 1)
  .option('--only <name>', 'readers and writers whose name contains this')
  .option('--jsonl <file>', 'adds a line for each result')
  .parse();
const { short, seed, only, jsonl, ...counts } = options.opts();
const inputs = counts.inputs ?? (short ? 200 : 10_000);
const kills = counts.kills ?? (short ? 2 : 200);
const wanted = options.args.length > 0 ? options.args : parts;

let broken = 0;
/** @param what was done to it, and how often */
function report(part, { name, failures }, what) {
  console.log(`${failures.length === 0 ? '✓' : '✗'} ${part} ${name}: ${what}`);
  const lines = failures.map((each) =>
    typeof each === 'string' ? each : `${each.count} times: ${each.failure}`,
  );
  for (const line of lines.slice(0, 5)) console.log(`  ${line}`);
  broken += failures.length;
  const date = new Date().toISOString().slice(0, 10);
  if (jsonl) appendFileSync(jsonl, `${JSON.stringify({ date, part, name, what, failures: lines })}\n`);
}

const run = {
  async readers() {
    for await (const line of fuzz({ runs: inputs, seed, only }))
      report('reader', line, `${line.inputs} hostile inputs`);
  },
  async http() {
    const line = await fuzzServer({ runs: inputs, seed });
    report('server', line, `${line.inputs} hostile requests`);
  },
  async writers() {
    for await (const line of killWriters({ kills, seed, only })) report('writer', line, line.kills);
  },
  async numbers() {
    for (const line of await injectNumbers({ runs: Math.ceil(inputs / 10), seed }))
      report('numbers', line, `${line.inputs} models with NaN, infinities or overflowing weights`);
  },
  surroundings() {
    for (const line of changeSurroundings({ short }))
      report('surroundings', line, `${line.parts ?? 0} results the same to the byte`);
  },
  async folders() {
    for (const line of await contendForFolders()) report('folder', line, 'two runs at once, a kill, a run');
  },
};

await initCompute({ prefer: 'cpu' });
for (const part of wanted) {
  if (!parts.includes(part)) {
    console.error(`there is no part ${part}: ${parts.join(', ')}`);
    process.exit(2);
  }
  await run[part]();
}
console.log(broken === 0 ? 'nothing lost, nothing hung, no crash without a typed error' : `${broken} faults`);
process.exit(broken === 0 ? 0 : 1);
