/**
 * How spaCy's rule tokenizer cuts English: at white space; then special cases, prefixes, suffixes and infixes of each
 * stretch (Honnibal et al., spaCy 3; rules and word lists of its English defaults, most emoticons left out).
 */

const punctuation = '…,:;!?¿؟¡()\\[\\]{}<>_#*&。？！，、；：～·।،۔؛٪';
const quotes = '\'"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧';
const currency = '\\$£€¥฿₽﷼₴₠-₳₵₸₹';
const units =
  'km²|km³|km|m²|m³|m/s|mbar|mb|MB|mph|mg|mm²|mm³|mm|m|dm²|dm³|dm|cm²|cm³|cm|ha|µm|µg|nm|yd|in|ft|kg|kb|KB|km/h|g|t|lb|oz|hPa|Pa|gb|GB|tb|TB|T|G|M|K|%|°C|°F|°K';
const lower = '\\p{Ll}\\p{Lo}';
const upper = '\\p{Lu}\\p{Lo}';

const prefix = new RegExp(
  `^(?:\\.\\.+|US\\$|C\\$|A\\$|\\+(?![0-9])|[§%=—–${punctuation}${quotes}${currency}]|\\p{So})`,
  'u',
);
const suffix = new RegExp(
  `(?:\\.\\.+|['’][sS]|[—–${punctuation}${quotes}]|\\p{So}|(?<=[0-9])\\+|(?<=°[FfCcKk])\\.|(?<=[0-9])(?:US\\$|C\\$|A\\$|[${currency}]|${units})|(?<=[0-9${lower}%²\\-+${punctuation}${quotes}])\\.|(?<=[${upper}][${upper}])\\.)$`,
  'u',
);
const infix = new RegExp(
  `\\.\\.+|…|\\p{So}|(?<=[0-9])[+\\-*^](?=[0-9-])|(?<=[${lower}${quotes}])\\.(?=[${upper}${quotes}])|(?<=\\p{L}),(?=\\p{L})|(?<=\\p{L})(?:-+|–|—|~)(?=\\p{L})|(?<=[\\p{L}0-9])[:<>=/](?=\\p{L})`,
  'gu',
);

