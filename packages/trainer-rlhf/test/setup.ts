import { initCompute } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll } from 'vitest';

beforeAll(async () => {
  await initCompute({ prefer: 'wasm' });
  await tf.ready();
});
