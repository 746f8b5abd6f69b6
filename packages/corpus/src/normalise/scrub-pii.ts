/** Kinds of personal data the rules know. */
export type PiiKind = 'email' | 'phone' | 'credit-card' | 'iban' | 'ip-address' | 'us-ssn' | 'secret-key';

export interface ScrubOptions {
  /** Default: all. */
  kinds?: readonly PiiKind[];
  /** What replaces a match. Default: `<EMAIL>`, `<PHONE>`, … */
  replacement?: (kind: PiiKind) => string;
}

export interface ScrubResult {
  text: string;
  /** Replacements made, by kind. */
  counts: Partial<Record<PiiKind, number>>;
}

interface Rule {
  kind: PiiKind;
  pattern: RegExp;
  /** A cheap test that must hold before the pattern runs on a text. */
  hint: RegExp;
  valid?: (match: string) => boolean;
}

/**
 * Order matters: a card number would also read as a phone number. Every quantifier is bounded, so no text makes a
 * pattern slow.
 */
const rules: readonly Rule[] = [
  {
    kind: 'secret-key',
    hint: /AKIA|gh[pousr]_|sk-|-----BEGIN/,
    pattern:
      /\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,251}\b|\bsk-[A-Za-z0-9_-]{32,200}\b|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s]{1,8000}-----END [A-Z ]{0,20}PRIVATE KEY-----/g,
  },
  {
    kind: 'email',
    hint: /@/,
    pattern:
      /(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}(?![\w-])/g,
  },
  {
    kind: 'iban',
    hint: /[A-Z]{2}\d{2}/,
    pattern: /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b/g,
    valid: isIban,
  },
  {
    kind: 'credit-card',
    hint: /\d{4}/,
    pattern: /(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])/g,
    valid: isCardNumber,
  },
  {
    kind: 'us-ssn',
    hint: /\d-\d\d-/,
    pattern: /(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])/g,
  },
  {
    kind: 'ip-address',
    hint: /\d\.\d|[0-9a-f]:[0-9a-f]/i,
    pattern:
      /(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]*\d)|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])/gi,
    valid: (match) => !/^(?:0\.0\.0\.0|127\.0\.0\.1|255\.255\.255\.\d+)$/.test(match),
  },
  {
    kind: 'phone',
    hint: /\d{2}/,
    pattern:
      /(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){1,4}|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4})(?![\w-])/g,
    valid: (match) => {
      const digits = match.replace(/\D/g, '').length;
      return digits >= 8 && digits <= 15;
    },
  },
];

/**
 * Replaces personal data and credentials by placeholders. Rules, not understanding: names and postal addresses stay.
 */
export function scrubPii(
  text: string,
  { kinds, replacement = (kind) => `<${kind.toUpperCase().replaceAll('-', '_')}>` }: ScrubOptions = {},
): ScrubResult {
  const counts: ScrubResult['counts'] = {};
  for (const { kind, pattern, hint, valid } of rules) {
    if ((kinds && !kinds.includes(kind)) || !hint.test(text)) continue;
    text = text.replace(pattern, (match) => {
      if (valid && !valid(match)) return match;
      counts[kind] = (counts[kind] ?? 0) + 1;
      return replacement(kind);
    });
  }
  return { text, counts };
}

/** Luhn checksum (ISO/IEC 7812). */
function isCardNumber(match: string): boolean {
  const digits = match.replace(/\D/g, '');
  if (!/^[3-6]/.test(digits) || /^(\d)\1+$/.test(digits)) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = Number(digits[digits.length - 1 - i]);
    if (i % 2 === 1) {
      digit *= 2;
      if (digit > 9) digit -= 9;
    }
    sum += digit;
  }
  return sum % 10 === 0;
}

/** ISO 13616: the rearranged number is 1 modulo 97. */
function isIban(match: string): boolean {
  const compact = match.replaceAll(' ', '');
  if (compact.length < 15 || compact.length > 34) return false;
  const moved = compact.slice(4) + compact.slice(0, 4);
  let remainder = 0;
  for (const character of moved) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}
