import * as tf from '@tensorflow/tfjs-core';

/** Nested arrays and plain objects around leaves. */
export type Tree<T> = T | readonly Tree<T>[] | { readonly [key: string]: Tree<T> };

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export type FeedLeaf = tf.Tensor | Float32Array | Int32Array | Uint8Array | number;

export function isFeedLeaf(value: unknown): value is FeedLeaf {
  return (
    value instanceof tf.Tensor ||
    typeof value === 'number' ||
    value instanceof Float32Array ||
    value instanceof Int32Array ||
    value instanceof Uint8Array
  );
}

/**
 * Copies a structure with each leaf replaced. What is neither leaf nor container (a string, a flag, undefined) stays as
 * it is.
 */
export function mapTree(
  tree: unknown,
  isLeaf: (value: unknown) => boolean,
  replace: (leaf: unknown, path: string) => unknown,
  path = '',
): unknown {
  if (isLeaf(tree)) return replace(tree, path);
  if (Array.isArray(tree)) {
    return tree.map((item, i) => mapTree(item, isLeaf, replace, path === '' ? `${i}` : `${path}.${i}`));
  }
  if (isPlainObject(tree)) {
    return Object.fromEntries(
      Object.entries(tree).map(([key, item]) => [
        key,
        mapTree(item, isLeaf, replace, path === '' ? key : `${path}.${key}`),
      ]),
    );
  }
  return tree;
}
