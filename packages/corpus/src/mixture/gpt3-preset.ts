/** One row of GPT-3's Table 2.2, as printed. */
export interface PublishedSource {
  name: string;
  /** Size of the data set. */
  tokens: number;
  /** Share of the training mixture in per cent. */
  weight: number;
  /** Times seen while training on 300 billion tokens. */
  epochs: number;
}

/**
 * GPT-3's training mixture: Brown et al. 2020, "Language Models are Few-Shot Learners", Table 2.2. The printed
 * weights add up to 101 by rounding, and so do not reproduce the printed epochs exactly; `mixture` divides weights by
 * their sum.
 */
export const gpt3Sources: readonly PublishedSource[] = [
  { name: 'common-crawl', tokens: 410e9, weight: 60, epochs: 0.44 },
  { name: 'webtext2', tokens: 19e9, weight: 22, epochs: 2.9 },
  { name: 'books1', tokens: 12e9, weight: 8, epochs: 1.9 },
  { name: 'books2', tokens: 55e9, weight: 8, epochs: 0.43 },
  { name: 'wikipedia', tokens: 3e9, weight: 3, epochs: 3.4 },
];

/** Weights by source name: `weightPresets['gpt-3']['webtext2'] === 22`. */
export const weightPresets: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'gpt-3': Object.fromEntries(gpt3Sources.map(({ name, weight }) => [name, weight])),
};
