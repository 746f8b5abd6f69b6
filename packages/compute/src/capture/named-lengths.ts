import * as tf from '@tensorflow/tfjs-core';
import type { InputSpec } from './capture.js';
import { FeedError } from './errors.js';
import { isFeedLeaf, mapTree } from './structure.js';

/** Asked for at every step of a decoder, for the same few lengths. */
const parsed = new Map<string, readonly string[]>();
const none: readonly string[] = [];

/** Names in a length such as `past + length`. */
export function namesIn(length: number | string): readonly string[] {
  if (typeof length === 'number') return none;
  let names = parsed.get(length);
  if (names === undefined) {
    names = length.split('+').map((name) => name.trim());
    parsed.set(length, names);
  }
  return names;
}

export function isName(length: number | string): length is string {
  return typeof length === 'string' && !length.includes('+');
}

export function lengthOf(length: number | string, read: (name: string) => number): number {
  return typeof length === 'number' ? length : namesIn(length).reduce((sum, name) => sum + read(name), 0);
}

/** The named lengths of a call: each argument whose shape has one that is not known yet tells it. */
export function namedLengths(
  names: readonly string[],
  specs: readonly InputSpec[],
  args: readonly unknown[],
): Map<string, number> {
  const lengths = new Map<string, number>();
  const open: { spec: InputSpec; size: number }[] = [];
  const seen = new Set<InputSpec>();
  let index = 0;
  mapTree(args, isFeedLeaf, (value) => {
    const spec = specs[index++];
    if (spec === undefined) return value;
    if (value instanceof tf.Tensor) {
      spec.shape.forEach((name, axis) => {
        if (isName(name) && !lengths.has(name)) lengths.set(name, value.shape[axis] ?? 0);
      });
    } else if (!seen.has(spec)) {
      // Arguments of one specification, keys and values of all layers say, have the same lengths.
      seen.add(spec);
      open.push({ spec, size: typeof value === 'number' ? 1 : (value as Float32Array).length });
    }
    return value;
  });
  for (let before = -1; lengths.size < names.length && lengths.size > before; ) {
    before = lengths.size;
    for (const { spec, size } of open) {
      if (lengths.size === names.length) break;
      const open = (length: number | string) => namesIn(length).some((name) => !lengths.has(name));
      const [unknown, ...others] = spec.shape.filter(open);
      if (unknown === undefined || others.length > 0 || !isName(unknown)) continue;
      const rest = spec.shape.filter((length) => length !== unknown);
      const known = rest.reduce<number>(
        (product, length) => product * lengthOf(length, (name) => lengths.get(name)!),
        1,
      );
      lengths.set(unknown, size / known);
    }
  }
  for (const name of names) {
    const length = lengths.get(name);
    if (length !== undefined && Number.isInteger(length) && length >= 0) continue;
    throw new FeedError(`the arguments do not tell the length '${name}'`);
  }
  return lengths;
}
