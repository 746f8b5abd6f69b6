import { tmpdir } from 'node:os';
import { DeduplicationIndex, fuzzyParameters } from '../src/dedup/deduplication-index.js';
import { featureExtractor } from '../src/dedup/text-features.js';
import { Random } from '../src/random.js';

/**
 * Deduplicates so many short documents (made up, 40 words, one in ten a near-copy) with the on-disk index, in a process
 * of its own, and prints its peak memory: `index-memory.ts documents [memory]`.
 */
const count = Number(process.argv[2]);
const fuzzy = fuzzyParameters({ threshold: 0.7 }, 1);
const extract = featureExtractor(fuzzy);
const baseline = process.memoryUsage().rss;
const started = performance.now();
using index = new DeduplicationIndex({
  fuzzy,
  keep: 'first',
  indexDirectory: process.argv[3] === 'memory' ? undefined : tmpdir(),
});
const random = new Random(1);
let last: string[] = [];
let peak = 0;
for (let i = 0; i < count; i++) {
  if (i % 10 === 9) last[random.below(last.length)] = 'edited';
  else last = Array.from({ length: 40 }, () => `w${random.below(20_000)}`);
  const text = last.join(' ');
  index.add(extract(text), text.length);
  if (i % 50_000 === 0) peak = Math.max(peak, process.memoryUsage().rss);
}
const added = performance.now();
const report = index.finish();
peak = Math.max(peak, process.resourceUsage().maxRSS * 1024);
console.log(
  JSON.stringify({
    documents: count,
    peakBytes: peak,
    baselineBytes: baseline,
    secondsToAdd: (added - started) / 1000,
    secondsToCompare: (performance.now() - added) / 1000,
    dropped: report.dropped.length,
  }),
);
