import { guessUseCase, instructGPTShares, type UseCase, useCases } from './use-cases.js';

export interface DiversityReport {
  readonly prompts: number;
  readonly users: number;
  /** Most prompts of one user. */
  readonly mostOfOneUser: number;
  /** Per use case: prompts, share, and the share in InstructGPT's data. */
  readonly useCases: Readonly<
    Record<UseCase, { readonly count: number; readonly share: number; readonly paper: number }>
  >;
  /** Prompts whose use case was guessed from their wording, not given. */
  readonly guessed: number;
  /** Entropy of the use cases divided by its greatest value: 0 = one use case, 1 = all alike. */
  readonly evenness: number;
  /** Half the sum of |share − paper's share|: 0 = the paper's mixture, 1 = nothing in common. */
  readonly distanceFromPaper: number;
  /** Different words and word pairs, per word and pair (distinct-1 and distinct-2). */
  readonly distinct1: number;
  readonly distinct2: number;
  /** Characters of a prompt. */
  readonly length: { readonly mean: number; readonly median: number; readonly longest: number };
  /** Prompts equal to an earlier one but for case and white space. */
  readonly duplicates: number;
}

/** What a set of prompts asks for and how varied it is (as InstructGPT's tables 1 and 10 report their data). */
export function diversityReport(
  prompts: readonly {
    readonly prompt: string;
    readonly user?: string | undefined;
    readonly category?: UseCase | undefined;
  }[],
): DiversityReport {
  const total = Math.max(1, prompts.length);
  const counts = new Map<UseCase, number>();
  const byUser = new Map<string, number>();
  const seen = new Set<string>();
  const [words, pairs] = [new Counter(), new Counter()];
  let [guessed, duplicates] = [0, 0];
  for (const { prompt, user, category } of prompts) {
    if (category === undefined) guessed += 1;
    const useCase = category ?? guessUseCase(prompt);
    counts.set(useCase, (counts.get(useCase) ?? 0) + 1);
    if (user !== undefined) byUser.set(user, (byUser.get(user) ?? 0) + 1);
    const normal = prompt.toLowerCase().replaceAll(/\s+/gu, ' ').trim();
    if (seen.has(normal)) duplicates += 1;
    seen.add(normal);
    const list = normal.match(/[\p{L}\p{N}']+/gu) ?? [];
    list.forEach((word, at) => {
      words.add(word);
      if (at > 0) pairs.add(`${list[at - 1]} ${word}`);
    });
  }
  const shares = useCases.map((useCase) => (counts.get(useCase) ?? 0) / total);
  const entropy = shares.reduce((sum, share) => sum - (share > 0 ? share * Math.log(share) : 0), 0);
  const printed = Object.values(instructGPTShares).reduce((sum, share) => sum + share, 0);
  const paper = (useCase: UseCase) => instructGPTShares[useCase] / printed;
  const lengths = prompts.map(({ prompt }) => [...prompt].length).sort((a, b) => a - b);
  return {
    prompts: prompts.length,
    users: byUser.size,
    mostOfOneUser: Math.max(0, ...byUser.values()),
    useCases: Object.fromEntries(
      useCases.map((useCase, index) => [
        useCase,
        { count: counts.get(useCase) ?? 0, share: shares[index]!, paper: paper(useCase) },
      ]),
    ) as DiversityReport['useCases'],
    guessed,
    evenness: entropy / Math.log(useCases.length),
    distanceFromPaper:
      useCases.reduce((sum, useCase, index) => sum + Math.abs(shares[index]! - paper(useCase)), 0) / 2,
    distinct1: words.distinct,
    distinct2: pairs.distinct,
    length: {
      mean: lengths.reduce((sum, length) => sum + length, 0) / total,
      median:
        lengths.length === 0 ? 0 : (lengths[(lengths.length - 1) >> 1]! + lengths[lengths.length >> 1]!) / 2,
      longest: lengths.at(-1) ?? 0,
    },
    duplicates,
  };
}

class Counter {
  readonly #kinds = new Set<string>();
  #total = 0;

  add(key: string): void {
    this.#kinds.add(key);
    this.#total += 1;
  }

  get distinct(): number {
    return this.#total === 0 ? 0 : this.#kinds.size / this.#total;
  }
}
