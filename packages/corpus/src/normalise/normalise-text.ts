export interface NormaliseOptions {
  /** Unicode normalisation form, or `false` for none. Default `NFC`: changes no meaning. */
  unicode?: 'NFC' | 'NFKC' | false;
  /** Spaces at line ends, runs of blank lines, blank edges. Default true; off for source code. */
  whitespace?: boolean;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the point.
const controls = /[\u0000-\u0008\u000b\u000e-\u001f\u007f-\u009f]/g;
/** UTF-16 halves without their partner cannot be written as UTF-8. */
const loneSurrogates = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
/** Invisible: byte order marks, zero-width space, word joiner, soft hyphen. Joiners that shape scripts stay. */
const invisible = /[\ufeff\u200b\u2060\u00ad]/g;

/**
 * One spelling per text: LF line ends, no control or invisible characters, one Unicode form, no trailing spaces, at
 * most one blank line in a row. Idempotent.
 */
export function normaliseText(
  text: string,
  { unicode = 'NFC', whitespace = true }: NormaliseOptions = {},
): string {
  let result = text
    .replace(/\r\n?|\u2028|\u2029|\u0085/g, '\n')
    .replace(controls, '')
    .replace(invisible, '');
  result = result.replace(loneSurrogates, '\ufffd');
  if (unicode) result = result.normalize(unicode);
  if (whitespace) {
    // `trimEnd` per line, for a pattern would be quadratic on long runs of spaces.
    const lines = result.split('\n').map((line) => line.trimEnd());
    result = lines
      .join('\n')
      .replace(/\n{3,}/g, '\n\n')
      .trim();
  }
  return result;
}
