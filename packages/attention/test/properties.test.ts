import { checkGradients, expectNoLeak, expectTensorClose, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type AttentionOptions,
  type AttentionPattern,
  bandedAttention,
  bandedPattern,
  blockPattern,
  causalPattern,
  chunkedAttention,
  columnPattern,
  denseAttention,
  fixedAttention,
  fixedPattern,
  fullPattern,
  prefixPattern,
  stridedAttention,
  stridedPattern,
  summaryPattern,
  topKAttention,
} from '../src/index.js';
import { random, reference } from './support.js';

beforeAll(setupBackend);

const close = { atol: 1e-5, rtol: 1e-5 };

type Attention = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, o?: AttentionOptions) => tf.Tensor4D;
interface Variant {
  readonly name: string;
  readonly run: Attention;
  readonly pattern: AttentionPattern;
}

/** Every function with the rule that defines it; `a` and `b` are small random numbers. */
function variants(a: number, b: number): Variant[] {
  const summary = Math.min(a, b);
  return [
    { name: 'full', pattern: fullPattern, run: (q, k, v, o) => denseAttention(q, k, v, o) },
    {
      name: 'causal',
      pattern: causalPattern,
      run: (q, k, v, o) => denseAttention(q, k, v, { ...o, causal: true }),
    },
    {
      name: `causal by ${a} queries`,
      pattern: causalPattern,
      run: (q, k, v, o) => denseAttention(q, k, v, { ...o, causal: true, queryTile: a }),
    },
    {
      name: 'chunked',
      pattern: causalPattern,
      run: (q, k, v, o) => chunkedAttention(q, k, v, { ...o, causal: true, queryChunk: a, keyChunk: b }),
    },
    {
      name: `banded ${a}`,
      pattern: bandedPattern(a),
      run: (q, k, v, o) => bandedAttention(q, k, v, { ...o, window: a }),
    },
    {
      name: `banded ${a} block ${b}`,
      pattern: bandedPattern(a),
      run: (q, k, v, o) => bandedAttention(q, k, v, { ...o, window: a, block: b }),
    },
    {
      name: `strided ${a}`,
      pattern: stridedPattern(a),
      run: (q, k, v, o) => stridedAttention(q, k, v, { ...o, stride: a }),
    },
    {
      name: `column ${a}`,
      pattern: columnPattern(a),
      run: (q, k, v, o) => stridedAttention(q, k, v, { ...o, stride: a, factor: 'column' }),
    },
    {
      name: `fixed ${a}, ${summary}`,
      pattern: fixedPattern(a, summary),
      run: (q, k, v, o) => fixedAttention(q, k, v, { ...o, stride: a, summary }),
    },
    {
      name: `block ${a}`,
      pattern: blockPattern(a),
      run: (q, k, v, o) => fixedAttention(q, k, v, { ...o, stride: a, factor: 'block' }),
    },
    {
      name: `summary ${a}, ${summary}`,
      pattern: summaryPattern(a, summary),
      run: (q, k, v, o) => fixedAttention(q, k, v, { ...o, stride: a, summary, factor: 'summary' }),
    },
    {
      name: `summary ${a}, ${summary} with the own block`,
      pattern: summaryPattern(a, summary, true),
      run: (q, k, v, o) =>
        fixedAttention(q, k, v, { ...o, stride: a, summary, factor: 'summary', ownBlock: true }),
    },
    {
      name: 'top-k of all',
      pattern: causalPattern,
      run: (q, k, v, o) => topKAttention(q, k, v, { ...o, k: 99 }),
    },
    {
      name: 'prefix pattern',
      pattern: prefixPattern(a),
      run: (q, k, v, o) => denseAttention(q, k, v, { ...o, pattern: prefixPattern(a), queryTile: b }),
    },
  ];
}

interface InputSizes {
  readonly batch?: number;
  readonly heads?: number;
  readonly keyHeads?: number;
  readonly rows?: number;
  readonly columns?: number;
  readonly dim?: number;
  readonly valueDim?: number;
}

function inputs(sizes: InputSizes = {}, seed = 1) {
  const { batch = 2, heads = 2, rows = 9, dim = 3 } = sizes;
  const { keyHeads = heads, columns = rows, valueDim = dim } = sizes;
  return {
    query: random([batch, heads, rows, dim], seed),
    key: random([batch, keyHeads, columns, dim], seed + 1),
    value: random([batch, keyHeads, columns, valueDim], seed + 2),
  };
}

