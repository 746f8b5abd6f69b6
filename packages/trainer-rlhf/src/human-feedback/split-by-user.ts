import { TrainerDataError } from '../errors.js';
import { seededRandom } from '../trainers/seeded-order.js';

export interface SplitOptions {
  /** Shares of the users that go to validation and test. Default 0.1 and 0. */
  readonly validation?: number;
  readonly test?: number;
  /** Most records kept of one user, the first ones. InstructGPT: 200 (default). */
  readonly mostPerUser?: number;
  /** Of a group of prompts that share this many first characters one is kept; 0 keeps all. Default 0. */
  readonly sharedPrefix?: number;
  readonly seed?: number;
}

export interface Split<Item> {
  readonly training: readonly Item[];
  readonly validation: readonly Item[];
  readonly test: readonly Item[];
  /** Left out because their user had too many, or because they repeat another prompt's beginning. */
  readonly dropped: { readonly tooManyOfUser: number; readonly sharedPrefix: number };
}

/**
 * Training, validation and test parts in which no user occurs twice (InstructGPT, appendix A.2), so that a held-out score
 * does not profit from a user's habits. A user's part depends on their name and the seed alone: records that are added
 * later never move others between the parts. Records without a user each count as a user of their own, by prompt.
 *
 * @throws {TrainerDataError} for shares outside of 0 … 1
 */
export function splitByUser<Item extends { readonly prompt: string; readonly user?: string | undefined }>(
  items: readonly Item[],
  { validation = 0.1, test = 0, mostPerUser = 200, sharedPrefix = 0, seed = 0 }: SplitOptions = {},
): Split<Item> {
  if (!(validation >= 0 && test >= 0 && validation + test < 1)) {
    throw new TrainerDataError(
      'validation + test',
      validation + test,
      'give shares that leave something to train on',
    );
  }
  const parts = { training: [] as Item[], validation: [] as Item[], test: [] as Item[] };
  const ofUser = new Map<string, number>();
  const prefixes = new Set<string>();
  let [tooMany, shared] = [0, 0];
  for (const item of items) {
    const user = item.user === undefined ? `prompt ${item.prompt}` : `user ${item.user}`;
    const prefix = item.prompt.slice(0, sharedPrefix);
    if (sharedPrefix > 0 && item.prompt.length >= sharedPrefix && prefixes.has(prefix)) {
      shared += 1;
      continue;
    }
    const count = (ofUser.get(user) ?? 0) + 1;
    if (count > mostPerUser) {
      tooMany += 1;
      continue;
    }
    ofUser.set(user, count);
    prefixes.add(prefix);
    const place = seededRandom(seed, ...Array.from(user, (letter) => letter.codePointAt(0)!))();
    const part = place < test ? 'test' : place < test + validation ? 'validation' : 'training';
    parts[part].push(item);
  }
  return { ...parts, dropped: { tooManyOfUser: tooMany, sharedPrefix: shared } };
}
