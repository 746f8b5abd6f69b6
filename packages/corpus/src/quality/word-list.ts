/** A word list as a filter: how much of a text the listed words are. */
export interface WordListOptions {
  /** Words or phrases, compared without case. CJK phrases are found anywhere, others at word borders. */
  words: readonly string[];
  /** Share of words that may be listed before the text is dropped. Default 0.005. */
  maxShare?: number;
  /** Occurrences below which a text is kept whatever its share. Default 2. */
  minCount?: number;
}

/** Counts listed words; the hook for safety filtering with any list. */
export function wordListFilter({ words, maxShare = 0.005, minCount = 2 }: WordListOptions) {
  const escaped = words
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== '')
    .sort((a, b) => b.length - a.length)
    .map((word) => {
      const body = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+');
      return /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(word)
        ? body
        : `(?<![\\p{L}\\p{N}])${body}(?![\\p{L}\\p{N}])`;
    });
  const pattern = escaped.length === 0 ? undefined : new RegExp(escaped.join('|'), 'giu');
  return (text: string, wordCount: number): { count: number; share: number; drop: boolean } => {
    const count = pattern ? (text.match(pattern)?.length ?? 0) : 0;
    const share = wordCount === 0 ? 0 : count / wordCount;
    return { count, share, drop: count >= minCount && share > maxShare };
  };
}
