/** The longest run of numbers that one float32 sum takes. */
const longest = 512;

/**
 * Lengths of the parts in which `size` numbers are added up: the first for the numbers, the next for the sums of the first
 * parts, and so on until one is left. A single float32 sum over the 39 million elements of GPT-2's embedding is wrong in
 * its second digit. A prime factor above 512 makes a longer part.
 */
export function partsOf(size: number): number[] {
  const parts: number[] = [];
  for (let left = size; parts.length === 0 || left > 1; left /= parts.at(-1)!) {
    let part = Math.min(left, longest);
    while (part > 1 && left % part !== 0) part -= 1;
    parts.push(part > 1 ? part : left);
  }
  return parts;
}
