import type { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import type { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';

/** The parts of a word after one merge. */
export interface MergeStep {
  readonly parts: readonly string[];
  /** Which pair is merged next, and its place in the list of merges; absent when nothing is left to merge */
  readonly next?: { readonly at: number; readonly rank: number; readonly makes: string };
}

interface Rule<T> {
  readonly rank: number;
  readonly result: T;
}

/** Byte-pair encoding of one word as its definition reads: again and again the adjacent pair that was learned first. */
function steps<T>(
  first: readonly T[],
  rule: (left: T, right: T) => Rule<T> | undefined,
  show: (part: T) => string,
): MergeStep[] {
  const out: MergeStep[] = [];
  let parts = [...first];
  for (;;) {
    let best: { at: number; found: Rule<T> } | undefined;
    for (let at = 0; at + 1 < parts.length; at++) {
      const found = rule(parts[at]!, parts[at + 1]!);
      if (found && (!best || found.rank < best.found.rank)) best = { at, found };
    }
    const shown = parts.map(show);
    if (!best) {
      out.push({ parts: shown });
      return out;
    }
    const { at, found } = best;
    out.push({ parts: shown, next: { at, rank: found.rank, makes: show(found.result) } });
    parts = [...parts.slice(0, at), found.result, ...parts.slice(at + 2)];
  }
}

const rulesOf = new WeakMap<object, Map<number, Map<number, Rule<number>>>>();

export function byteLevelMergeSteps(tokenizer: ByteLevelBPETokenizer, word: string): MergeStep[] {
  let rules = rulesOf.get(tokenizer);
  if (!rules) {
    rules = new Map();
    const { lefts, rights, results } = tokenizer.definition.vocabulary;
    for (let rank = 0; rank < lefts.length; rank++) {
      const byRight = rules.get(lefts[rank]!) ?? new Map<number, Rule<number>>();
      rules.set(lefts[rank]!, byRight);
      byRight.set(rights[rank]!, { rank, result: results[rank]! });
    }
    rulesOf.set(tokenizer, rules);
  }
  const known = rules;
  const { bytes, offsets } = tokenizer.definition.vocabulary;
  const ofByte = new Map<number, number>();
  for (let id = 0; id + 1 < offsets.length && ofByte.size < 256; id++) {
    if (offsets[id + 1]! - offsets[id]! === 1 && !ofByte.has(bytes[offsets[id]!]!))
      ofByte.set(bytes[offsets[id]!]!, id);
  }
  const first = Array.from(new TextEncoder().encode(word), (byte) => ofByte.get(byte)!);
  const show = (id: number) => {
    const text = new TextDecoder().decode(tokenizer.tokenBytes(id));
    return text.includes('\ufffd')
      ? Array.from(tokenizer.tokenBytes(id), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
      : text;
  };
  return steps(first, (left, right) => known.get(left)?.get(right), show);
}

export function wordMergeSteps(tokenizer: BPETokenizer, text: string): MergeStep[] {
  const ranks = new Map(tokenizer.merges.map((line, rank) => [line, rank]));
  const word = tokenizer.preprocessor.words(text)[0] ?? '';
  const characters = Array.from(word);
  const first = characters.map((character, at) =>
    at === characters.length - 1 ? `${character}</w>` : character,
  );
  return steps(
    first,
    (left, right) => {
      const rank = ranks.get(`${left} ${right}`);
      return rank === undefined ? undefined : { rank, result: left + right };
    },
    (part) => part.replaceAll('▁', ' '),
  );
}
