/** What a collection of documents is made of. Plain data; reports of parts add up. */
export interface DiversityReport {
  documents: number;
  characters: number;
  words: number;
  /** Documents by language (ISO 639-1, `und` when undetermined). */
  languages: Record<string, number>;
  /** Documents by host of their address. */
  domains: Record<string, number>;
  /** Documents by length: bin `n` holds lengths from 2ⁿ to below 2ⁿ⁺¹ characters. */
  lengths: Record<string, number>;
}

export const emptyDiversity = (): DiversityReport => ({
  documents: 0,
  characters: 0,
  words: 0,
  languages: {},
  domains: {},
  lengths: {},
});

/** Adds one document. */
export function noteDocument(
  report: DiversityReport,
  document: { text: string; language?: string | null; url?: string | null },
  words: number,
): void {
  report.documents++;
  report.characters += document.text.length;
  report.words += words;
  const count = (counts: Record<string, number>, key: string) => {
    counts[key] = (counts[key] ?? 0) + 1;
  };
  if (document.language) count(report.languages, document.language);
  const host = document.url ? hostOf(document.url) : undefined;
  if (host) count(report.domains, host);
  count(report.lengths, String(Math.floor(Math.log2(Math.max(1, document.text.length)))));
}

function hostOf(url: string): string | undefined {
  try {
    return new URL(url).hostname.replace(/^www\./, '');
  } catch {
    return undefined;
  }
}

/** The sum of reports; the `maxDomains` largest domains by name, the others under `…`. */
export function mergeDiversity(reports: readonly DiversityReport[], maxDomains = 100): DiversityReport {
  const total = emptyDiversity();
  for (const report of reports) {
    total.documents += report.documents;
    total.characters += report.characters;
    total.words += report.words;
    for (const field of ['languages', 'domains', 'lengths'] as const) {
      for (const [key, count] of Object.entries(report[field])) {
        total[field][key] = (total[field][key] ?? 0) + count;
      }
    }
  }
  total.languages = sorted(total.languages);
  const domains = Object.entries(sorted(total.domains));
  const others = domains.slice(maxDomains).reduce((sum, [, count]) => sum + count, 0);
  total.domains = Object.fromEntries(domains.slice(0, maxDomains));
  if (others > 0) total.domains['…'] = others;
  return total;
}

/**
 * How many equally frequent values would be as varied as these counts: exp(entropy). 1 when all are the same, the
 * number of values when all are equally frequent.
 */
export function effectiveNumber(counts: Readonly<Record<string, number>>): number {
  const values = Object.values(counts).filter((count) => count > 0);
  const total = values.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  return Math.exp(values.reduce((sum, count) => sum - (count / total) * Math.log(count / total), 0));
}

const sorted = (counts: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
