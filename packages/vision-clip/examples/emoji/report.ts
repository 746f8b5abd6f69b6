import {
  type CLIP,
  encodeImages,
  encodeTexts,
  loadTokenizer,
  pairRanks,
  Random,
  type RetrievalMetrics,
  summarizeRanks,
  tokenize,
} from '@gpt-lineage/vision-clip';
import { caption, type Emoji } from './data.js';

export interface Measured extends RetrievalMetrics {
  /** 95 % interval of R@5 from 2,000 bootstrap samples of the queries. */
  readonly recallAt5Interval: readonly [number, number];
}

/** Retrieval among pictures the model has not seen, both ways, by bare names and by names with tags. */
export async function measure(clip: CLIP, heldOut: readonly Emoji[]): Promise<Record<string, Measured>> {
  const tokenizer = await loadTokenizer(clip);
  const images = await encodeImages(
    clip,
    heldOut.map(({ image }) => clip.preprocess(image)),
  );
  const measured: Record<string, Measured> = {};
  for (const [kind, texts] of [
    ['names', heldOut.map(({ name }) => name.toLowerCase())],
    ['names and tags', heldOut.map(caption)],
  ] as const) {
    const embeds = await encodeTexts(clip, tokenize(texts, tokenizer, clip.config.text!));
    measured[`image → text, ${kind}`] = withInterval(await pairRanks(images, embeds));
    measured[`text → image, ${kind}`] = withInterval(await pairRanks(embeds, images));
    embeds.dispose();
  }
  images.dispose();
  return measured;
}

function withInterval(ranks: Int32Array): Measured {
  const random = new Random(7);
  const recalls = Array.from({ length: 2000 }, () => {
    let hits = 0;
    for (let i = 0; i < ranks.length; i++) hits += ranks[random.integer(ranks.length)]! <= 5 ? 1 : 0;
    return hits / ranks.length;
  }).sort((a, b) => a - b);
  return { ...summarizeRanks(ranks), recallAt5Interval: [recalls[49]!, recalls[1950]!] };
}

/** The report as Markdown. */
export function markdown(
  measured: Record<string, Measured>,
  count: number,
  setting: readonly string[],
): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const rows = Object.entries(measured).map(
    ([name, m]) =>
      `| ${name} | ${percent(m.recallAt1)} | **${percent(m.recallAt5)}** [${percent(m.recallAt5Interval[0])}, ${percent(m.recallAt5Interval[1])}] | ${percent(m.recallAt10)} | ${m.medianRank} | ${((m.recallAt5 * count) / 5).toFixed(1)} |`,
  );
  return [
    '# Emoji CLIP: retrieval on held-out pictures',
    '',
    ...setting.map((line) => `- ${line}`),
    `- ${count} pictures and their names held out (every tenth that is no flag). Chance R@5 is 5 / ${count} = ${percent(5 / count)}.`,
    '- Intervals: 95 %, 2,000 bootstrap samples of the queries.',
    '',
    '| query | R@1 | R@5 | R@10 | median rank | R@5 in multiples of chance |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

export function show(measured: Record<string, Measured>): void {
  for (const [name, m] of Object.entries(measured)) {
    const percent = [m.recallAt1, m.recallAt5, m.recallAt10].map((r) => (100 * r).toFixed(1)).join(' / ');
    const interval = m.recallAt5Interval.map((r) => (100 * r).toFixed(1)).join(', ');
    console.log(`  ${name}: R@1/5/10 ${percent} %, R@5 in [${interval}]`);
  }
}
