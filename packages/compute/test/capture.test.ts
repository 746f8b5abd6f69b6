import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWeights, type GptShape, gptLoss } from '../bench/gpt.js';
import {
  AdamW,
  CaptureError,
  capture,
  clipFactor,
  dropout,
  ExecutorError,
  FeedError,
  globalNorm,
  statelessUniform,
} from '../src/index.js';
import { setupBackend } from '../src/testing/setup.js';
import { executors, graphExecutors } from './executors.js';

beforeAll(async () => {
  await setupBackend();
});
afterAll(() => tf.disposeVariables());

function regression(w: tf.Variable, b: tf.Variable) {
  return (x: tf.Tensor, y: tf.Tensor, learningRate: tf.Tensor) => {
    const { value, grads } = tf.variableGrads(() => {
      const prediction = tf.add(tf.matMul(x as tf.Tensor2D, w as unknown as tf.Tensor2D), b);
      return tf.mean(tf.square(tf.sub(prediction, y))) as tf.Scalar;
    }, [w, b]);
    for (const v of [w, b]) v.assign(tf.sub(v, tf.mul(grads[v.name]!, learningRate)));
    return { loss: value };
  };
}

const tiny: GptShape = {
  vocabSize: 61,
  contextLength: 16,
  nLayer: 2,
  nEmbd: 16,
  nHead: 2,
  batch: 2,
  length: 8,
};

function trainer(seed: number, options: Parameters<typeof capture>[1]) {
  const weights = createWeights(tiny, seed);
  const optimizer = new AdamW(Object.fromEntries(weights.all.map((v) => [v.name, v])), {
    weightDecay: 0.1,
    beta2: 0.95,
    noDecay: (_, v) => v.rank < 2,
  });
  const update = (tokens: tf.Tensor, targets: tf.Tensor, learningRate: tf.Scalar) => {
    const { value, grads } = tf.variableGrads(
      () => gptLoss(weights, tiny, tokens, targets),
      [...weights.all],
    );
    const norm = globalNorm(grads);
    optimizer.applyGradients(grads, { learningRate, scale: clipFactor(norm, 1) });
    return { loss: value, norm };
  };
  return { weights, optimizer, update, step: capture(update, options) };
}

function batch(i: number): [tf.Tensor, tf.Tensor] {
  const size = tiny.batch * tiny.length;
  const ids = Int32Array.from({ length: size + 1 }, (_, k) => (k * k + 7 * i) % tiny.vocabSize);
  const shape = [tiny.batch, tiny.length];
  return [tf.tensor(ids.slice(0, -1), shape, 'int32'), tf.tensor(ids.slice(1), shape, 'int32')];
}

