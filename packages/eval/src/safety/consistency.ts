/** What a sentence says beyond its source. */
export interface SentenceFinding {
  readonly sentence: string;
  /** Share of its content words that the source has, 0 to 1. */
  readonly coverage: number;
  /** Numbers, names and quotations that the source lacks. */
  readonly unsupported: readonly string[];
  /** The closest sentence of the source says the opposite, by its negation or a word of opposite meaning. */
  readonly contradicts: boolean;
  readonly supported: boolean;
}

export interface ConsistencyReport {
  /** Every sentence is supported. */
  readonly consistent: boolean;
  /** Share of sentences that are supported; 1 for an empty answer. */
  readonly supportedShare: number;
  /** Mean coverage of the sentences; 1 for an empty answer. */
  readonly coverage: number;
  readonly unsupported: readonly string[];
  readonly sentences: readonly SentenceFinding[];
}

const FUNCTION_WORDS = new Set(
  "a an and are as at be because been being but by can could did do does for from had has have he her hers him his how i if in into is it its may might more most must my no nor not of on only or our shall she should so some such than that the their them then there these they this those to too under until up upon was we were what when where which while who whom whose why will with would yes you your also about after before between both during each few over same through very just said says according text source passage document n't".split(
    ' ',
  ),
);

const NEGATIONS = /\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|hardly)\b|n['’]t\b/iu;

const OPPOSITES = new Map(
  'more less|increased decreased|increase decrease|rose fell|rise fall|higher lower|high low|larger smaller|large small|big small|open closed|opened closed|open close|won lost|win lose|before after|first last|early late|true false|always never|all none|accepted rejected|alive dead|hot cold|warm cold|success failure|succeeded failed|passed failed|north south|east west|left right|up down|older younger|old new|faster slower|best worst|safe dangerous|legal illegal|possible impossible|cheaper dearer|longer shorter|above below|inside outside|bought sold|started ended|began ended|forbidden allowed|male female'
    .split('|')
    .flatMap((pair) => {
      const [a, b] = pair.split(' ') as [string, string];
      return [
        [a, b],
        [b, a],
      ] as [string, string][];
    }),
);

const UNITS = new Map(
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'
    .split(' ')
    .map((word, value) => [word, value]),
);
for (const [at, word] of 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ').entries())
  UNITS.set(word, 20 + 10 * at);
const SCALES = new Map([
  ['hundred', 100],
  ['thousand', 1_000],
  ['million', 1_000_000],
]);

/** Least share of content words that the source must have. */
const LEAST_COVERAGE = 0.6;

const sentencesOf = (text: string): string[] =>
  text
    .split(/(?<=[.!?])\s+(?=[\p{Lu}"“'])|\n+/u)
    .map((sentence) => sentence.trim())
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));

const wordsIn = (text: string): string[] =>
  text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’][\p{L}]+)?/gu) ?? [];

