import { seededOrder } from './seeded-order.js';

/** The prompts of an iteration: the set is passed over again and again, each time in an order of its own. */
export function promptBatch<T>(prompts: readonly T[], size: number, iteration: number, seed: number): T[] {
  return Array.from({ length: size }, (_, index) => {
    const place = iteration * size + index;
    const order = seededOrder(prompts.length, seed, Math.floor(place / prompts.length));
    return prompts[order[place % prompts.length]!]!;
  });
}