describe.each(executors)('capture on %s', (executor) => {
  it('sums the squares of millions of elements to six digits', async () => {
    const x = tf.fill([2000, 3000], 0.3);
    const norm = capture((a: tf.Tensor) => globalNorm({ a }), { executor });
    const result = (await norm(x)) as tf.Tensor;
    const [value] = await result.data();
    expect(value! / (Math.fround(0.3) * Math.sqrt(6e6)) - 1).toBeCloseTo(0, 5);
    norm.dispose();
    tf.dispose([x, result]);
  });

  it('trains like the eager function, variables and losses', async () => {
    const x = tf.randomNormal([16, 8], 0, 1, 'float32', 3);
    const y = tf.randomNormal([16, 4], 0, 1, 'float32', 4);
    const start = tf.randomNormal([8, 4], 0, 1, 'float32', 1);
    const captured = [tf.variable(start), tf.variable(tf.zeros([4]))] as const;
    const eager = [tf.variable(tf.clone(start)), tf.variable(tf.zeros([4]))] as const;
    const step = capture(regression(...captured), { executor, variables: captured });
    const reference = regression(...eager);
    for (let i = 0; i < 5; i++) {
      const { loss } = await step(x, y, 0.1);
      const expected = tf.tidy(() => reference(x, y, tf.scalar(0.1)).loss.dataSync()[0]!);
      expect(loss.dataSync()[0]! / expected).toBeCloseTo(1, 5);
      loss.dispose();
    }
    const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(captured[0], eager[0]))).dataSync()[0]!);
    expect(difference).toBeLessThan(1e-5);
    expect(step.traceCount).toBe(1);
    step.dispose();
    tf.dispose([x, y, start, ...captured, ...eager]);
  });

  it('50 steps of a GPT with AdamW and clipping: the losses of the eager run, to 1e-4', async () => {
    const captured = trainer(5, { executor });
    const eager = trainer(5, { executor: 'eager' });
    const tensors = tf.memory().numTensors;
    for (let i = 0; i < 50; i++) {
      const [tokens, targets] = batch(i);
      const actual = await captured.step(tokens, targets, 3e-3);
      const expected = tf.tidy(() => {
        const out = eager.update(tokens, targets, tf.scalar(3e-3));
        return [out.loss.dataSync()[0]!, out.norm.dataSync()[0]!] as const;
      });
      expect(Math.abs(actual.loss.dataSync()[0]! / expected[0] - 1)).toBeLessThan(1e-4);
      expect(Math.abs(actual.norm.dataSync()[0]! / expected[1] - 1)).toBeLessThan(1e-3);
      tf.dispose([tokens, targets, actual]);
    }
    expect(tf.memory().numTensors).toBe(tensors);
    // The optimiser's state comes back through its own interface.
    const [a, b] = [await captured.optimizer.state(), await eager.optimizer.state()];
    expect(a.step).toBe(50);
    for (const [i, values] of Object.values(b.tensors).entries()) {
      const mine = Object.values(a.tensors)[i]!;
      for (let k = 0; k < values.values.length; k++) {
        expect(Math.abs(mine.values[k]! - values.values[k]!)).toBeLessThan(2e-4);
      }
    }
    for (const { step, optimizer, weights } of [captured, eager]) {
      step.dispose();
      optimizer.dispose();
      tf.dispose([...weights.all]);
    }
  });

  it('keeps variables coherent with eager code in both directions', async () => {
    const v = tf.variable(tf.tensor1d([1, 2, 3]));
    const w = tf.variable(tf.tensor1d([10, 10, 10]));
    const add = capture(
      (x: tf.Tensor) => {
        v.assign(tf.add(v, x));
        return tf.mul(v, w);
      },
      { executor },
    );
    const call = async (x: number) => {
      const out = await add(tf.tensor1d([x, x, x]));
      const values = [...out.dataSync()];
      out.dispose();
      return values;
    };
    expect(await call(1)).toEqual([20, 30, 40]);
    // Eager code reads, computes with and snapshots the captured value.
    expect([...v.dataSync()]).toEqual([2, 3, 4]);
    const snapshot = tf.clone(v);
    expect([...tf.tidy(() => tf.add(v, 1).dataSync())]).toEqual([3, 4, 5]);
    expect(await call(1)).toEqual([30, 40, 50]);
    expect([...snapshot.dataSync()]).toEqual([2, 3, 4]);
    expect([...(await v.data())]).toEqual([3, 4, 5]);
    // Eager code assigns; the next run starts from there.
    v.assign(tf.tensor1d([0, 0, 7]));
    w.assign(tf.tensor1d([1, 1, 1]));
    expect(await call(2)).toEqual([2, 2, 9]);
    expect([...v.dataSync()]).toEqual([2, 2, 9]);
    // Assigned by eager code twice without a run in between, then read by eager code.
    v.assign(tf.tensor1d([5, 5, 5]));
    v.assign(tf.tensor1d([6, 6, 6]));
    expect([...v.dataSync()]).toEqual([6, 6, 6]);
    add.dispose();
    expect([...v.dataSync()]).toEqual([6, 6, 6]);
    tf.dispose([v, w, snapshot]);
  });

  it('several captured functions share variables', async () => {
    const w = tf.variable(tf.tensor2d([[1], [2]]));
    const train = capture(
      (x: tf.Tensor2D) => void w.assign(tf.add(w, tf.slice(tf.matMul(x, x, true), [0, 0], [2, 1]))),
      { executor },
    );
    const evaluate = capture((x: tf.Tensor2D) => tf.matMul(x, w as unknown as tf.Tensor2D), { executor });
    const x = tf.tensor2d([[1, 1]]);
    for (const expected of [3, 5, 7]) {
      const out = await evaluate(x);
      expect(out.dataSync()[0]).toBe(expected);
      out.dispose();
      await train(x);
    }
    tf.dispose([x, w]);
    train.dispose();
    evaluate.dispose();
  });

  it('draws other dropout masks at every step from a seed that is an argument, and the same ones again', async () => {
    const x = tf.ones([64]);
    const drop = capture((seed: tf.Tensor) => dropout(x, 0.5, seed), {
      executor,
      inputs: [{ shape: [], dtype: 'int32' }],
    });
    const mask = async (seed: number) => {
      const out = await drop(seed);
      const values = [...out.dataSync()];
      out.dispose();
      return values.join('');
    };
    const first = await mask(1);
    expect(await mask(2)).not.toBe(first);
    expect(await mask(1)).toBe(first);
    expect(first).toBe([...tf.tidy(() => dropout(x, 0.5, tf.scalar(1, 'int32')).dataSync())].join(''));
    drop.dispose();
    x.dispose();
  });

  it('traces once per argument shape and keeps a bounded number of versions', async () => {
    let traces = 0;
    const double = capture(
      ({ x, list }: { x: tf.Tensor; list: [tf.Tensor, string] }) => {
        traces += executor === 'eager' ? 0 : 1;
        return { twice: tf.mul(x, 2), sum: tf.add(tf.sum(x), list[0]), label: list[1] };
      },
      { executor, maxTraces: 2 },
    );
    for (const [length, expected] of [
      [2, 1],
      [3, 2],
      [2, 2],
      [4, 3],
      [2, 3],
      [3, 4],
    ] as const) {
      const x = tf.ones([length]);
      const { twice, sum, label } = await double({ x, list: [1, 'name'] });
      expect([...twice.dataSync()]).toEqual(new Array(length).fill(2));
      expect(sum.dataSync()[0]).toBe(length + 1);
      expect(label).toBe('name');
      if (executor !== 'eager') expect(traces).toBe(expected);
      expect(double.traceCount).toBeLessThanOrEqual(2);
      tf.dispose([x, twice, sum]);
    }
    double.dispose();
  });

  it('finishes runs that were started before their version was evicted or the function disposed', async () => {
    const negate = capture((x: tf.Tensor) => tf.neg(x), { executor, maxTraces: 1 });
    const inputs = [1, 2, 3, 4].map((length) => tf.ones([length]));
    const runs = inputs.map((x) => negate(x));
    negate.dispose();
    const out = await Promise.all(runs);
    expect(out.map((t) => t.dataSync().length)).toEqual([1, 2, 3, 4]);
    tf.dispose([inputs, out]);
  });

  it('names the operation that cannot be captured', async () => {
    const x = tf.tensor1d([1, 2, 3]);
    const unfit: [string, RegExp, (x: tf.Tensor) => unknown][] = [
      ['randomUniform', /random/, (t) => tf.add(t, tf.randomUniform([3]))],
      ['randomNormal', /random/, (t) => tf.add(t, tf.randomNormal([3]))],
      ['randomUniform', /random/, (t) => tf.dropout(t, 0.5)],
      ['Multiply', /read inside/, (t) => (tf.mul(t, 2).dataSync()[0]! > 1 ? t : tf.neg(t))],
      ['an argument', /read inside/, (t) => t.arraySync()],
      ['Unique', /shape depends on data/, (t) => tf.unique(t).values],
      ['capture', /async/, async (t) => tf.neg(t)],
      ['FFT', /no graph counterpart|complex/, (t) => tf.abs(tf.spectral.rfft(t))],
    ];
    for (const [op, message, fn] of unfit) {
      const captured = capture(fn, { executor });
      const error = await captured(x).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(CaptureError);
      if (op !== 'FFT') expect((error as CaptureError).op).toBe(op);
      expect((error as CaptureError).message).toMatch(message);
      captured.dispose();
    }
    // A failed trace leaves the eager side as it was.
    expect([...tf.tidy(() => tf.add(x, 1).dataSync())]).toEqual([2, 3, 4]);
    expect(Math.random()).toBeLessThan(1);
    x.dispose();
  });

  it('a seeded host constant is the constant it is in eager code', async () => {
    const noisy = capture((x: tf.Tensor) => tf.add(x, tf.randomNormal([3], 0, 1, 'float32', 7)), {
      executor,
    });
    const x = tf.zeros([3]);
    const out = await noisy(x);
    expect([...out.dataSync()]).toEqual([
      ...tf.tidy(() => tf.randomNormal([3], 0, 1, 'float32', 7).dataSync()),
    ]);
    tf.dispose([x, out]);
    noisy.dispose();
  });

  it('an error in the function restores variables', async () => {
    const v = tf.variable(tf.tensor1d([1]));
    const broken = capture(
      (x: tf.Tensor) => {
        v.assign(tf.add(v, x));
        throw new Error('mine');
      },
      { executor },
    );
    await expect(broken(tf.tensor1d([1]))).rejects.toThrow('mine');
    expect([...v.dataSync()]).toEqual([1]);
    broken.dispose();
    v.dispose();
  });

  it('refuses arguments that do not fit', async () => {
    const id = capture((x: tf.Tensor) => tf.neg(x), { executor, inputs: [{ shape: [2] }] });
    await expect(id(new Float32Array(3))).rejects.toThrow(FeedError);
    await expect(id(tf.zeros([3]))).rejects.toThrow(/shape \[2\], received \[3\]/);
    const out = await id(Float32Array.of(1, 2));
    expect([...out.dataSync()]).toEqual([-1, -2]);
    id.dispose();
    await expect(id(Float32Array.of(1, 2))).rejects.toThrow(/disposed/);
    const v = tf.variable(tf.scalar(1));
    const listed = capture((x: tf.Tensor) => tf.mul(x, v), { executor, variables: [] });
    await expect(listed(1)).rejects.toThrow(/does not list/);
    v.dispose();
  });

  it('optimiser state made inside the function starts at zero and lives on', async () => {
    const w = tf.variable(tf.tensor1d([1, 1]));
    let momentum: tf.Variable | undefined;
    const step = capture(
      (g: tf.Tensor) => {
        momentum ??= tf.variable(tf.zeros([2]));
        momentum.assign(tf.add(tf.mul(momentum, 0.5), g));
        w.assign(tf.sub(w, momentum));
      },
      { executor },
    );
    for (let i = 0; i < 2; i++) await step(tf.tensor1d([1, 2]));
    expect([...w.dataSync()]).toEqual([-1.5, -4]);
    expect([...momentum!.dataSync()]).toEqual([1.5, 3]);
    step.dispose();
    tf.dispose([w, momentum!]);
  });
});

