import { InvalidVocabularyError } from './errors.js';
import { MergeTable } from './merge-table.js';

/** What GPT-1 appends to the last symbol of a word. */
export const END_OF_WORD = '</w>';

export interface BPEVocabulary {
  ids: Map<string, number>;
  /** Tokens by id; holes are `undefined`. */
  tokens: (string | undefined)[];
  merges: string[];
  table: MergeTable;
}

/**
 * @throws {InvalidVocabularyError} an id that is no whole number or given twice, a malformed merge, one listed twice,
 *   or one of or into a token that does not exist
 */
export function readVocabulary(
  vocab: Readonly<Record<string, number>>,
  merges: string | readonly string[],
): BPEVocabulary {
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab)) {
    throw new InvalidVocabularyError('vocab: expected an object from token to id');
  }
  const ids = new Map<string, number>();
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isInteger(id) || id < 0 || id >= 1 << 20) {
      throw new InvalidVocabularyError(
        `vocab: ${JSON.stringify(token)} has the id ${String(id)}, expected a whole number below 2^20`,
      );
    }
    if (tokens[id] !== undefined) {
      throw new InvalidVocabularyError(
        `vocab: ${JSON.stringify(tokens[id])} and ${JSON.stringify(token)} have the same id ${id}`,
      );
    }
    ids.set(token, id);
    tokens[id] = token;
  }
  const lines = typeof merges === 'string' ? merges.split(/\r?\n/) : [...merges];
  if (lines[0]?.startsWith('#version')) lines.shift();
  while (lines[lines.length - 1] === '') lines.pop();
  const idOf = (token: string, line: number) => {
    const id = ids.get(token);
    if (id !== undefined) return id;
    throw new InvalidVocabularyError(
      `merges: ${JSON.stringify(token)} of merge ${line} is not in the vocabulary`,
    );
  };
  const lefts = new Int32Array(lines.length);
  const rights = new Int32Array(lines.length);
  const results = new Int32Array(lines.length);
  lines.forEach((line, rank) => {
    const [left, right, more] = String(line).split(' ');
    if (!left || !right || more !== undefined) {
      throw new InvalidVocabularyError(`merges: merge ${rank} is not two tokens: ${JSON.stringify(line)}`);
    }
    lefts[rank] = idOf(left, rank);
    rights[rank] = idOf(right, rank);
    results[rank] = idOf(left + right, rank);
  });
  return { ids, tokens, merges: lines, table: new MergeTable(lefts, rights, results) };
}
