import { initCompute } from '@gpt-lineage/compute';
import { openSession } from '/work/main/packages/gpt-core/src/generation/open-session.js';
import { argmax } from '/work/main/packages/gpt-core/src/generation/probabilities.js';
import { GPT, presets } from '/work/main/packages/gpt-core/src/index.js';

await initCompute();
const model = GPT.create({ ...presets.gpt2, layerPattern: 'dense' }, { seed: 1 });
const batch = Number(process.argv[3] ?? 1);
const P = Number(process.argv[4] ?? 512);
for (const weights of process.argv[2].split(',')) {
  const open = () => openSession(model, { capacity: P + 128, rows: batch, weights });
  const prompts = Array.from({ length: batch }, (_, row) =>
    Array.from({ length: P }, (_, i) => ((row * P + i) * 7919) % 50257),
  );
  let session = open();
  let t = performance.now();
  let logits = await session.read(prompts);
  console.log(weights, 'first prefill', performance.now() - t);
  t = performance.now();
  logits = await session.read(logits.map(([row]) => [argmax(row!)]));
  console.log(weights, 'first decode', performance.now() - t);
  session.dispose();
  session = open();
  t = performance.now();
  let c = process.cpuUsage();
  logits = await session.read(prompts);
  let u = process.cpuUsage(c);
  console.log(weights, 'prefill', performance.now() - t, 'cpu', (u.user + u.system) / 1e3);
  for (let r = 0; r < 4; r++) {
    t = performance.now();
    c = process.cpuUsage();
    for (let i = 0; i < 16; i++) logits = await session.read(logits.map(([row]) => [argmax(row!)]));
    u = process.cpuUsage(c);
    console.log(
      weights,
      'decode ms/token',
      (performance.now() - t) / 16,
      'cpu',
      (u.user + u.system) / 16e3,
      'rss',
      (process.memoryUsage().rss / 2 ** 20) | 0,
    );
  }
  session.dispose();
}
process.exit(0);
