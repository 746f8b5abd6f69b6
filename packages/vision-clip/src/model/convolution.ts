import * as tf from '@tensorflow/tfjs-core';

/**
 * 3×3 convolution with a border of one zero. The wasm backend has no gradient for the filter; there it is made
 * from nine shifted matrix products.
 *
 * @param x `[batch, height, width, in]`
 * @param filter `[3, 3, in, out]`
 */
export function conv3x3(x: tf.Tensor4D, filter: tf.Tensor | tf.Variable, stride: 1 | 2): tf.Tensor4D {
  const weights = filter as tf.Tensor4D;
  // 'same' would put a strided convolution's border on one side only, and explicit borders lack gradients natively.
  if (stride === 2) return convolve(padBorder(x), weights, 2, 'valid');
  return convolve(x, weights, 1, 'same');
}

function padBorder(x: tf.Tensor4D, after = 1): tf.Tensor4D {
  return tf.pad(x, [
    [0, 0],
    [1, after],
    [1, after],
    [0, 0],
  ]);
}

function convolve(x: tf.Tensor4D, filter: tf.Tensor4D, stride: 1 | 2, border: 'same' | 'valid'): tf.Tensor4D {
  if (tf.getKernel('Conv2DBackpropFilter', tf.getBackend()) !== undefined) {
    return tf.conv2d(x, filter, stride, border);
  }
  const run = tf.customGrad((...args) => {
    const [input, weights, save] = args as unknown as [tf.Tensor4D, tf.Tensor4D, tf.GradSaveFunc];
    save([input, weights]);
    return {
      value: tf.conv2d(input, weights, stride, border),
      gradFunc: (dy, saved) => {
        const [savedInput, savedWeights] = saved as [tf.Tensor4D, tf.Tensor4D];
        const grad = dy as tf.Tensor4D;
        const padded = border === 'same' ? padBorder(savedInput) : savedInput;
        return [
          tf.conv2dTranspose(grad, savedWeights, savedInput.shape, stride, border),
          filterGradient(padded, grad, stride),
        ];
      },
    };
  });
  return run(x, filter as tf.Tensor) as tf.Tensor4D;
}

/** dFilter[dy, dx] = Σ over positions of xᵀ·dOut, with x shifted by (dy, dx). */
function filterGradient(padded: tf.Tensor4D, grad: tf.Tensor4D, stride: 1 | 2): tf.Tensor4D {
  const [batch, height, width, input] = padded.shape;
  const [, rows, columns, output] = grad.shape;
  // Room for the last shift of a strided window to be cut as whole pairs.
  const missing = Math.max(0, 2 + rows * stride - height, 2 + columns * stride - width);
  const x =
    missing > 0
      ? tf.pad(padded, [
          [0, 0],
          [0, missing],
          [0, missing],
          [0, 0],
        ])
      : padded;
  const flatGrad = tf.reshape(grad, [-1, output]) as tf.Tensor2D;
  const taps: tf.Tensor2D[] = [];
  for (let dy = 0; dy < 3; dy++) {
    for (let dx = 0; dx < 3; dx++) {
      let shifted: tf.Tensor = tf.slice(x, [0, dy, dx, 0], [batch, rows * stride, columns * stride, input]);
      if (stride === 2) {
        // Every second row and column: rows and columns as pairs, of which the first is kept
        const pairs = tf.reshape(shifted, [batch, rows, 2, columns, 2 * input]);
        shifted = tf.slice(pairs, [0, 0, 0, 0, 0], [batch, rows, 1, columns, input]);
      }
      taps.push(tf.matMul(tf.reshape(shifted, [-1, input]) as tf.Tensor2D, flatGrad, true, false));
    }
  }
  return tf.reshape(tf.concat(taps, 0), [3, 3, input, output]);
}

/** 2×2 average pooling as a mean over reshaped axes: its gradient needs no pooling kernel. An odd rest is dropped. */
export function averagePool2(x: tf.Tensor4D): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const rows = Math.floor(height / 2);
  const columns = Math.floor(width / 2);
  const even =
    height % 2 || width % 2 ? tf.slice(x, [0, 0, 0, 0], [batch, rows * 2, columns * 2, channels]) : x;
  return tf.mean(tf.reshape(even, [batch, rows, 2, columns, 2, channels]), [2, 4]) as tf.Tensor4D;
}
