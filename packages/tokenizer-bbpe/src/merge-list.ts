import { InvalidVocabularyError } from '@gpt-lineage/tokenizer-bpe';
import { bytesOfCharacters } from './byte-alphabet.js';
import { SLACK } from './token-table.js';
import type { Vocabulary } from './vocabulary.js';

const ID_LIMIT = 1 << 20;

/**
 * A vocabulary from `vocab.json` and `merges.txt` in byte characters, the form of GPT-2, Hugging Face and CLIP.
 *
 * @param vocab token in byte characters → id; tokens of `ignore` are left out (special tokens live elsewhere)
 * @param merges pairs of tokens, the first merges first
 * @param endOfWord `</w>` where the vocabulary marks the ends of words, else nothing
 * @throws {InvalidVocabularyError} an id that is no whole number or given twice, a character that stands for no
 *   byte, a missing single byte, a merge of or into a token that does not exist
 */
export function vocabularyFromMerges(
  vocab: Readonly<Record<string, number>>,
  merges: readonly (readonly [string, string])[],
  endOfWord = '',
  ignore: ReadonlySet<string> = new Set(),
): Vocabulary {
  const ids = new Map<string, number>();
  const tokens: (Uint8Array | undefined)[] = [];
  const byteIds = new Int32Array(256).fill(-1);
  const byteEndIds = endOfWord === '' ? undefined : new Int32Array(256).fill(-1);
  let byteCount = 0;
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isInteger(id) || id < 0 || id >= ID_LIMIT) {
      throw new InvalidVocabularyError(
        `vocab: ${shown(token)} has the id ${String(id)}, expected a whole number below ${ID_LIMIT}`,
      );
    }
    if (ignore.has(token)) continue;
    if (tokens[id] !== undefined) throw new InvalidVocabularyError(`vocab: two tokens have the id ${id}`);
    const ends = endOfWord !== '' && token.endsWith(endOfWord);
    const bytes = bytesOfCharacters(ends ? `${token.slice(0, -endOfWord.length)}` : token);
    if (bytes === undefined || bytes.length === 0) {
      throw new InvalidVocabularyError(`vocab: ${shown(token)} is not written in byte characters`);
    }
    ids.set(token, id);
    if (bytes.length === 1) (ends ? byteEndIds! : byteIds)[bytes[0]!] = id;
    tokens[id] = ends ? withSpace(bytes) : bytes;
    byteCount += tokens[id].length;
  }
  for (const table of [byteIds, byteEndIds]) {
    const missing = table?.findIndex((id) => id < 0) ?? -1;
    if (missing >= 0) {
      throw new InvalidVocabularyError(
        `vocab: byte ${missing}${table === byteEndIds ? ` with ${endOfWord}` : ''} is missing, all 256 are needed`,
      );
    }
  }
  const size = tokens.length;
  const bytes = new Uint8Array(byteCount + SLACK);
  const offsets = new Int32Array(size + 1);
  for (let id = 0; id < size; id++) {
    const token = tokens[id];
    offsets[id + 1] = offsets[id]! + (token?.length ?? 0);
    if (token !== undefined) bytes.set(token, offsets[id]!);
  }
  const lefts = new Int32Array(merges.length);
  const rights = new Int32Array(merges.length);
  const results = new Int32Array(merges.length);
  merges.forEach(([left, right], rank) => {
    const idOf = (token: string) => {
      const id = ids.get(token);
      if (id !== undefined) return id;
      throw new InvalidVocabularyError(`merges: ${shown(token)} of merge ${rank} is not in the vocabulary`);
    };
    lefts[rank] = idOf(left);
    rights[rank] = idOf(right);
    results[rank] = idOf(left + right);
  });
  return { bytes, offsets, byteIds, byteEndIds, lefts, rights, results };
}

/** `</w>` reads as a space. */
function withSpace(bytes: Uint8Array): Uint8Array {
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  longer[bytes.length] = 0x20;
  return longer;
}

function shown(token: string): string {
  return JSON.stringify(token.length > 40 ? `${token.slice(0, 40)}…` : token);
}
