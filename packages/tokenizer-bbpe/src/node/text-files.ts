import { createReadStream } from 'node:fs';
import { TokenizerFileError } from '@gpt-lineage/tokenizer-bpe';
import { windowEnd } from '../windows.js';

/** About this many UTF-16 units at a time. */
const PART = 1 << 20;

/**
 * A text file (UTF-8) in parts that every built-in pattern splits as it would split the whole file.
 *
 * @throws {TokenizerFileError}
 */
export async function* partsOfFile(path: string): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: PART })) {
      rest += chunk as string;
      if (rest.length < PART) continue;
      // A cut in the second half of what was read, or none: then the part grows.
      const end = windowEnd(rest, 0, rest.length - 1024);
      if (end === rest.length) continue;
      yield rest.slice(0, end);
      rest = rest.slice(end);
    }
  } catch (cause) {
    throw new TokenizerFileError(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  if (rest !== '') yield rest;
}
