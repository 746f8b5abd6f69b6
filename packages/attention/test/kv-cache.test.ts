import { expectNoLeak, expectTensorClose, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  bandedAttention,
  type CachedPositions,
  type CacheLayer,
  denseAttention,
  fixedAttention,
  KVCache,
  stridedAttention,
  topKAttention,
} from '../src/index.js';
import { random } from './support.js';

beforeAll(setupBackend);

type Attention = (
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  at: CachedPositions | object,
) => tf.Tensor4D;

const window = 5;
const ring: CacheLayer = { kind: 'window', window };
const full: CacheLayer = { kind: 'full', capacity: 24 };

const cases: { name: string; layer: CacheLayer; attention: Attention }[] = [
  {
    name: 'dense',
    layer: full,
    attention: (q, k, v, at) => denseAttention(q, k, v, { causal: true, ...at }),
  },
  {
    name: 'banded, full buffer',
    layer: full,
    attention: (q, k, v, at) => bandedAttention(q, k, v, { window, ...at }),
  },
  {
    name: 'banded, ring',
    layer: ring,
    attention: (q, k, v, at) => bandedAttention(q, k, v, { window, ...at }),
  },
  {
    name: 'banded in small tiles, ring with slack',
    layer: { kind: 'window', window, slack: 3 },
    attention: (q, k, v, at) => bandedAttention(q, k, v, { window, block: 2, ...at }),
  },
  {
    name: 'strided',
    layer: full,
    attention: (q, k, v, at) => stridedAttention(q, k, v, { stride: 4, ...at }),
  },
  {
    name: 'strided, one factor per head',
    layer: full,
    attention: (q, k, v, at) => stridedAttention(q, k, v, { stride: 3, factor: 'perHead', ...at }),
  },
  {
    name: 'fixed',
    layer: full,
    attention: (q, k, v, at) => fixedAttention(q, k, v, { stride: 4, summary: 2, ...at }),
  },
  {
    name: 'fixed, summaries only',
    layer: full,
    attention: (q, k, v, at) => fixedAttention(q, k, v, { stride: 3, factor: 'summary', ...at }),
  },
  { name: 'top-k', layer: full, attention: (q, k, v, at) => topKAttention(q, k, v, { k: 4, ...at }) },
];

const sizes = { batch: 2, heads: 4, nKvHead: 2, headDim: 3, valueDim: 5, length: 19 };

function inputs(seed: number) {
  const { batch, heads, nKvHead, headDim, valueDim, length } = sizes;
  return {
    query: random([batch, heads, length, headDim], seed),
    key: random([batch, nKvHead, length, headDim], seed + 1),
    value: random([batch, nKvHead, length, valueDim], seed + 2),
  };
}

function cut(x: tf.Tensor4D, begin: number, end: number): tf.Tensor4D {
  return tf.slice(x, [0, 0, begin, 0], [x.shape[0], x.shape[1], end - begin, x.shape[3]]);
}

/** Runs the text in chunks through a cache; `fed` passes the position as a tensor, as a captured step would. */
function decode(
  layer: CacheLayer,
  attention: Attention,
  chunks: readonly number[],
  { query, key, value }: ReturnType<typeof inputs>,
  options: { fed: boolean; starts?: tf.Tensor },
): tf.Tensor4D {
  const { batch, nKvHead, headDim, valueDim } = sizes;
  const cache = new KVCache({
    ...{ batch, nKvHead, headDim, valueDim, layers: [layer] },
    ...(options.starts ? { starts: options.starts } : {}),
  });
  const outputs = tf.tidy(() => {
    const pieces: tf.Tensor4D[] = [];
    for (const count of chunks) {
      const [begin, end] = [cache.length, cache.length + count];
      const position = options.fed ? tf.scalar(begin, 'int32') : begin;
      const cached = cache.append(0, cut(key, begin, end), cut(value, begin, end), position);
      pieces.push(attention(cut(query, begin, end), cached.key, cached.value, cached.positions));
      cache.advance(count);
    }
    return tf.concat(pieces, 2);
  });
  cache.dispose();
  return outputs;
}

