/**
 * Text functions with Python's rules, for prompts and counts that have to equal those of lm-evaluation-harness. They
 * differ from JavaScript's: U+FEFF is no white space there, the separators U+001C to U+001F and U+0085 are, and indices
 * count code points.
 */

/** What `str.isspace` and `\s` of `re` accept, for use inside of a character class. */
export const WHITE_SPACE =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const leading = new RegExp(`^[${WHITE_SPACE}]+`, 'u');
const space = new RegExp(`[${WHITE_SPACE}]`, 'u');
const between = new RegExp(`[${WHITE_SPACE}]+`, 'u');

/** `str.lstrip()` */
export const stripStart = (text: string): string => text.replace(leading, '');

/** `str.rstrip()` */
export function stripEnd(text: string): string {
  // A pattern anchored at the end alone would be tried from every space of the text.
  let end = text.length;
  while (end > 0 && space.test(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}

/** `str.strip()` */
export const strip = (text: string): string => stripStart(stripEnd(text));

/** `re.split(r'\s+', text)`: white space at either end makes an empty part. */
export const splitAtSpaces = (text: string): string[] => text.split(between);

/** `str.split()`: words, without empty parts. */
export const words = (text: string): string[] => splitAtSpaces(text).filter((word) => word !== '');

/** `text[start:end]`, in code points. */
export const slice = (text: string, start: number, end?: number): string =>
  Array.from(text).slice(start, end).join('');

/** `str.capitalize()`: the first letter as in a title, all others small. */
export function capitalize(text: string): string {
  const [first = '', ...rest] = text;
  const upper = first.toUpperCase();
  // A letter that becomes two, such as ß, has a small second one.
  const title = upper.length > first.length ? upper.charAt(0) + upper.slice(1).toLowerCase() : upper;
  return title + rest.join('').toLowerCase();
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', "'": "'", '"': '"', '\\': '\\' };

/**
 * `ast.literal_eval` of lists, dictionaries, strings and numbers, as some data sets keep them in a text column.
 *
 * @throws {SyntaxError} anything else
 */
export function parseLiteral(text: string): unknown {
  const json = text.replace(
    /'((?:[^'\\]|\\[\s\S])*)'|"((?:[^"\\]|\\[\s\S])*)"|\b(None|True|False)\b/gu,
    (_, single: string | undefined, double: string | undefined, constant: string | undefined) => {
      if (constant) return { None: 'null', True: 'true', False: 'false' }[constant]!;
      const body = (single ?? double)!.replace(
        /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))/gu,
        (whole, two?: string, four?: string, eight?: string, letter?: string) => {
          const code = two ?? four ?? eight;
          if (code) return String.fromCodePoint(Number.parseInt(code, 16));
          return ESCAPES[letter!] ?? whole;
        },
      );
      return JSON.stringify(body);
    },
  );
  return JSON.parse(json);
}
