import { GptLineageError } from '@gpt-lineage/compute';
import { setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  alibiSlopes,
  bandedAttention,
  denseAttention,
  fixedAttention,
  learnedPositions,
  rotaryEmbedding,
  SegmentMemory,
  shawAttention,
  sinusoidalPositions,
  stridedAttention,
  t5RelativeBias,
  topKAttention,
  transformerXLAttention,
} from '../src/index.js';

beforeAll(setupBackend);

const x = () => tf.zeros([1, 2, 4, 2]) as tf.Tensor4D;
const run = (options: () => object) => () => denseAttention(x(), x(), x(), options());

describe('bad input is a typed error that names field, value and fix', () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      'rank',
      () => denseAttention(tf.zeros([2, 2]) as never, x(), x()),
      /query must have shape \[batch, heads, length, headDim\], received \[2, 2\]/,
    ],
    ['nothing', () => denseAttention(undefined as never, x(), x()), /query must have shape/],
    [
      'dtype',
      () => denseAttention(tf.zeros([1, 2, 4, 2], 'int32') as never, x(), x()),
      /dtype of query must be 'float32'/,
    ],
    [
      'heads',
      () => denseAttention(x(), tf.zeros([1, 3, 4, 2]), tf.zeros([1, 3, 4, 2])),
      /a divisor of the 2 query heads/,
    ],
    ['headDim', () => denseAttention(x(), tf.zeros([1, 2, 4, 3]), x()), /key must have shape/],
    [
      'value',
      () => denseAttention(x(), x(), tf.zeros([1, 2, 5, 2])),
      /value must have shape \[1, 2, 4, valueDim\]/,
    ],
    ['empty', () => denseAttention(tf.zeros([1, 2, 0, 2]), x(), x()), /queryLength of at least 1/],
    ['scale', run(() => ({ scale: Number.NaN })), /scale must be a finite number, received NaN/],
    [
      'paddingMask',
      run(() => ({ paddingMask: tf.ones([1, 5]) })),
      /paddingMask must have shape \[1, 4\], received \[1, 5\]/,
    ],
    ['segmentIds', run(() => ({ segmentIds: tf.ones([2, 4]) })), /segmentIds must have shape \[1, 4\]/],
    [
      'mask',
      run(() => ({ mask: tf.ones([1, 3, 4, 4]) })),
      /mask must have shape that broadcasts to \[1, 2, 4, 4\]/,
    ],
    ['bias', run(() => ({ bias: tf.ones([1, 1, 1, 4, 4]) })), /bias must have shape that broadcasts/],
    ['dropout', run(() => ({ dropout: 1, seed: 1 })), /dropout must be in \[0, 1\), received 1/],
    ['queryOffset', run(() => ({ queryOffset: -1 })), /queryOffset must be an integer ≥ 0/],
    ['queryOffset tensor', run(() => ({ queryOffset: tf.scalar(1) })), /int32 tensor with one element/],
    ['queryTile', run(() => ({ queryTile: 0 })), /queryTile must be an integer ≥ 1, received 0/],
    [
      'window',
      () => bandedAttention(x(), x(), x(), {} as never),
      /window must be an integer ≥ 1, received undefined/,
    ],
    [
      'misspelt',
      () => bandedAttention(x(), x(), x(), { windw: 3 } as never),
      /unknown field 'windw'; known: .*window/,
    ],
    [
      'stride',
      () => stridedAttention(x(), x(), x(), { stride: 1.5 }),
      /stride must be an integer ≥ 1, received 1.5/,
    ],
    [
      'factor',
      () => stridedAttention(x(), x(), x(), { stride: 2, factor: 'both' as never }),
      /factor must be one of merged, local/,
    ],
    [
      'summary',
      () => fixedAttention(x(), x(), x(), { stride: 2, summary: 3 }),
      /summary must be at most the stride of 2/,
    ],
    ['k', () => topKAttention(x(), x(), x(), { k: 0 }), /k must be an integer ≥ 1/],
    [
      'relativeKeys',
      () => shawAttention(x(), x(), x(), { relativeKeys: tf.zeros([4, 2]) }),
      /relativeKeys must have shape \[2·maxDistance/,
    ],
    [
      'positionKeys',
      () =>
        transformerXLAttention(x(), x(), x(), {
          positionKeys: tf.zeros([2, 3, 2]),
          contentBias: tf.zeros([2, 2]),
          positionBias: tf.zeros([2, 2]),
        }),
      /positionKeys must have shape \[2, at least 4 distances, 2\]/,
    ],
    ['rotaryDim', () => rotaryEmbedding(tf.zeros([1, 1, 2, 3])), /rotaryDim must be even and in 2 … 3/],
    [
      'positions',
      () => rotaryEmbedding(x(), { positions: tf.zeros([3]) }),
      /positions must have shape \[4\] or \[1, 4\]/,
    ],
    [
      'buckets',
      () => t5RelativeBias(tf.zeros([5, 2]), 4, 4, { bidirectional: true }),
      /buckets must be even and at least 4/,
    ],
    ['nEmbd', () => sinusoidalPositions(4, 3), /nEmbd must be even/],
    [
      'table',
      () => learnedPositions(tf.zeros([4, 2]), 3, 2),
      /must be at most 4, the positions of the table, received 5/,
    ],
    ['slopes', () => alibiSlopes(0), /heads must be an integer ≥ 1/],
    [
      'memory',
      () => new SegmentMemory({ nLayer: 1, memoryLength: 0 }),
      /memoryLength must be an integer ≥ 1/,
    ],
  ])('%s', (_name, call, message) => {
    let error: unknown;
    try {
      call();
    } catch (caught) {
      error = caught;
    }
    expect(GptLineageError.isInstance(error)).toBe(true);
    expect((error as Error).message).toMatch(message);
  });
});

describe('ALiBi slopes', () => {
  it('the paper for powers of two, every second slope above for the rest', () => {
    expect(alibiSlopes(8)).toEqual([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]);
    expect(alibiSlopes(6)).toEqual([1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8]);
  });
});

describe('segment memory', () => {
  it('refuses another batch, forgets, forks', () => {
    const memory = new SegmentMemory({ nLayer: 1, memoryLength: 3 });
    memory.extend(0, tf.zeros([2, 2, 4]));
    expect(() => memory.extend(0, tf.zeros([1, 2, 4]))).toThrow(/hidden must have shape \[2, length, 4\]/);
    const fork = memory.fork();
    memory.extend(0, tf.ones([2, 2, 4]));
    expect([memory.lengthOf(0), fork.lengthOf(0)]).toEqual([3, 2]);
    memory.dispose();
    expect(fork.extend(0, tf.zeros([2, 1, 4])).shape).toEqual([2, 3, 4]);
    fork.clear();
    expect(fork.lengthOf(0)).toBe(0);
    expect(() => fork.lengthOf(1)).toThrow(/layer must be in 0 … 0/);
    expect(() => memory.read(0)).toThrow(/disposed/);
  });
});
