import * as tf from '@tensorflow/tfjs-core';

export interface Tolerance {
  /** Absolute part. Default 1e-5. */
  readonly atol?: number;
  /** Relative part, times the expected value. Default 1e-4. */
  readonly rtol?: number;
}

type Expected = tf.Tensor | ArrayLike<number> | NestedNumbers;
type NestedNumbers = readonly (number | NestedNumbers)[];

/**
 * Fails unless `|actual − expected| ≤ atol + rtol·|expected|` everywhere; NaN equals only NaN and an infinity only
 * itself. The message names the first bad index and the worst one. A nested or tensor `expected` also fixes the
 * shape; a flat one only the number of elements.
 */
export async function expectTensorClose(
  actual: tf.Tensor,
  expected: Expected,
  { atol = 1e-5, rtol = 1e-4 }: Tolerance = {},
): Promise<void> {
  const want = await numbersOf(expected);
  if (want.shape !== undefined && String(want.shape) !== String(actual.shape)) {
    throw new Error(`shape [${actual.shape}] is not the expected [${want.shape}]`);
  }
  if (actual.size !== want.values.length) {
    throw new Error(`${actual.size} elements (shape [${actual.shape}]), expected ${want.values.length}`);
  }
  const got = await actual.data();
  let first = -1;
  let worst = -1;
  let worstExcess = 0;
  let bad = 0;
  for (let i = 0; i < got.length; i++) {
    const a = Number(got[i]);
    const e = Number(want.values[i]);
    if (Object.is(a, e) || a === e || (Number.isNaN(a) && Number.isNaN(e))) continue;
    const difference = Math.abs(a - e);
    const excess = Number.isFinite(difference) ? difference - (atol + rtol * Math.abs(e)) : Infinity;
    if (excess <= 0) continue;
    bad++;
    if (first < 0) first = i;
    if (excess > worstExcess) {
      worstExcess = excess;
      worst = i;
    }
  }
  if (bad === 0) return;
  const at = (i: number) =>
    `[${indexOf(i, actual.shape)}] is ${got[i]}, expected ${want.values[i]} (difference ${Math.abs(Number(got[i]) - Number(want.values[i]))})`;
  throw new Error(
    `${bad} of ${got.length} elements of a [${actual.shape}] tensor exceed atol ${atol}, rtol ${rtol}: first ${at(first)}, worst ${at(worst)}`,
  );
}

/**
 * Runs `fn` and fails when it left tensors behind, also when it throws. Tensors that `fn` returns (a tensor, or an
 * array or record of them) are not counted.
 */
export async function expectNoLeak<T>(fn: () => T | Promise<T>): Promise<T> {
  const before = tf.memory().numTensors;
  let result: T | undefined;
  let failed: { error: unknown } | undefined;
  try {
    result = await fn();
  } catch (error) {
    failed = { error };
  }
  const returned = failed ? 0 : new Set(tensorsIn(result)).size;
  const left = tf.memory().numTensors - before - returned;
  if (left !== 0) {
    const suffix = failed ? ` and threw ${String(failed.error)}` : '';
    throw new Error(`${left} tensor(s) more than before the call are alive${suffix}`);
  }
  if (failed) throw failed.error;
  return result as T;
}

function tensorsIn(value: unknown): tf.Tensor[] {
  if (value instanceof tf.Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsIn);
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.values(value).flatMap(tensorsIn);
  }
  return [];
}

async function numbersOf(
  expected: Expected,
): Promise<{ values: ArrayLike<number>; shape: number[] | undefined }> {
  if (expected instanceof tf.Tensor) return { values: await expected.data(), shape: expected.shape };
  if (Array.isArray(expected) && Array.isArray(expected[0])) {
    const shape: number[] = [];
    for (let level: unknown = expected; Array.isArray(level); level = level[0]) shape.push(level.length);
    return { values: expected.flat(Infinity) as number[], shape };
  }
  return { values: expected as ArrayLike<number>, shape: undefined };
}

function indexOf(flat: number, shape: readonly number[]): string {
  const index: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    index.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return index.join(', ');
}