describe.runIf(graphExecutors.includes('tensorflow'))('the TensorFlow executor', () => {
  it('leaves no arrays of large variables behind', async () => {
    const size = 1 << 25; // 134 MB
    const before = process.memoryUsage().arrayBuffers;
    const weight = tf.tidy(() => tf.variable(tf.tensor(new Float32Array(size).fill(0.5), [size])));
    const step = capture(
      (x: tf.Tensor) => {
        weight.assign(tf.add(weight, x));
        return tf.max(weight);
      },
      { executor: 'tensorflow' },
    );
    const result = (await step(1)) as tf.Tensor;
    const [value] = await result.data();
    const grown = process.memoryUsage().arrayBuffers - before;
    tf.dispose([result, weight]);
    step.dispose();
    expect(value).toBe(1.5);
    expect(grown).toBeLessThan(size);
  });

  it('runs synchronously too, on the same variables', async () => {
    const v = tf.variable(tf.scalar(1));
    const next = capture(
      (x: tf.Tensor) => {
        v.assign(tf.add(v, x));
        return tf.clone(v);
      },
      { executor: 'tensorflow' },
    );
    const a = next.run(1);
    const b = await next(1);
    expect([a.dataSync()[0], b.dataSync()[0]]).toEqual([2, 3]);
    next.dispose();
    tf.dispose([v, a, b]);
  });

  it('bf16 matrix products end within 1 % of the float32 loss', async () => {
    const losses = [];
    for (const matmulPrecision of ['float32', 'bf16'] as const) {
      const { step, optimizer, weights } = trainer(9, { executor: 'tensorflow', matmulPrecision });
      let last = 0;
      for (let i = 0; i < 60; i++) {
        const [tokens, targets] = batch(i % 4);
        const { loss, norm } = await step(tokens, targets, 3e-3);
        last = loss.dataSync()[0]!;
        tf.dispose([tokens, targets, loss, norm]);
      }
      losses.push(last);
      step.dispose();
      optimizer.dispose();
      tf.dispose([...weights.all]);
    }
    expect(losses[1]).not.toBe(losses[0]);
    expect(Math.abs(losses[1]! / losses[0]! - 1)).toBeLessThan(0.01);
  });

  it('bf16 copies of weights follow the weights', async () => {
    const w = tf.variable(tf.tensor2d([1, 2, 3, 4], [2, 2]));
    const product = (x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, w as unknown as tf.Tensor2D);
    const f = capture(product, { executor: 'tensorflow', matmulPrecision: 'bf16' });
    const g = capture((x: tf.Tensor) => w.assign(tf.add(w, x)), { executor: 'tensorflow' });
    const x = tf.tensor2d([1, 1], [1, 2]);
    const read = async () => {
      const y = await f(x);
      const values = [...y.dataSync()];
      y.dispose();
      return values;
    };
    expect(await read()).toEqual([4, 6]);
    expect(await read()).toEqual([4, 6]);
    const other = tf.tensor2d([5, 6, 7, 8], [2, 2]);
    w.assign(other); // on the eager side
    expect(await read()).toEqual([12, 14]);
    await g(1); // in another captured function
    expect(await read()).toEqual([14, 16]);
    const [a, b] = await Promise.all([f(x), f(x)]);
    expect([...a.dataSync(), ...b.dataSync()]).toEqual([14, 16, 14, 16]);
    f.dispose();
    g.dispose();
    tf.dispose([w, x, other, a, b]);
  });

  it('large constants stay beside the graph', async () => {
    const table = tf.randomNormal([300, 300], 0, 1, 'float32', 2);
    const f = capture((x: tf.Tensor) => tf.sum(tf.mul(table, x)), { executor: 'tensorflow' });
    const out = await f(2);
    expect(out.dataSync()[0]! / tf.tidy(() => tf.sum(table).dataSync()[0]! * 2)).toBeCloseTo(1, 3);
    f.dispose();
    tf.dispose([table, out]);
  });
});

