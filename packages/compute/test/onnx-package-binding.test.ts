import { beforeAll, describe, expect, it, vi } from 'vitest';

// The binding that onnxruntime-node brings, as where its library cannot be called directly.
vi.hoisted(() => {
  process.env.GPT_LINEAGE_ONNX_BINDING = 'package';
});

import { fillsGivenMemory, updatesInPlace } from '../src/executors/onnx/runtime.js';
import { setupBackend } from '../src/testing/index.js';
import { executors } from './executors.js';
import { inPlaceTests } from './in-place.js';
import { slabNumbersTest } from './slabs.js';

beforeAll(async () => {
  await setupBackend();
});

describe.runIf(executors.includes('onnx'))(
  "results that overwrite arguments, by the package's binding",
  () => {
    it('copies', () => {
      expect([fillsGivenMemory(), updatesInPlace()]).toEqual([true, false]);
    });
    inPlaceTests('onnx');
  },
);

describe.runIf(executors.includes('onnx'))("large weights, by the package's binding", () =>
  slabNumbersTest(),
);
