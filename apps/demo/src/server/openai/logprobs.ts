import type { Tokenizer, TokenLogProb } from '@gpt-lineage/gpt-core';

/** Texts and bytes of single tokens. */
export class TokenTexts {
  readonly #tokenizer: Tokenizer;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  bytes(tokenId: number): Uint8Array {
    try {
      const { decodeBytes } = this.#tokenizer;
      if (decodeBytes) return this.#tokenizer.decodeBytes!([tokenId]);
      return new TextEncoder().encode(this.#tokenizer.decode([tokenId]));
    } catch {
      return new Uint8Array(); // a hole in the numbering
    }
  }

  /** A token that is no whole text is written as `bytes:\xe2\x82`, as OpenAI does. */
  text(tokenId: number): string {
    const bytes = this.bytes(tokenId);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      const hex = Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
      return `bytes:${hex.join('')}`;
    }
  }
}

/** OpenAI's JSON has no infinities: what was impossible is -9999, as there. */
const finite = (logProb: number) => (Number.isFinite(logProb) ? logProb : -9999);

/** An entry of `logprobs.content` of a chat completion. */
export function chatLogProb(
  texts: TokenTexts,
  token: TokenLogProb,
  alternatives: readonly TokenLogProb[] = [],
): object {
  const entry = ({ tokenId, logProb }: TokenLogProb) => ({
    token: texts.text(tokenId),
    logprob: finite(logProb),
    bytes: [...texts.bytes(tokenId)],
  });
  return { ...entry(token), top_logprobs: alternatives.map(entry) };
}

/** One token as the text-completion API lists it. */
export interface ListedToken {
  readonly tokenId: number;
  /** The first token of a prompt has none. */
  readonly logProb: number | null;
  readonly alternatives: readonly TokenLogProb[] | null;
}

export interface LegacyLogProbs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly (number | null)[];
  readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
  readonly text_offset: readonly number[];
}

/** `logprobs` of a text completion: parallel lists. @param offset of the first token in the text */
export function legacyLogProbs(
  texts: TokenTexts,
  tokens: readonly ListedToken[],
  offset: number,
): LegacyLogProbs {
  const names = tokens.map(({ tokenId }) => texts.text(tokenId));
  const offsets: number[] = [];
  for (const name of names) {
    offsets.push(offset);
    offset += name.startsWith('bytes:') ? 0 : name.length;
  }
  return {
    tokens: names,
    token_logprobs: tokens.map(({ logProb }) => (logProb === null ? null : finite(logProb))),
    top_logprobs: tokens.map(({ tokenId, logProb, alternatives }, at) => {
      if (alternatives === null || logProb === null) return null;
      const entries = alternatives.map(
        (other) => [texts.text(other.tokenId), finite(other.logProb)] as const,
      );
      // The token itself is always listed, also when it is not among the most likely.
      const listed = alternatives.some((other) => other.tokenId === tokenId);
      return Object.fromEntries(listed ? entries : [...entries, [names[at]!, finite(logProb)] as const]);
    }),
    text_offset: offsets,
  };
}
