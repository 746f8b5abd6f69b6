import { expect, it } from 'vitest';
import { CacheMemory } from '../../src/generation/cache-memory.js';

it('hands arrays on by their length, each to one session', () => {
  const memory = new CacheMemory();
  const [a, b] = [memory.take(8), memory.take(8)];
  memory.give([a, b]);
  expect(memory.take(9) === a).toBe(false);
  const again = [memory.take(8), memory.take(8)];
  expect(again.every((array) => array === a || array === b) && again[0] !== again[1]).toBe(true);
  expect(memory.take(8) === a).toBe(false);
});

it('keeps 16 MB at most: what came last', () => {
  const memory = new CacheMemory();
  const arrays = [1, 2, 3].map((part) => new Float32Array(2 ** 21 - part));
  memory.give(arrays);
  expect(memory.take(2 ** 21 - 1) === arrays[0]).toBe(false);
  expect(memory.take(2 ** 21 - 2) === arrays[1]).toBe(true);
  memory.clear();
  expect(memory.take(2 ** 21 - 3) === arrays[2]).toBe(false);
});