/** Web addresses and what looks like one are not cut at infixes. */
const address =
  /^(?:[\w+.-]{2,}:\/\/)?(?:\S+(?::\S*)?@)?(?:(?:[A-Za-z0-9\u00a1-\uffff][A-Za-z0-9\u00a1-\uffff_-]{0,62})?[A-Za-z0-9\u00a1-\uffff]\.)+[A-Za-z\u00a1-\uffff]{2,63}(?::\d{2,5})?(?:[/?#]\S*)?$/;

const blank = '\\t-\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const stretches = new RegExp(`[${blank}]+|[^${blank}]+`, 'g');
const startsBlank = new RegExp(`^[${blank}]`);

let cases: Map<string, readonly string[]> | undefined;

/** The tokens of a text, white space but single spaces included. */
export function englishTokens(text: string): string[] {
  cases ??= specialCases();
  const tokens: string[] = [];
  for (const stretch of text.match(stretches) ?? []) {
    if (startsBlank.test(stretch)) {
      // One space belongs to the token before it; the rest is a token.
      const rest = tokens.length > 0 && stretch[0] === ' ' ? stretch.slice(1) : stretch;
      if (rest !== '') tokens.push(rest);
    } else tokens.push(...(cases.get(stretch) ?? cut(stretch, cases)));
  }
  return tokens;
}

function cut(stretch: string, special: ReadonlyMap<string, readonly string[]>): string[] {
  const before: string[] = [];
  const after: string[] = [];
  let rest = stretch;
  for (let length = -1; rest !== '' && rest.length !== length && !special.has(rest); ) {
    length = rest.length;
    const head = prefix.exec(rest)?.[0] ?? '';
    const withoutHead = rest.slice(head.length);
    if (head !== '' && special.has(withoutHead)) {
      before.push(head);
      rest = withoutHead;
      break;
    }
    const tail = suffix.exec(withoutHead)?.[0] ?? '';
    const withoutTail = rest.slice(0, rest.length - tail.length);
    if (tail !== '' && special.has(withoutTail)) {
      after.push(tail);
      rest = withoutTail;
      break;
    }
    if (head !== '') before.push(head);
    if (tail !== '') after.push(tail);
    rest = rest.slice(head.length, rest.length - tail.length);
  }
  const middle = rest === '' ? [] : (special.get(rest) ?? (isAddress(rest) ? [rest] : atInfixes(rest)));
  const tokens = [...before, ...middle, ...after.reverse()];
  // Two single quotes in a row are one token, wherever they come from.
  for (let i = 0; i + 1 < tokens.length; i++)
    if (tokens[i] === "'" && tokens[i + 1] === "'") tokens.splice(i, 2, "''");
  return tokens;
}

function isAddress(text: string): boolean {
  return text.length <= 2048 && text.includes('.') && address.test(text);
}

function atInfixes(text: string): string[] {
  const tokens: string[] = [];
  let start = 0;
  for (const { 0: match, index } of text.matchAll(infix)) {
    if (index === 0) continue;
    if (index > start) tokens.push(text.slice(start, index));
    tokens.push(match);
    start = index + match.length;
  }
  if (start < text.length) tokens.push(text.slice(start));
  return tokens;
}

function specialCases(): Map<string, readonly string[]> {
  const known = new Map<string, readonly string[]>();
  const add = (...parts: string[]) => {
    known.set(parts.join(''), parts);
    const title = parts[0]!.charAt(0).toUpperCase() + parts[0]!.slice(1);
    known.set([title, ...parts.slice(1)].join(''), [title, ...parts.slice(1)]);
  };
  const both = (word: string, ...ends: string[]) => {
    add(word, ...ends);
    add(word, ...ends.map((end) => end.replace("'", '')));
  };
  both('i', "'m");
  for (const word of ['i', 'you', 'he', 'she', 'it', 'we', 'they']) {
    for (const ends of [["'ll"], ["'ll", "'ve"], ["'d"], ["'d", "'ve"]]) both(word, ...ends);
  }
  for (const word of ['i', 'you', 'we', 'they']) both(word, "'ve");
  for (const word of ['you', 'we', 'they']) both(word, "'re");
  for (const word of ['he', 'she', 'it']) both(word, "'s");
  for (const word of [
    'who',
    'what',
    'when',
    'where',
    'why',
    'how',
    'there',
    'that',
    'this',
    'these',
    'those',
  ]) {
    for (const ends of [["'s"], ["'ll"], ["'ll", "'ve"], ["'re"], ["'ve"], ["'d"], ["'d", "'ve"]])
      both(word, ...ends);
  }
  const verbs = 'ca could do does did had may might must need ought sha should wo would';
  for (const word of verbs.split(' ')) {
    both(word, "n't");
    both(word, "n't", "'ve");
  }
  for (const word of ['could', 'might', 'must', 'should', 'would']) both(word, "'ve");
  for (const word of ['is', 'are', 'was', 'were', 'have', 'has', 'dare']) both(word, "n't");
  for (const parts of [
    'can not',
    'gon na',
    'got ta',
    "let 's",
    "c' mon",
    "not 've",
    'not ve',
    "y' all",
    'y all',
    "how 'd 'y",
  ]) {
    add(...parts.split(' '));
  }
  for (let hour = 1; hour <= 12; hour++) {
    for (const half of ['a.m.', 'am', 'p.m.', 'pm']) known.set(`${hour}${half}`, [String(hour), half]);
  }
  const whole =
    "' '' 's 'S ’s ’S 're 'll 'd 'em 'Em 'nuff 'cause 'Cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout " +
    "havin' Havin' doin' Doin' goin' Goin' lovin' Lovin' nothin' Nothin' nuthin' Nuthin' somethin' Somethin' ol' Ol' ma'am Ma'am o'clock O'clock " +
    'a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. ' +
    'Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec. Ala. Ariz. Ark. Calif. Colo. ' +
    'Conn. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. ' +
    'Okla. Ore. Pa. S.C. Tenn. Va. Wash. Wis. C++ :D :P :p :o :O :0 :3 :x :X :> =D =3 =| :| ;D 8D <3 <33 <333 >.< >.> <.< xD xDD XD XDD ' +
    "o.O O.o O.O o.o 0.0 o.0 0.o 0.0 o.o V.V v.v :'D";
  for (const token of whole.split(' ')) known.set(token, [token]);
  for (const letter of 'abcdefghijklmnopqrstuvwxyzäöü') known.set(`${letter}.`, [`${letter}.`]);
  const words = 'ill its hell shell shed were well whore';
  for (const word of words.split(' ')) {
    known.delete(word);
    known.delete(word.charAt(0).toUpperCase() + word.slice(1));
  }
  return known;
}
