import { ConfigError } from '../errors.js';
import { trainClassifier } from './stages/classifier.js';
import { cleanGroup } from './stages/clean.js';
import { scanGroup } from './stages/decontamination.js';
import { findExact, findFuzzy, findRepeatedParts, resolveDuplicates } from './stages/duplicates.js';
import { ingestGroup } from './stages/ingest.js';
import { planShards, writeShard } from './stages/shards.js';
import { tokeniseGroup } from './stages/tokenise.js';
import { readReceipt, type StageName, type Task, type TaskContext, writeReceipt } from './task.js';

type Run = (context: TaskContext, input: never) => Promise<unknown>;

const stages: Record<StageName, Run> = {
  classifier: trainClassifier,
  ingest: ingestGroup,
  exact: findExact,
  fuzzy: findFuzzy,
  resolve: resolveDuplicates,
  parts: findRepeatedParts,
  scan: scanGroup,
  clean: cleanGroup,
  tokenise: tokeniseGroup,
  plan: planShards,
  shard: writeShard,
};

/**
 * Runs one task and leaves its receipt, unless it is there already. Safe to run twice, also at the same time: both
 * write the same bytes, and files appear complete or not at all.
 */
export async function runTask(context: TaskContext, task: Task): Promise<unknown> {
  const done = readReceipt(context, task);
  if (done) return done.result;
  const run = stages[task.stage];
  if (!run) throw new ConfigError('stage', `'${task.stage}' is unknown; is this worker of another version?`);
  const result = await run(context, task.input as never);
  writeReceipt(context, task, result);
  return result;
}