describe('every variant equals the definition under its pattern', () => {
  const shapes = fc.record({
    which: fc.nat(variants(1, 1).length - 1),
    a: fc.integer({ min: 1, max: 9 }),
    b: fc.integer({ min: 1, max: 9 }),
    batch: fc.integer({ min: 1, max: 2 }),
    keyHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 2 }),
    columns: fc.integer({ min: 1, max: 33 }),
    extra: fc.nat(7),
    dim: fc.integer({ min: 1, max: 5 }),
    valueDim: fc.integer({ min: 1, max: 5 }),
    masked: fc.constantFrom('none', 'padding', 'segments', 'both'),
  });

  it('over sizes, grouped heads, later queries, padding and packed segments', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ which, a, b, masked, group, extra, ...s }) => {
        const variant = variants(a, b)[which]!;
        // Queries are the last positions of the keys, as in chunked prefill.
        const rows = Math.max(1, s.columns - extra);
        const x = inputs({ ...s, heads: s.keyHeads * group, rows }, a * 100 + b);
        const offset = s.columns - rows;
        const hides = (bIndex: number, j: number) => (j + bIndex) % 4 === 0;
        const segment = (bIndex: number, j: number) => Math.floor((j + bIndex) / 5);
        const ids = (from: number, to: number) =>
          tf.tensor2d(
            Array.from({ length: s.batch }, (_, bi) =>
              Array.from({ length: to - from }, (_, j) => segment(bi, from + j)),
            ),
            [s.batch, to - from],
            'int32',
          );
        const withPadding = masked === 'padding' || masked === 'both';
        const withSegments = masked === 'segments' || masked === 'both';
        const options: AttentionOptions = {
          ...(withPadding
            ? {
                paddingMask: tf.tensor2d(
                  Array.from({ length: s.batch }, (_, bi) =>
                    Array.from({ length: s.columns }, (_, j) => (hides(bi, j) ? 0 : 1)),
                  ),
                  [s.batch, s.columns],
                ),
              }
            : {}),
          ...(withSegments ? { segmentIds: { query: ids(offset, s.columns), key: ids(0, s.columns) } } : {}),
        };
        const expected = await reference(
          x,
          (bi, _h, i, j) =>
            variant.pattern.allows(i + offset, j) &&
            !(withPadding && hides(bi, j)) &&
            !(withSegments && segment(bi, i + offset) !== segment(bi, j)),
        );
        const output = await expectNoLeak(() => variant.run(x.query, x.key, x.value, options));
        try {
          await expectTensorClose(output, expected.output, close);
        } catch (error) {
          throw new Error(`${variant.name}: ${(error as Error).message}`);
        }
        tf.dispose([
          output,
          expected,
          x,
          options.paddingMask ?? [],
          Object.values(options.segmentIds ?? {}),
        ] as never);
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 250), seed: 20 },
    );
  });
});

describe('gradients', () => {
  it.each(variants(4, 3).map((v) => [v.name, v] as const))(
    '%s: finite differences',
    async (_name, variant) => {
      const x = inputs({ rows: 11, keyHeads: 1, valueDim: 2 }, 5);
      const paddingMask = tf.tensor2d([Array(11).fill(1), [0, 0, ...Array(9).fill(1)]]);
      await checkGradients(
        (q, k, v) => variant.run(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, { paddingMask }),
        [x.query, x.key, x.value],
      );
    },
  );

  it('bias: finite differences, also broadcast', async () => {
    const x = inputs({ rows: 7 });
    for (const shape of [
      [2, 2, 7, 7],
      [1, 2, 1, 7],
      [1, 1, 7, 1],
      [7, 7],
    ]) {
      const bias = random(shape, 9);
      await checkGradients(
        (q, k, v, b) =>
          denseAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, {
            bias: b!,
            causal: true,
            queryTile: 3,
            keyTile: 2,
          }),
        [x.query, x.key, x.value, bias],
      );
    }
  });

  it('dropout: the backward pass drops what the forward pass dropped', async () => {
    const x = inputs({ rows: 8 });
    for (const seed of [3, tf.scalar(3, 'int32')]) {
      for (const run of [denseAttention, chunkedAttention]) {
        await checkGradients(
          (q, k, v) =>
            run(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, {
              causal: true,
              dropout: 0.4,
              seed,
            }) as tf.Tensor4D,
          [x.query, x.key, x.value],
        );
      }
    }
  });

  it('a tiled gradient equals the dense one', async () => {
    const x = inputs({ rows: 40, heads: 4 });
    const gradients = (run: Attention) =>
      tf.grads((q, k, v) => tf.sum(tf.square(run(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D))))([
        x.query,
        x.key,
        x.value,
      ]);
    for (const { name, run, pattern } of variants(7, 3)) {
      const [tiled, dense] = [gradients(run), gradients((q, k, v) => denseAttention(q, k, v, { pattern }))];
      for (const [i, g] of tiled.entries()) {
        await expectTensorClose(g, dense[i]!, { atol: 1e-5, rtol: 1e-4 }).catch((error: Error) => {
          throw new Error(`${name}: ${error.message}`);
        });
      }
    }
  });
});

