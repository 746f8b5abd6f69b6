import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSafetensors } from '@gpt-lineage/vision-clip/safetensors/node';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** Absolute path below `test/fixtures`. */
export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

export function fixtureJson<T>(name: string): T {
  return JSON.parse(readFileSync(fixturePath(name), 'utf8')) as T;
}

export interface FixtureArray {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

export type Fixture = ReadonlyMap<string, FixtureArray>;

/** Every tensor of a `.safetensors` fixture. */
export async function fixtureTensors(name: string): Promise<Fixture> {
  const file = await openSafetensors(fixturePath(name));
  const tensors = new Map<string, FixtureArray>();
  for (const [tensor, info] of file.tensors) {
    tensors.set(tensor, { shape: info.shape, values: (await file.read(tensor)) as Float32Array });
  }
  await file.close();
  return tensors;
}

export function ints(fixture: Fixture, name: string): tf.Tensor2D {
  const { shape, values } = fixture.get(name)!;
  return tf.tensor2d(Int32Array.from(values), shape as [number, number], 'int32');
}

export function rows(fixture: Fixture, name: string): number[][] {
  const { shape, values } = fixture.get(name)!;
  const [count, length] = shape as [number, number];
  return Array.from({ length: count }, (_, row) =>
    Array.from(values.subarray(row * length, (row + 1) * length)),
  );
}

/** Largest absolute difference must stay within `tolerance`; NaN and infinities must agree. */
export function expectClose(
  actual: tf.Tensor | Float32Array,
  expected: FixtureArray | Float32Array,
  tolerance = 1e-4,
): void {
  const values = actual instanceof tf.Tensor ? (actual.dataSync() as Float32Array) : actual;
  const wanted = expected instanceof Float32Array ? expected : expected.values;
  if (actual instanceof tf.Tensor && !(expected instanceof Float32Array)) {
    expect(actual.shape).toEqual([...expected.shape]);
  }
  expect(values.length).toBe(wanted.length);
  let worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    const [a, e] = [values[i]!, wanted[i]!];
    if (a === e) continue;
    const difference = Math.abs(a - e);
    if (!(difference <= tolerance)) {
      throw new Error(`element ${i}: expected ${e}, received ${a} (tolerance ${tolerance})`);
    }
    worst = Math.max(worst, difference);
  }
  expect(worst).toBeLessThanOrEqual(tolerance);
}
