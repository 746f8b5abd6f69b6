/**
 * 64 streaming clients for five minutes (`--seconds N` for less): every stream must end as streams do, refusals must be
 * 429s, and neither tensors nor memory may grow after the first fifth.
 *
 *     pnpm --filter @gpt-lineage/demo exec tsx --conditions=@gpt-lineage/source bench/load.ts [--seconds 300]
 */
import { fileURLToPath } from 'node:url';
import { spawnServer, streamCompletion } from './spawn-server.js';

const at = process.argv.indexOf('--seconds');
const seconds = at > 0 ? Number(process.argv[at + 1]) : 300;
const clients = 64;
const path = fileURLToPath(new URL('../checkpoints/shakespeare-char', import.meta.url));
const server = await spawnServer({ models: [{ path }], slots: 8, maxWaiting: 48 });

const counts = { complete: 0, refused: 0, wrong: 0, tokens: 0 };
const until = performance.now() + seconds * 1000;
let seed = 0;
const client = async (): Promise<void> => {
  while (performance.now() < until) {
    seed += 1;
    const prompt = 'What light through yonder window breaks?'.slice(0, 5 + (seed % 30));
    const body = { prompt, max_tokens: 10 + (seed % 40), seed, temperature: 0.8, top_k: 20 };
    try {
      const { status, complete, tokens } = await streamCompletion(server.url, body);
      if (status === 200 && complete) counts.complete += 1;
      else if (status === 429) {
        counts.refused += 1;
        await new Promise((resolve) => setTimeout(resolve, 200));
      } else counts.wrong += 1;
      counts.tokens += tokens;
    } catch (error) {
      counts.wrong += 1;
      console.error(error);
    }
  }
};
const samples: { tensors: number; rss: number }[] = [];
const watch = setInterval(
  async () => {
    const { tensors, rss } = await server.state();
    samples.push({ tensors, rss });
    console.log(`${JSON.stringify(counts)} tensors ${tensors}, ${(rss / 2 ** 20).toFixed(0)} MiB`);
  },
  Math.max(1000, (seconds * 1000) / 20),
);
await Promise.all(Array.from({ length: clients }, client));
clearInterval(watch);
await new Promise((resolve) => setTimeout(resolve, 500));
const { tensors, rss, stats } = await server.state();
await server.stop();

const warm = samples[Math.floor(samples.length / 5)]!;
const growth = (rss - warm.rss) / 2 ** 20;
console.log(
  JSON.stringify({
    bench: 'demo/load',
    ...{ seconds, clients, ...counts },
    tokensPerSecond: counts.tokens / seconds,
    meanBatch: stats[0]!.stepSequences / stats[0]!.steps,
    tensorsAfterWarmUp: warm.tensors,
    tensors,
    rssAfterWarmUpMiB: warm.rss / 2 ** 20,
    rssGrowthMiB: growth,
  }),
);
const left = stats[0]!.active + stats[0]!.waiting;
if (counts.wrong > 0 || left > 0 || tensors > warm.tensors + 64 || growth > 200) process.exitCode = 1;
