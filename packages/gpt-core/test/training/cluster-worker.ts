/** One worker of cluster.test.ts: `cluster-worker.ts host:port,… index out.json`; no addresses: alone. */
import { writeFileSync } from 'node:fs';
import { initCompute, joinCluster } from '@gpt-lineage/compute';
import { GPT, pretrain, textSource } from '../../src/index.js';
import { collect, tinyConfig, verse, verseTokenizer } from '../support/training.js';

const [addresses = '', index = '0', out = ''] = process.argv.slice(2);
await initCompute({ prefer: 'tensorflow', strict: true });
const workers = addresses === '' ? [] : addresses.split(',');
const cluster =
  workers.length > 0 ? joinCluster({ workers, index: Number(index), timeoutSeconds: 60 }) : undefined;
const model = GPT.create(tinyConfig, { seed: 4 });
const { train } = textSource(verse, verseTokenizer, { contextLength: 16, seed: 2 });
const events = await collect(
  pretrain(model, train, {
    steps: 6,
    batchSize: 8,
    microBatchSize: 2,
    learningRate: 3e-3,
    ...(cluster && { cluster }),
  }),
);
const steps = events.filter((event) => event.type === 'step');
writeFileSync(out, JSON.stringify(steps.map(({ loss, gradientNorm }) => [loss, gradientNorm])));
process.exit(0);
