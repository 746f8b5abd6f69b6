import { readFileSync } from 'node:fs';
import type { SafetensorsArray } from '../src/safetensors/index.js';
import { readSafetensors } from '../src/safetensors/index.js';

export interface FixtureTensor {
  readonly shape: readonly number[];
  readonly data: SafetensorsArray;
}

export function fixturePath(name: string): URL {
  return new URL(`./fixtures/${name}`, import.meta.url);
}

export function fixtureJson<T>(name: string): T {
  return JSON.parse(readFileSync(fixturePath(name), 'utf8')) as T;
}

/** All tensors of a fixture file. */
export async function fixtureTensors(name: string): Promise<Record<string, FixtureTensor>> {
  const file = await readSafetensors(new Uint8Array(readFileSync(fixturePath(name))));
  const out: Record<string, FixtureTensor> = {};
  for (const { name: tensor, shape } of file.tensors.values()) {
    out[tensor] = { shape, data: await file.read(tensor) };
  }
  return out;
}

/** Largest |a − b|; NaN anywhere or a different length is an infinite difference. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return worst;
}

/** A small deterministic generator (mulberry32) for test data. */
export function randomBytes(length: number, seed: number): Uint8Array {
  let state = seed >>> 0;
  return Uint8Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) & 0xff;
  });
}