/** Chunk lengths that add up to `length`. */
const splits = (length: number) =>
  fc
    .uniqueArray(fc.integer({ min: 1, max: length - 1 }), { maxLength: 6 })
    .map((cuts) => [0, ...cuts.sort((a, b) => a - b), length])
    .map((edges) => edges.slice(1).map((edge, i) => edge - edges[i]!));

describe('cached decoding equals the full forward pass', () => {
  for (const { name, layer, attention } of cases) {
    it(`${name}: at every single split point`, async () => {
      const all = inputs(1);
      const expected = attention(all.query, all.key, all.value, {});
      for (let split = 1; split < sizes.length; split++) {
        const output = await expectNoLeak(() =>
          decode(layer, attention, [split, sizes.length - split], all, { fed: false }),
        );
        await expectTensorClose(output, expected, { atol: 1e-5, rtol: 0 });
        output.dispose();
      }
    });

    it(`${name}: random splits, positions as numbers and as tensors`, async () => {
      const all = inputs(7);
      const expected = attention(all.query, all.key, all.value, {});
      await fc.assert(
        fc.asyncProperty(splits(sizes.length), fc.boolean(), async (chunks, fed) => {
          // A ring takes at most its slots at a time when the position is only known later.
          fc.pre(!fed || layer.kind === 'full' || Math.max(...chunks) <= layer.window);
          const output = decode(layer, attention, chunks, all, { fed });
          await expectTensorClose(output, expected, { atol: 1e-5, rtol: 0 });
          output.dispose();
        }),
        { numRuns: 40, seed: 3 },
      );
    });

    it(`${name}: one token at a time, rows padded on the left`, async () => {
      const all = inputs(11);
      const starts = tf.tensor1d([0, 6], 'int32');
      const paddingMask = tf.tidy(
        () =>
          tf.cast(
            tf.greaterEqual(
              tf.reshape(tf.range(0, sizes.length, 1, 'int32'), [1, -1]),
              tf.reshape(starts, [2, 1]),
            ),
            'float32',
          ) as tf.Tensor2D,
      );
      const expected = attention(all.query, all.key, all.value, { paddingMask });
      for (const fed of [false, true]) {
        const chunks = Array(sizes.length).fill(1);
        await expectTensorClose(decode(layer, attention, chunks, all, { fed, starts }), expected, {
          atol: 1e-5,
          rtol: 0,
        });
      }
    });
  }
});

