import * as tf from '@tensorflow/tfjs-core';
import { AttentionOptionError, ShapeMismatchError } from './errors.js';
import type { AttentionOptions, DenseAttentionOptions } from './options.js';

export interface AttentionSizes {
  readonly batch: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly queryLength: number;
  readonly keyLength: number;
  readonly headDim: number;
}

/** Checks that query, key and value fit together and returns their sizes. */
export function checkInputs(query: tf.Tensor4D, key: tf.Tensor4D, value: tf.Tensor4D): AttentionSizes {
  for (const [name, tensor] of [
    ['query', query],
    ['key', key],
    ['value', value],
  ] as const) {
    if (!(tensor instanceof tf.Tensor) || tensor.rank !== 4) {
      throw new ShapeMismatchError(name, '[batch, heads, length, headDim]', tensor?.shape ?? []);
    }
    if (tensor.dtype !== 'float32') {
      throw new AttentionOptionError(`dtype of ${name}`, tensor.dtype, "must be 'float32'; cast it first");
    }
  }
  const [batch, heads, queryLength, headDim] = query.shape;
  const [, keyHeads, keyLength] = key.shape;
  if (key.shape[0] !== batch || key.shape[3] !== headDim || keyHeads === 0 || heads % keyHeads !== 0) {
    throw new ShapeMismatchError(
      'key',
      `[${batch}, a divisor of the ${heads} query heads, keyLength, ${headDim}]`,
      key.shape,
    );
  }
  if (value.shape[0] !== batch || value.shape[1] !== keyHeads || value.shape[2] !== keyLength) {
    throw new ShapeMismatchError('value', `[${batch}, ${keyHeads}, ${keyLength}, valueDim]`, value.shape);
  }
  for (const [name, size] of [
    ['queryLength', queryLength],
    ['keyLength', keyLength],
    ['headDim', headDim],
  ] as const) {
    if (size === 0)
      throw new ShapeMismatchError('query, key and value', `a ${name} of at least 1`, query.shape);
  }
  return { batch, heads, keyHeads, queryLength, keyLength, headDim };
}

/**
 * What every attention function checks first: inputs, option names (`own` beside the common ones), common options.
 *
 * @returns the sizes
 */
export function checkCall(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: AttentionOptions,
  own: readonly string[],
): AttentionSizes {
  const sizes = checkInputs(query, key, value);
  checkOptionNames(options, own);
  checkOptions(options, sizes);
  return sizes;
}

const COMMON = ['scale', 'paddingMask', 'segmentIds', 'dropout', 'seed', 'queryOffset', 'keyPositions'];

/** Refuses option names that nobody reads: a misspelt `window` would otherwise silently mean the default. */
export function checkOptionNames(options: object, own: readonly string[]): void {
  const known = [...COMMON, ...own];
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new AttentionOptionError(
        'options',
        name,
        `has the unknown field '${name}'; known: ${known.join(', ')}`,
      );
    }
  }
}

/** Checks the options that all attention functions share against the sizes. */
export function checkOptions(options: AttentionOptions, sizes: AttentionSizes): void {
  const { batch, queryLength, keyLength } = sizes;
  if (options.scale !== undefined && !Number.isFinite(options.scale)) {
    throw new AttentionOptionError('scale', options.scale, 'must be a finite number');
  }
  if (options.paddingMask !== undefined) checkShape('paddingMask', options.paddingMask, [batch, keyLength]);
  if (options.keyPositions !== undefined) checkShape('keyPositions', options.keyPositions, [keyLength]);
  if (options.segmentIds instanceof tf.Tensor) {
    if (queryLength !== keyLength) {
      throw new AttentionOptionError(
        'segmentIds',
        options.segmentIds,
        'must be { query, key } when queryLength and keyLength differ',
      );
    }
    checkShape('segmentIds', options.segmentIds, [batch, keyLength]);
  } else if (options.segmentIds !== undefined) {
    checkShape('segmentIds.query', options.segmentIds.query, [batch, queryLength]);
    checkShape('segmentIds.key', options.segmentIds.key, [batch, keyLength]);
  }
  const { dropout = 0, seed } = options;
  if (!(dropout >= 0 && dropout < 1)) {
    throw new AttentionOptionError('dropout', dropout, 'must be in [0, 1)');
  }
  if (dropout > 0 && seed === undefined) {
    throw new AttentionOptionError(
      'seed',
      seed,
      'must be given when dropout is above 0: every random choice has a seed',
    );
  }
  const offset = options.queryOffset;
  if (offset !== undefined && !(offset instanceof tf.Tensor) && (!Number.isInteger(offset) || offset < 0)) {
    throw new AttentionOptionError('queryOffset', offset, 'must be an integer ≥ 0 or an int32 scalar tensor');
  }
  if (offset instanceof tf.Tensor && (offset.size !== 1 || offset.dtype !== 'int32')) {
    throw new AttentionOptionError('queryOffset', offset, 'must be an int32 tensor with one element');
  }
}

/** Checks what only dense attention takes. */
export function checkDenseOptions(options: DenseAttentionOptions, sizes: AttentionSizes): void {
  const full = [sizes.batch, sizes.heads, sizes.queryLength, sizes.keyLength];
  for (const name of ['mask', 'bias'] as const) {
    const tensor = options[name];
    if (tensor === undefined) continue;
    const shape = [...Array(Math.max(0, 4 - tensor.rank)).fill(1), ...tensor.shape];
    if (shape.length !== 4 || shape.some((size, axis) => size !== 1 && size !== full[axis])) {
      throw new ShapeMismatchError(name, `that broadcasts to [${full.join(', ')}]`, tensor.shape);
    }
  }
  if (options.queryTile !== undefined) checkPositive('queryTile', options.queryTile);
  if (options.keyTile !== undefined) checkPositive('keyTile', options.keyTile);
}

/** A count: an integer of at least 1. */
export function checkPositive(option: string, value: unknown): asserts value is number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
    throw new AttentionOptionError(option, value, 'must be an integer ≥ 1');
  }
}

/** One of a few names. */
export function checkChoice(option: string, value: unknown, choices: readonly string[]): void {
  if (typeof value !== 'string' || !choices.includes(value)) {
    throw new AttentionOptionError(option, value, `must be one of ${choices.join(', ')}`);
  }
}

function checkShape(name: string, tensor: tf.Tensor, shape: readonly number[]): void {
  if (tensor.rank !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
    throw new ShapeMismatchError(name, `[${shape.join(', ')}]`, tensor.shape);
  }
}
