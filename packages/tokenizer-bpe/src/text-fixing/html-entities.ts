import { bareEntities, blankEntities, entities, upperCaseEntities } from '../../data/text-fixing.js';

let values: Map<string, string> | undefined;
let bare: Set<string> | undefined;
let upperCase: Set<string> | undefined;

/** `eacute` → `é`, for every named entity of HTML 5. */
function entityValues(): Map<string, string> {
  if (values === undefined) {
    values = new Map(Object.entries(blankEntities));
    const list = entities.split(' ');
    for (let i = 0; i < list.length; i += 2) values.set(list[i]!, list[i + 1]!);
  }
  return values;
}

/** What Windows-1252 has at 0x80 to 0x9f: numbers in this range mean those characters. */
const windows1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/**
 * Character references as HTML 5 reads them, like Python's `html.unescape`: `&eacute;`, `&eacute` where browsers
 * accept it, `&#233;`, `&#xe9;`.
 */
export function unescapeHtml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/g, (whole, name: string) =>
    name[0] === '#' ? numericReference(name) : (namedReference(name) ?? whole),
  );
}

function numericReference(name: string): string {
  const digits = name.replace(/;$/, '').slice(1);
  const code = /^x/i.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number(digits);
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return '\ufffd';
  if (code === 0x0d) return '\r';
  if (code >= 0x80 && code <= 0x9f) return windows1252[code - 0x80]!;
  const isNothing =
    code < 9 ||
    code === 0x0b ||
    (code >= 0x0e && code <= 0x1f) ||
    code === 0x7f ||
    (code >= 0xfdd0 && code <= 0xfdef) ||
    (code & 0xfffe) === 0xfffe;
  return isNothing ? '' : String.fromCodePoint(code);
}

function namedReference(name: string): string | undefined {
  const known = entityValues();
  bare ??= new Set(bareEntities.split(' '));
  if (name.endsWith(';')) {
    const value = known.get(name.slice(0, -1));
    if (value !== undefined) return value;
  } else if (bare.has(name)) return known.get(name)!;
  for (let length = name.length - 1; length > 1; length--) {
    const start = name.slice(0, length);
    if (bare.has(start)) return known.get(start)! + name.slice(length);
  }
  return undefined;
}

/** The references that ftfy undoes: complete ones with a semicolon, also names in upper case (`&EACUTE;`). */
export function unescapeCompleteReferences(text: string): string {
  return text.replace(/&#?[0-9A-Za-z]{1,24};/g, (reference) => {
    if (reference[1] === '#') {
      const value = unescapeHtml(reference);
      return value.includes(';') ? reference : value;
    }
    const name = reference.slice(1, -1);
    upperCase ??= new Set(upperCaseEntities.split(' '));
    const known = entityValues();
    if (upperCase.has(name)) return known.get(name.toLowerCase())!.toUpperCase();
    return known.get(name) ?? reference;
  });
}
