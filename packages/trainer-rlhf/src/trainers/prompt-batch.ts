import type { GPT } from '@gpt-lineage/gpt-core';
import { TrainerDataError } from '../errors.js';
import type { CompletionColumns } from '../rollouts/completion-columns.js';
import type { RolloutPrompt } from '../rollouts/rollout.js';
import { seededOrder } from './seeded-order.js';

/** The prompts of an iteration: the set is passed over again and again, each time in an order of its own. */
export function promptBatch<T>(prompts: readonly T[], size: number, iteration: number, seed: number): T[] {
  const orders = new Map<number, Uint32Array>();
  return Array.from({ length: size }, (_, index) => {
    const place = iteration * size + index;
    const epoch = Math.floor(place / prompts.length);
    const order = orders.get(epoch) ?? seededOrder(prompts.length, seed, epoch);
    orders.set(epoch, order);
    return prompts[order[place % prompts.length]!]!;
  });
}

/** Rows of episodes: as long as the longest prompt that leaves room, and what may follow it; completions may begin after the shortest. */
export function columnsFor(
  policy: GPT,
  prompts: readonly RolloutPrompt[],
  maxTokens: number,
): CompletionColumns {
  const { contextLength } = policy.config;
  const lengths = prompts
    .map(({ prompt }) => policy.encode(prompt).length)
    .filter((length) => length + maxTokens <= contextLength);
  if (lengths.length === 0) {
    throw new TrainerDataError(
      'maxTokens',
      maxTokens,
      `shorten the prompts or the completions: no prompt leaves that much room in a context of ${contextLength}`,
    );
  }
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  const shortest = lengths.reduce((least, length) => Math.min(least, length));
  return { length: longest + maxTokens, first: Math.max(1, shortest) };
}