describe('KVCache', () => {
  const make = (layers: CacheLayer[]) => new KVCache({ batch: 2, nKvHead: 1, headDim: 2, layers });
  const token = (value: number, count = 1) => tf.fill([2, 1, count, 2], value) as tf.Tensor4D;

  it('rewinds: what follows equals never having taken the detour', async () => {
    const all = inputs(5);
    for (const { layer, attention } of cases) {
      const { batch, nKvHead, headDim, valueDim } = sizes;
      const spec: CacheLayer = layer.kind === 'full' ? layer : { ...layer, slack: 4 };
      const cache = new KVCache({ batch, nKvHead, headDim, valueDim, layers: [spec] });
      const step = (begin: number, end: number, from = all) => {
        const cached = cache.append(0, cut(from.key, begin, end), cut(from.value, begin, end));
        cache.advance(end - begin);
        return attention(cut(from.query, begin, end), cached.key, cached.value, cached.positions);
      };
      step(0, 12);
      step(12, 16, inputs(99)); // a rejected draft
      cache.rewind(12);
      const output = step(12, 19);
      const expected = cut(attention(all.query, all.key, all.value, {}), 12, 19);
      await expectTensorClose(output, expected, { atol: 1e-5, rtol: 0 });
      cache.dispose();
    }
  });

  it('a full ring rewinds by its slack and no further', () => {
    const cache = make([{ kind: 'window', window: 4, slack: 2 }]);
    cache.append(0, token(1, 10), token(1, 10));
    cache.advance(10);
    expect(() => cache.rewind(7)).toThrowErrorMatchingInlineSnapshot(
      `[CacheError: a ring of 6 slots for a window of 4 can rewind by 2 tokens, not from 10 to 7; give the layer more slack]`,
    );
    cache.rewind(8);
    expect(cache.length).toBe(8);
    // The slack is used up: the two forgotten tokens still lie where older ones were.
    expect(() => cache.rewind(7)).toThrow(/more slack/);
    cache.rewind(0);
    expect(cache.length).toBe(0);
    cache.dispose();
  });

  it('forks: copies share nothing afterwards, in either order of disposal', async () => {
    const cache = make([{ kind: 'full', capacity: 8 }]);
    cache.append(0, token(1, 2), token(1, 2));
    cache.advance(2);
    const fork = cache.fork([1, 1, 0]);
    expect(fork.batch).toBe(3);
    expect(fork.length).toBe(2);
    const own = cache.append(0, token(5), token(5));
    cache.dispose();
    const fresh = tf.fill([3, 1, 1, 2], 7) as tf.Tensor4D;
    const other = fork.append(0, fresh, fresh);
    await expectTensorClose(own.key, [1, 1, 1, 1, 5, 5, 1, 1, 1, 1, 5, 5]);
    await expectTensorClose(other.key, Array(3).fill([1, 1, 1, 1, 7, 7]).flat());
    fork.dispose();
  });

  it('a plain fork and its origin write apart', async () => {
    const cache = make([{ kind: 'full', capacity: 2 }]);
    cache.append(0, token(1), token(1));
    cache.advance(1);
    const fork = cache.fork();
    const first = cache.append(0, token(2), token(2));
    const second = fork.append(0, token(3), token(3));
    await expectTensorClose(first.key, [1, 1, 2, 2, 1, 1, 2, 2]);
    await expectTensorClose(second.key, [1, 1, 3, 3, 1, 1, 3, 3]);
    cache.rewind(0);
    cache.append(0, token(9), token(9));
    const third = fork.append(0, token(4), token(4));
    await expectTensorClose(third.key, [1, 1, 4, 4, 1, 1, 4, 4]);
    cache.dispose();
    fork.dispose();
  });

  it('reorders rows in place', async () => {
    const cache = make([{ kind: 'full', capacity: 2 }]);
    const rows = tf.tensor4d([1, 1, 2, 2], [2, 1, 1, 2]);
    cache.append(0, rows, rows);
    cache.advance(1);
    cache.reorder([1, 1]);
    const { key } = cache.append(0, rows, rows);
    await expectTensorClose(key, [2, 2, 1, 1, 2, 2, 2, 2]);
    cache.dispose();
  });

  it('leaves nothing behind', async () => {
    await expectNoLeak(() => {
      using cache = make([
        { kind: 'full', capacity: 8 },
        { kind: 'window', window: 3 },
      ]);
      for (let i = 0; i < 6; i++) {
        tf.tidy(() => {
          cache.append(0, token(i), token(i));
          cache.append(1, token(i), token(i), tf.scalar(i, 'int32'));
          cache.advance(1);
        });
      }
      using fork = cache.fork();
      fork.rewind(0);
      cache.reorder([1, 0]);
    });
  });

  it('says what does not fit', () => {
    const cache = make([{ kind: 'full', capacity: 3 }]);
    expect(() => cache.append(0, token(0, 4), token(0, 4))).toThrowErrorMatchingInlineSnapshot(
      `[CacheError: 0 + 4 tokens exceed the capacity of 3; make a larger cache or drop old tokens]`,
    );
    expect(() => cache.append(0, token(0), token(0), 2)).toThrow(/leaves a gap/);
    expect(() => cache.append(1, token(0), token(0))).toThrow(/layer must be in 0 … 0/);
    expect(() => cache.append(0, tf.zeros([2, 2, 1, 2]), token(0))).toThrow(
      /key must have shape \[2, 1, newTokens/,
    );
    expect(() => cache.append(0, token(0), tf.zeros([2, 1, 2, 2]))).toThrow(/value must have shape/);
    expect(() => cache.advance(4)).toThrow(/capacity of 3/);
    expect(() => cache.rewind(1)).toThrow(/holds 0 … 0/);
    expect(() => cache.fork([2])).toThrow(/rows must be in 0 … 1/);
    expect(() => make([])).toThrow(/layers.length must be an integer ≥ 1/);
    cache.dispose();
    cache.dispose();
    expect(() => cache.append(0, token(0), token(0))).toThrow(/was disposed/);
  });
});
