import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parseJsonl } from '@gpt-lineage/gpt-core';

export interface Sum {
  readonly a: number;
  readonly b: number;
}

/** The prompt of GPT-3's synthetic arithmetic sets (Brown et al. 2020, §3.9.1). */
export const promptOf = ({ a, b }: Sum): string => `\n\nQ: What is ${a} plus ${b}?\n\nA:`;

/** Column addition from the right, carries written out: ` 8+5=13 9+4+1=14 so 143`; the end token is the full stop. */
export function workedAnswer({ a, b }: Sum): string {
  const [left, right] = [a, b].map((number) => [...String(number)].reverse().map(Number)) as [
    number[],
    number[],
  ];
  let carry = 0;
  const columns: string[] = [];
  for (let place = 0; place < Math.max(left.length, right.length); place++) {
    const terms = [left[place] ?? 0, right[place] ?? 0, ...(carry > 0 ? [carry] : [])];
    const total = terms.reduce((sum, term) => sum + term, 0);
    columns.push(`${terms.join('+')}=${total}`);
    carry = Math.floor(total / 10);
  }
  return ` ${columns.join(' ')} so ${a + b}`;
}

/** A demonstration that shows its work, or gives only the answer. */
export const demonstrationOf = (sum: Sum, worked: boolean) => ({
  prompt: promptOf(sum),
  completion: worked ? workedAnswer(sum) : ` ${sum.a + sum.b}`,
});

const folder = new URL('../data/', import.meta.url);

/** The public sets, read once. */
export function heldOut(name: 'two_digit_addition' | 'three_digit_addition'): Sum[] {
  const text = gunzipSync(readFileSync(new URL(`${name}.jsonl.gz`, folder))).toString('utf8');
  return [...parseJsonl(text, name)].map(([, row]) => {
    const { context } = row as { context: string };
    const [a, b] = context.match(/\d+/gu)!.map(Number);
    return { a: a!, b: b! };
  });
}

/** Every sum of up to `digits` digits that is not taken, in either order; shuffled. */
export function freeSums(digits: number, random: () => number, taken: ReadonlySet<string>): Sum[] {
  const below = 10 ** digits;
  const list: Sum[] = [];
  for (let a = 0; a < below; a++) {
    for (let b = 0; b < below; b++) if (!taken.has(keyOf({ a, b }))) list.push({ a, b });
  }
  for (let last = list.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [list[last], list[other]] = [list[other]!, list[last]!];
  }
  return list;
}

/** The same for `a plus b` and `b plus a`. */
export const keyOf = ({ a, b }: Sum): string => `${Math.min(a, b)}+${Math.max(a, b)}`;
