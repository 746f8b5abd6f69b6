import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';

const folder = new URL('./fixtures/', import.meta.url);

/** Opens a fixture file; `tensor` makes a new tensor at every call, which the caller disposes of. */
export function fixture(name: string) {
  const file = readFileSync(new URL(name, folder));
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return {
    names: Object.keys(header).filter((key) => key !== '__metadata__'),
    tensor<T extends tf.Tensor = tf.Tensor4D>(key: string): T {
      const entry = header[key];
      if (!entry) throw new Error(`${name} has no '${key}'`);
      const [begin, end] = entry.data_offsets;
      const bytes = file.subarray(8 + headerLength + begin, 8 + headerLength + end);
      const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      const isInt = entry.dtype === 'I32';
      const values = isInt ? new Int32Array(buffer) : new Float32Array(buffer);
      return tf.tensor(values, entry.shape, isInt ? 'int32' : 'float32') as T;
    },
  };
}

export function fixtureJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as T;
}

/** Gaussian numbers from a seed: mulberry32 and Box–Muller, the same on every backend. */
export function random(shape: readonly number[], seed: number): tf.Tensor4D {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from(
    { length: size },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
  return tf.tensor(values, [...shape]) as tf.Tensor as tf.Tensor4D;
}

export interface ReferenceInputs {
  readonly query: tf.Tensor4D;
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
}

/**
 * The definition in float64 and plain loops: softmax over the keys that `allows` names, zeros for a row without any.
 *
 * @param score changes a scaled score; `allows` and `score` receive batch, head, query and key
 */
export async function reference(
  { query, key, value }: ReferenceInputs,
  allows: (b: number, h: number, i: number, j: number) => boolean,
  options: {
    scale?: number;
    score?: (score: number, b: number, h: number, i: number, j: number) => number;
  } = {},
): Promise<{ output: tf.Tensor4D; weights: tf.Tensor4D }> {
  const [batch, heads, rows, dim] = query.shape;
  const [, keyHeads, columns] = key.shape;
  const valueDim = value.shape[3];
  const [q, k, v] = await Promise.all([query.data(), key.data(), value.data()]);
  const scale = options.scale ?? 1 / Math.sqrt(dim);
  const output = new Float32Array(batch * heads * rows * valueDim);
  const weights = new Float32Array(batch * heads * rows * columns);
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++) {
      const kh = b * keyHeads + Math.floor((h * keyHeads) / heads);
      for (let i = 0; i < rows; i++) {
        const row = (b * heads + h) * rows + i;
        const scores = Array.from({ length: columns }, (_, j) => {
          if (!allows(b, h, i, j)) return Number.NEGATIVE_INFINITY;
          let dot = 0;
          for (let d = 0; d < dim; d++) dot += q[row * dim + d]! * k[(kh * columns + j) * dim + d]!;
          const scaled = dot * scale;
          return options.score ? options.score(scaled, b, h, i, j) : scaled;
        });
        const max = Math.max(...scores);
        if (max === Number.NEGATIVE_INFINITY) continue;
        const exps = scores.map((s) => Math.exp(s - max));
        const total = exps.reduce((a, x) => a + x, 0);
        for (let j = 0; j < columns; j++) {
          const weight = exps[j]! / total;
          weights[row * columns + j] = weight;
          for (let d = 0; d < valueDim; d++) {
            output[row * valueDim + d]! += weight * v[(kh * columns + j) * valueDim + d]!;
          }
        }
      }
    }
  return {
    output: tf.tensor4d(output, [batch, heads, rows, valueDim]),
    weights: tf.tensor4d(weights, [batch, heads, rows, columns]),
  };
}