/** Endings that change a word's form and not what it is about. */
const stem = (word: string): string => {
  const plain = word.replace(/['’]s$/u, '');
  if (plain.length < 5) return plain.replace(/(?<=[^s])s$/u, '');
  return plain
    .replace(/(?:ies|ied)$/u, 'y')
    .replace(/(?:ing|ed|es|s|ly)$/u, '')
    .replace(/([^aeiouls])\1$/u, '$1')
    .replace(/e$/u, '');
};

/** Numbers are compared by value, apart from the words. */
const contentStems = (text: string): string[] =>
  wordsIn(text)
    .filter(
      (word) => !FUNCTION_WORDS.has(word) && !/^\d/u.test(word) && !UNITS.has(word) && !SCALES.has(word),
    )
    .map(stem);

/** Numbers as plain digits: `1,200`, `twelve hundred` and `1200.0` are read alike; `7:15` is a time. */
function numbersIn(text: string): string[] {
  const digits = (text.match(/\d[\d,]*(?:[.:]\d+)*/gu) ?? []).map((number) => {
    const value = Number(number.replaceAll(',', ''));
    return Number.isNaN(value) ? number : String(value);
  });
  return [...digits, ...spelledNumbers(wordsIn(text))];
}

/** `three hundred and thirty` is 330; a lone `one` is a pronoun as often as a number. */
function spelledNumbers(words: readonly string[]): string[] {
  const found: string[] = [];
  let [total, current, length] = [0, 0, 0];
  const finish = () => {
    if (length > 1 || (length === 1 && total + current !== 1)) found.push(String(total + current));
    [total, current, length] = [0, 0, 0];
  };
  words.forEach((word, at) => {
    const [unit, scale] = [UNITS.get(word), SCALES.get(word)];
    if (unit !== undefined) {
      // `nineteen forty`: two numbers, unless the second fits into the first.
      if (length > 0 && current % 100 !== 0 && !(current % 10 === 0 && unit < 10)) finish();
      current += unit;
      length += 1;
    } else if (scale === 100) {
      current = Math.max(1, current) * scale;
      length += 1;
    } else if (scale !== undefined) {
      total += Math.max(1, current) * scale;
      current = 0;
      length += 1;
    } else if (!(word === 'and' && length > 0 && UNITS.has(words[at + 1] ?? '') && current % 100 === 0))
      finish();
  });
  finish();
  return found;
}

/** Capitalised words that are names by their place: not at the beginning of a sentence, or several in a row. */
function namesIn(sentence: string): string[] {
  const found = sentence.match(/\p{Lu}[\p{L}’'-]*(?:\s+\p{Lu}[\p{L}’'-]*)*/gu) ?? [];
  return found.flatMap((name) => {
    const atStart = sentence.trimStart().startsWith(name);
    const parts = name.split(/\s+/u);
    // A capital at the beginning says nothing; what follows it in capitals does.
    const kept = atStart ? (parts.length > 1 ? parts : []) : parts;
    return kept.filter((part) => part.length > 1 && !FUNCTION_WORDS.has(part.toLowerCase()));
  });
}

const quotesIn = (sentence: string): string[] =>
  [...sentence.matchAll(/["“]([^"”]{3,})["”]/gu)].map((match) => match[1]!.trim());

const normal = (text: string) => wordsIn(text).join(' ');

/**
 * Is every sentence of an answer supported by its source? Rules in the manner of textual entailment: numbers, names and
 * quotations must stand in the source, most content words must, and the closest sentence of the source must not say the
 * opposite. The rules need no model and give the same verdict always; what they cannot see is a wrong combination of
 * supported words (who did what to whom), for which a judge is asked.
 */
export function checkConsistency(source: string, answer: string): ConsistencyReport {
  const sourceSentences = sentencesOf(source);
  const known = {
    stems: new Set(contentStems(source)),
    words: new Set(wordsIn(source).map(stem)),
    exact: new Set(wordsIn(source)),
    numbers: new Set(numbersIn(source)),
    text: normal(source),
  };
  const sentences = sentencesOf(answer).map((sentence): SentenceFinding => {
    const stems = contentStems(sentence);
    const covered = stems.filter((word) => known.stems.has(word)).length;
    const coverage = stems.length === 0 ? 1 : covered / stems.length;
    const unsupported = [
      ...numbersIn(sentence).filter((number) => !known.numbers.has(number)),
      ...namesIn(sentence).filter((name) => !known.words.has(stem(name.toLowerCase()))),
      ...quotesIn(sentence).filter((quote) => !known.text.includes(normal(quote))),
    ];
    const contradicts =
      negates(sentence, closest(sourceSentences, stems)) || reverses(sentence, sourceSentences, known.exact);
    return {
      sentence,
      coverage,
      unsupported: [...new Set(unsupported)],
      contradicts,
      supported: unsupported.length === 0 && !contradicts && coverage >= LEAST_COVERAGE,
    };
  });
  const mean = (values: readonly number[]) =>
    values.length === 0 ? 1 : values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    consistent: sentences.every(({ supported }) => supported),
    supportedShare: mean(sentences.map(({ supported }) => Number(supported))),
    coverage: mean(sentences.map(({ coverage }) => coverage)),
    unsupported: [...new Set(sentences.flatMap((finding) => finding.unsupported))],
    sentences,
  };
}

/** The sentence that shares most content words, the shorter of equals. */
function closest(sentences: readonly string[], stems: readonly string[]): string | undefined {
  const wanted = new Set(stems);
  let best: { sentence: string; score: number } | undefined;
  for (const sentence of sentences) {
    const own = contentStems(sentence);
    const shared = new Set(own.filter((word) => wanted.has(word))).size;
    const score = shared - own.length / 1000;
    if (shared > 0 && (!best || score > best.score)) best = { sentence, score };
  }
  return best?.sentence;
}

/** Sentences about the same thing of which one is negated. */
function negates(sentence: string, other: string | undefined): boolean {
  if (other === undefined) return false;
  const [stems, others] = [new Set(contentStems(sentence)), new Set(contentStems(other))];
  const shared = [...stems].filter((word) => others.has(word)).length;
  return shared >= Math.min(2, stems.size) && NEGATIONS.test(sentence) !== NEGATIONS.test(other);
}

/** A word the source never uses, where a sentence on the same matter has its opposite. */
function reverses(sentence: string, others: readonly string[], known: ReadonlySet<string>): boolean {
  const stems = contentStems(sentence);
  return wordsIn(sentence).some((word) => {
    const opposite = OPPOSITES.get(word);
    if (opposite === undefined || known.has(word)) return false;
    return others.some((other) => {
      const own = contentStems(other);
      return (
        wordsIn(other).map(stem).includes(stem(opposite)) &&
        stems.some((entry) => entry !== stem(word) && own.includes(entry))
      );
    });
  });
}
