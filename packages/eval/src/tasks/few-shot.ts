import { TaskError } from '../errors.js';
import { PythonRandom } from './python-random.js';
import type { Doc, TaskDefinition } from './task.js';

/** Gives every item its examples, in the order in which items are evaluated. */
export interface FewShotSampler {
  examples(item: Doc): Doc[];
}

const same = (a: Doc, b: Doc) => a === b || JSON.stringify(a) === JSON.stringify(b);

/**
 * @param pool records the examples come from
 * @param leaveOut whether the items may be in the pool themselves: an item is never its own example
 * @param seed of the task's stream; lm-evaluation-harness uses 1234
 */
export function fewShotSampler(
  task: TaskDefinition,
  pool: readonly Doc[],
  shots: number,
  { leaveOut, seed }: { leaveOut: boolean; seed: number },
): FewShotSampler {
  if (shots === 0) return { examples: () => [] };
  const needed = shots + (leaveOut ? 1 : 0);
  if (pool.length < needed) {
    throw new TaskError(
      task.name,
      `${shots} shots need ${needed} example records, the data has ${pool.length}`,
    );
  }
  if (task.fewShot?.sampler === 'first') {
    return {
      examples: (item) => (leaveOut ? pool.filter((doc) => !same(doc, item)) : pool).slice(0, shots),
    };
  }
  const random = new PythonRandom(seed);
  return {
    examples(item) {
      if (!leaveOut) return random.sample(pool, shots);
      // One more than needed is drawn, so that the item itself can be left out.
      const drawn = random.sample(pool, shots + 1).filter((doc) => !same(doc, item));
      if (drawn.length >= shots) return drawn.slice(0, shots);
      return random.sample(
        pool.filter((doc) => !same(doc, item)),
        shots,
      );
    },
  };
}