describe('rows without any key', () => {
  it.each(variants(3, 2).map((v) => [v.name, v] as const))(
    '%s: zeros, and zero finite gradients',
    async (_n, variant) => {
      const x = inputs({ batch: 1, rows: 8 });
      const paddingMask = tf.zeros([1, 8]);
      const loss = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) =>
        tf.sum(
          tf.exp(variant.run(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, { paddingMask })),
        ) as tf.Scalar;
      const output = variant.run(x.query, x.key, x.value, { paddingMask });
      await expectTensorClose(output, tf.zeros(output.shape), { atol: 0, rtol: 0 });
      for (const g of tf.grads(loss)([x.query, x.key, x.value])) {
        await expectTensorClose(g, tf.zeros(g.shape), { atol: 0, rtol: 0 });
      }
    },
  );

  it('huge scores stay finite', async () => {
    const x = inputs({ rows: 6 });
    const q = tf.mul(x.query, 1e4) as tf.Tensor4D;
    for (const variant of variants(3, 2)) {
      const output = await variant.run(q, x.key, x.value).data();
      expect(output.every(Number.isFinite), variant.name).toBe(true);
    }
  });
});

describe('dropout', () => {
  it('drops the given share, keeps the expectation, repeats with its seed', async () => {
    const [rows, rate] = [64, 0.3];
    const query = tf.zeros([1, 2, rows, 4]) as tf.Tensor4D;
    const value = tf.ones([1, 2, rows, 1]) as tf.Tensor4D;
    const run = (seed: number) => denseAttention(query, query, value, { dropout: rate, seed });
    const [a, b, c] = [run(1), run(1), run(2)];
    await expectTensorClose(a, b, { atol: 0, rtol: 0 });
    expect((await tf.max(tf.abs(tf.sub(a, c))).data())[0]).toBeGreaterThan(0);
    // Each output is the mean of rows kept values of 1/0.7: 8,192 draws.
    expect((await tf.mean(a).data())[0]).toBeCloseTo(1, 1);
    const variance = (await tf.moments(a).variance.data())[0]!;
    expect(variance).toBeGreaterThan((0.6 * rate) / (1 - rate) / rows);
    expect(variance).toBeLessThan((1.5 * rate) / (1 - rate) / rows);
  });

  it('needs a seed', () => {
    const { query, key, value } = inputs();
    expect(() => denseAttention(query, key, value, { dropout: 0.1 })).toThrowErrorMatchingInlineSnapshot(
      `[AttentionOptionError: seed must be given when dropout is above 0: every random choice has a seed, received undefined]`,
    );
  });
});

describe('ownership', () => {
  it('the backward pass does not care what the caller disposed of', async () => {
    const x = inputs({ rows: 9 });
    const gradient = (early: boolean) => {
      const paddingMask = tf.tensor2d(
        Array(18)
          .fill(1)
          .map((one, i) => (i % 3 === 0 ? 0 : one)),
        [2, 9],
      );
      const segmentIds = tf.tensor2d(
        Array(18)
          .fill(0)
          .map((_, i) => Math.floor(i / 4)),
        [2, 9],
        'int32',
      );
      const seed = tf.scalar(5, 'int32');
      return tf.grad((q) => {
        const output = bandedAttention(q as tf.Tensor4D, x.key, x.value, {
          ...{ window: 4, block: 2, paddingMask, segmentIds, dropout: 0.2, seed },
        });
        if (early) tf.dispose([paddingMask, segmentIds, seed]);
        return tf.sum(tf.square(output));
      })(x.query);
    };
    await expectTensorClose(gradient(true), gradient(false), { atol: 0, rtol: 0 });
  });

  it('1,000 calls leave nothing behind', async () => {
    const { query, key, value } = inputs({ batch: 1, rows: 6, dim: 2 });
    const all = variants(2, 2);
    await expectNoLeak(() => {
      for (let i = 0; i < 1000; i++) {
        const { run } = all[i % all.length]!;
        if (i % 3 === 0)
          tf.dispose(
            tf.grads((q, k, v) => tf.sum(run(q as never, k as never, v as never)))([query, key, value]),
          );
        else run(query, key, value).dispose();
      }
    });
  });

  it('a call that throws leaves nothing behind', async () => {
    const { query, key, value } = inputs();
    await expectNoLeak(() => {
      expect(() => bandedAttention(query, key, value, { window: 0 })).toThrow();
      expect(() => stridedAttention(query, key, value, { stride: 2, dropout: 0.5 })).toThrow();
      expect(() => denseAttention(query, key, value, { causul: true } as never)).toThrow(
        /unknown field 'causul'/,
      );
    });
  });
});
