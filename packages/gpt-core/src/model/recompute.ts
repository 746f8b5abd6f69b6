import * as tf from '@tensorflow/tfjs-core';

/**
 * Runs a block and keeps nothing of it but its input; the backward pass runs it again. Chen et al. 2016, Training
 * Deep Nets with Sublinear Memory Cost.
 *
 * @param x `[batch, length, nEmbd]`
 * @param variables every tensor besides `x` that `block` depends on and that may want a gradient
 * @param zero a scalar 0 that a graph compiler cannot see through (an argument of the captured function). It ties the
 * second run to the arriving gradient; otherwise common subexpressions would be merged, and the memory kept
 */
export function recomputed(
  x: tf.Tensor3D,
  variables: readonly tf.Tensor[],
  zero: tf.Scalar,
  block: (x: tf.Tensor3D) => tf.Tensor3D,
): tf.Tensor3D {
  const run = tf.customGrad((...args: unknown[]) => {
    const input = args[0] as tf.Tensor3D;
    const save = args.at(-1) as (tensors: tf.Tensor[]) => void;
    save([input]);
    return {
      value: block(input),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const tie = tf.mul(tf.slice(dy, [0, 0, 0], [1, 1, 1]), zero);
        const again = tf.add(saved[0]!, tie) as tf.Tensor3D;
        return gradients(() => block(again), [again, ...variables], dy);
      },
    };
  });
  return run(x, ...variables) as tf.Tensor3D;
}

/** Gradients inside a backward pass: tfjs has one tape, so the outer one is put aside. */
function gradients(fn: () => tf.Tensor, inputs: tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  const { state } = tf.engine();
  const outer = state.activeTape;
  try {
    const { grads } = tf.engine().gradients(fn, inputs, dy, true);
    return grads.map((gradient, i) => (gradient as tf.Tensor | undefined) ?? tf.zerosLike(inputs[i]!));
  } finally {
    state.activeTape = outer;
  }
}
