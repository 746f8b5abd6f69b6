import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

interface StoredTensor {
  shape: number[];
  values: number[];
}

interface InstructGPTFixture {
  // biome-ignore lint/suspicious/noExplicitAny: free-form numbers of the reference
  scalars: any;
  tensors: Record<string, Record<string, StoredTensor>>;
}

/** Reference numbers computed in float64; see the `reference` field of the file. */
export const fixture: InstructGPTFixture = JSON.parse(
  readFileSync(new URL('./fixtures/instructgpt.json', import.meta.url), 'utf8'),
);

/** A tensor of the fixture: `reference('gae', 'rewards')`. */
export function reference<T extends tf.Tensor = tf.Tensor2D>(
  group: string,
  name: string,
  dtype: 'float32' | 'int32' = 'float32',
): T {
  const stored = fixture.tensors[group]?.[name];
  if (!stored) throw new Error(`no ${group}/${name} in the fixture`);
  return tf.tensor(stored.values, stored.shape, dtype) as T;
}

/** Compares with the stored tensor: |actual − expected| ≤ 1e-5 + 1e-5 |expected|. */
export function expectReference(actual: tf.Tensor, group: string, name: string, tolerance = 1e-5): void {
  const stored = fixture.tensors[group]![name]!;
  expect(actual.shape).toEqual(stored.shape);
  expectNumbers(actual.dataSync(), stored.values, tolerance, `${group}/${name}`);
}

export function expectNumbers(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= tolerance * (1 + Math.abs(expected[i]!)))) {
      expect.fail(`${what}[${i}] is ${actual[i]}, expected ${expected[i]} (tolerance ${tolerance})`);
    }
  }
}
