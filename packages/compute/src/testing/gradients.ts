import * as tf from '@tensorflow/tfjs-core';

export interface GradientCheckOptions {
  /** Half-width of the central difference. Default 1e-2, which suits float32 and inputs of size about 1. */
  readonly step?: number;
  /** Default 2e-3. */
  readonly atol?: number;
  /** Default 2e-2. */
  readonly rtol?: number;
  /** Elements probed per input. Default 24, spread evenly. */
  readonly probes?: number;
  /** Seed of the random projection that turns the output into a scalar. Default 1. */
  readonly seed?: number;
  /** Also run `fn` twice on the same inputs in one tape. Default true. */
  readonly secondUse?: boolean;
}

/**
 * Compares the tape's gradient of `Σ(fn(inputs) ⊙ random)` with central differences, for every float32 input; then
 * does so for `fn(inputs) + 2·fn(inputs)` in one tape, where a gradient function that returns a tensor it does not
 * own (its `dy`, a saved tensor, one tensor for two inputs) breaks.
 *
 * @throws {Error} naming the input, the index and both values of the first disagreement
 */
export async function checkGradients(
  fn: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  options: GradientCheckOptions = {},
): Promise<void> {
  const { step = 1e-2, atol = 2e-3, rtol = 2e-2, probes = 24, seed = 1, secondUse = true } = options;
  const projection = tf.tidy(() => tf.randomNormal(fn(...inputs).shape, 0, 1, 'float32', seed));
  const scalar = (x: readonly tf.Tensor[]) => tf.tidy(() => tf.sum(tf.mul(fn(...x), projection)));
  const twice = (x: readonly tf.Tensor[]) =>
    tf.sum(tf.add(tf.mul(fn(...x), projection), tf.mul(tf.mul(fn(...x), projection), 2)));
  const watched = inputs.flatMap((x, i) => (x.dtype === 'float32' ? [i] : []));
  const place = (values: readonly tf.Tensor[]) =>
    inputs.map((x, i) => (watched.includes(i) ? values[watched.indexOf(i)]! : x));
  const own = watched.map((i) => inputs[i]!);
  const once = tf.grads((...x: tf.Tensor[]) => tf.sum(tf.mul(fn(...place(x)), projection)))(own);
  const both = secondUse ? tf.grads((...x: tf.Tensor[]) => twice(place(x)))(own) : [];
  try {
    for (const [w, input] of watched.entries()) {
      const x = inputs[input]!;
      const values = Float32Array.from((await x.data()) as Float32Array);
      const analytic = await once[w]!.data();
      const doubled = secondUse ? await both[w]!.data() : undefined;
      const count = Math.min(probes, values.length);
      for (let p = 0; p < count; p++) {
        const i = Math.floor((p * values.length) / count);
        const at = async (delta: number): Promise<number> => {
          const moved = values.slice();
          moved[i] = values[i]! + delta;
          const t = tf.tensor(moved, x.shape, 'float32');
          const y = scalar(inputs.map((other, j) => (j === input ? t : other)));
          const [value] = await y.data();
          tf.dispose([t, y]);
          return value!;
        };
        const numeric = ((await at(step)) - (await at(-step))) / (2 * step);
        const fail = (what: string, got: number, want: number) => {
          throw new Error(
            `gradient of input ${input} (shape [${x.shape}]) at flat index ${i}${what}: tape ${got}, finite difference ${want}`,
          );
        };
        const close = (a: number, b: number, scale: number) =>
          Math.abs(a - b) <= scale * atol + rtol * Math.abs(b);
        if (!close(analytic[i]!, numeric, 1)) fail('', analytic[i]!, numeric);
        if (doubled && !close(doubled[i]!, 3 * numeric, 3)) fail(' (second use)', doubled[i]!, 3 * numeric);
      }
    }
  } finally {
    tf.dispose([projection, ...once, ...both]);
  }
}
