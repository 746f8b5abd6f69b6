import { once } from 'node:events';
import { startServer } from '../src/server/app.js';
import type { ServerOptions } from '../src/server/options.js';

// A server in a process of its own, so that clients do not take its time from it. Started by `spawnServer`.

process.once('message', async (options: ServerOptions) => {
  const server = await startServer({ ...options, port: 0, logLevel: 'silent' });
  process.send!({ url: server.url });
  process.on('message', () => {
    let tensors = 0;
    void import('@tensorflow/tfjs-core').then(async (tf) => {
      tensors = tf.memory().numTensors;
      const stats = [];
      for await (const { card, engine } of server.registry.loaded())
        stats.push({ id: card.id, ...engine.stats });
      process.send!({ tensors, rss: process.memoryUsage().rss, stats });
    });
  });
  await once(process, 'disconnect');
  await server.close(1000);
  process.exit();
});
