import { initCompute } from '@gpt-lineage/compute';
import { expect, it } from 'vitest';
import { GPT } from '../../src/index.js';

// ALiBi has no compiled step: these positions decode op by op on whatever backend is active.
const configs = { compiled: {}, 'op by op': { positions: 'alibi' as const } };

it.each(Object.entries(configs))('same seed, same text on each backend: %s', async (_name, overrides) => {
  const texts: Record<string, readonly (readonly number[])[]> = {};
  for (const backend of ['cpu', 'wasm'] as const) {
    await initCompute({ prefer: backend, strict: true });
    const model = GPT.create(
      {
        vocabSize: 60,
        contextLength: 32,
        nLayer: 2,
        nHead: 2,
        nEmbd: 16,
        initializerRange: 0.3,
        ...overrides,
      },
      { seed: 4 },
    );
    const { choices } = await model.generate([3, 1, 4, 1, 5], { maxTokens: 16, n: 3, seed: 9, topP: 0.95 });
    texts[backend] = choices.map(({ tokenIds }) => tokenIds);
    model.dispose();
  }
  expect(texts.wasm).toEqual(texts.cpu);
  // Not the same text over and over.
  expect(new Set(texts.cpu!.map(String)).size).toBe(3);
});