describe.runIf(graphExecutors.includes('onnx'))('the ONNX executor', () => {
  it.each([
    ['float16', 96, 2e-3],
    ['int8', 96, 2e-2],
    ['int8', 256, 2e-2],
    ['int4', 96, 2e-1],
    ['int4', 256, 2e-1],
  ] as const)('stores weights as %s, %i deep, at a known cost', async (weights, depth, tolerance) => {
    const w = tf.variable(tf.randomNormal([depth, 80], 0, 1, 'float32', 1));
    const table = tf.variable(tf.randomNormal([70, depth], 0, 1, 'float32', 2));
    const x = tf.randomNormal([3, depth], 0, 1, 'float32', 3);
    const product = (t: tf.Tensor2D) => [
      tf.matMul(t, w as unknown as tf.Tensor2D),
      tf.matMul(t, table as unknown as tf.Tensor2D, false, true),
    ];
    const captured = capture(product, { executor: 'onnx', weights });
    const actual = await captured(x as tf.Tensor2D);
    const expected = tf.tidy(() => product(x as tf.Tensor2D).map((t) => t.dataSync()));
    actual.forEach((t, i) => {
      const got = t.dataSync();
      const norm = Math.hypot(...expected[i]!);
      const error = Math.hypot(...got.map((value, k) => value - expected[i]![k]!)) / norm;
      expect(error).toBeLessThan(tolerance);
      expect(error).toBeGreaterThan(0);
    });
    // New weights reach the model.
    w.assign(tf.zeros([depth, 80]));
    const again = await captured(x as tf.Tensor2D);
    expect(Math.max(...again[0]!.dataSync())).toBe(0);
    captured.dispose();
    tf.dispose([w, table, x, actual, again]);
  });

  it('loses no row where many have one index', async () => {
    const [rows, width] = [4096, 384];
    // Integers: their sums are exact in any order.
    const x = tf.cast(tf.randomUniformInt([rows, width], -8, 9, 1), 'float32');
    const ids = tf.randomUniformInt([rows], 0, 3, 2);
    const pairs = tf.stack([ids, tf.zerosLike(ids)], 1);
    const sums = (a: tf.Tensor, i: tf.Tensor, p: tf.Tensor) => [
      tf.unsortedSegmentSum(a, i as tf.Tensor1D, 3),
      tf.scatterND(p, a, [3, 1, width]),
    ];
    const expected = await sums(x, ids, pairs)[0]!.data();
    const captured = capture(sums, { executor: 'onnx' });
    for (let run = 0; run < 5; run++) {
      for (const sum of (await captured(x, ids, pairs)) as tf.Tensor[]) {
        expect(await sum.data()).toEqual(expected);
        sum.dispose();
      }
    }
    captured.dispose();
    tf.dispose([x, ids, pairs]);
  });

  it('reads live weights where they are, in every run', async () => {
    const w = tf.variable(tf.randomNormal([96, 80], 0, 1, 'float32', 1));
    const bias = tf.variable(tf.randomNormal([80], 0, 1, 'float32', 2));
    const total = tf.variable(tf.scalar(0));
    const x = tf.randomNormal<tf.Rank.R2>([3, 96], 0, 1, 'float32', 3);
    const product = (t: tf.Tensor2D) => {
      const y = tf.add(tf.matMul(t, w as unknown as tf.Tensor2D), bias);
      total.assign(tf.add(total, tf.sum(y)) as tf.Scalar);
      return y;
    };
    const options = { shape: ['rows', 96] };
    const captured = capture(product, { executor: 'onnx', weights: 'live', inputs: [options] });
    let sum = 0;
    for (const rows of [3, 2, 3]) {
      w.assign(tf.tidy(() => tf.mul(w, -1.5)));
      const part = tf.slice(x, [0, 0], [rows, 96]);
      const expected = tf.tidy(() => tf.add(tf.matMul(part, w as unknown as tf.Tensor2D), bias).dataSync());
      const actual = await captured(part);
      actual.dataSync().forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 3);
        sum += value;
      });
      tf.dispose([part, actual]);
    }
    expect(total.dataSync()[0]).toBeCloseTo(sum, 2);
    captured.dispose();
    tf.dispose([w, bias, total, x]);
  });

  it('loads large weights from files that do not stay behind', async () => {
    const { TMPDIR } = process.env;
    const own = mkdtempSync(join(tmpdir(), 'gpt-lineage-test-'));
    process.env.TMPDIR = own;
    const w = tf.variable(tf.fill([2100, 2100], 0.5));
    const captured = capture((x: tf.Tensor2D) => tf.matMul(x, w as unknown as tf.Tensor2D), {
      executor: 'onnx',
    });
    const x = tf.ones([1, 2100]) as tf.Tensor2D;
    for (let i = 0; i < 3; i++) {
      const out = await captured(x);
      expect(out.dataSync()[2099]).toBe(1050);
      out.dispose();
    }
    expect(readdirSync(own).filter((name) => name.startsWith('gpt-lineage-onnx-'))).toEqual([]);
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    rmSync(own, { recursive: true, force: true });
    captured.dispose();
    tf.dispose([w, x]);
  });

  it('says that it cannot run synchronously, or in bf16', async () => {
    const f = capture((x: tf.Tensor) => tf.neg(x), { executor: 'onnx' });
    expect(() => f.run(1)).toThrow(/await/);
    const half = capture((x: tf.Tensor) => tf.neg(x), { executor: 'onnx', matmulPrecision: 'bf16' });
    await expect(half(1)).rejects.toThrow(ExecutorError);
    f.dispose();
    half.dispose();
  });
});

describe('capture', () => {
  it('is inlined inside another captured function', () => {
    const inner = capture((x: tf.Tensor) => tf.mul(x, 3));
    const outer = capture((x: tf.Tensor) => tf.add(inner.run(x), 1));
    expect(outer.run(2).dataSync()[0]).toBe(7);
    inner.dispose();
    outer.dispose();
  });

  it('random numbers depend on the seed alone', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => [...statelessUniform([4], seed).dataSync()]);
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });
});
