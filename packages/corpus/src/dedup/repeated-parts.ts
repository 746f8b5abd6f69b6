import { createHash } from 'node:crypto';

/** Parts of documents that are compared with each other. */
export type PartUnit = 'paragraph' | 'line';

export interface PartOptions {
  unit: PartUnit;
  /** Shorter parts stay (speaker names, braces, headings). Default 40 characters. */
  minCharacters?: number;
}

const defaultMinCharacters = 40;

/** A part worth comparing. */
export interface Part {
  /** Number of the part within its document, as {@link removeParts} counts. */
  index: number;
  /** Of the part with its white space evened out and lower-cased; 48 bits, exact in a double. */
  hash: number;
}

const separators = { paragraph: /(\n\s*\n)/, line: /(\n)/ } as const;

/** Parts long enough to compare. */
export function partsOf(text: string, { unit, minCharacters = defaultMinCharacters }: PartOptions): Part[] {
  const parts: Part[] = [];
  for (const [i, piece] of text.split(separators[unit]).entries()) {
    if (i % 2 === 1) continue; // A separator.
    const canonical = piece.trim().replace(/\s+/g, ' ').toLowerCase();
    if (canonical.length < minCharacters) continue;
    const digest = createHash('sha256').update(canonical).digest();
    parts.push({ index: i / 2, hash: digest.readUIntBE(0, 6) });
  }
  return parts;
}

/** The text without some of its parts. */
export function removeParts(text: string, unit: PartUnit, indexes: ReadonlySet<number>): string {
  if (indexes.size === 0) return text;
  const pieces = text.split(separators[unit]);
  let result: string | undefined;
  for (let i = 0; i < pieces.length; i += 2) {
    if (indexes.has(i / 2)) continue;
    result = result === undefined ? pieces[i]! : result + pieces[i - 1] + pieces[i];
  }
  return result ?? '';
}
