import { beforeAll, describe } from 'vitest';
import { setupBackend } from '../src/testing/index.js';
import { executors } from './executors.js';
import { inPlaceTests } from './in-place.js';

beforeAll(async () => {
  await setupBackend();
});

describe.each(executors)('results that overwrite arguments on %s', (executor) => inPlaceTests(executor));
