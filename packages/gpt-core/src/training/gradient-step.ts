import {
  AdamW,
  allReduceMean,
  capture,
  globalNorm,
  type OptimizerState,
  vectorsOnly,
} from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { CheckpointError } from '../errors.js';
import type { StateTensors } from './checkpoint-store.js';
import type { PretrainOptions } from './pretrain-options.js';
import type { Feeds, TrainingTask } from './training-task.js';
import type { WeightAverage } from './weight-average.js';

type Inputs = Readonly<Record<string, tf.Tensor>>;

/** One function, run op by op or as a captured graph. */
type Program<Args extends readonly unknown[], Result> = ((...args: Args) => Promise<Result>) & {
  dispose(): void;
};

/**
 * Gradient sums of one optimizer step, and the step itself. The sums live in variables, so that whether to update
 * can be decided between the two, and so that every part can be a captured graph.
 */
export class GradientStep<Batch> {
  readonly #task: TrainingTask<Batch>;
  readonly #optimizers: readonly {
    readonly rate: number;
    readonly optimizer: AdamW;
    readonly names: readonly string[];
  }[];
  readonly #sums = new Map<string, tf.Variable>();
  readonly #lossSum: tf.Variable;
  /** Gradients of a micro-batch, put in place of the sums or added to them. */
  readonly #first: Program<[Inputs, tf.Scalar, tf.Scalar], void>;
  readonly #further: Program<[Inputs, tf.Scalar, tf.Scalar], void>;
  readonly #measure: Program<[], tf.Tensor1D>;
  readonly #update: Program<[tf.Scalar, tf.Scalar], void>;
  readonly #evaluate: Program<[Inputs], tf.Scalar>;
  #filled = false;

  constructor(
    task: TrainingTask<Batch>,
    variables: ReadonlyMap<string, tf.Variable>,
    average: WeightAverage | undefined,
    options: PretrainOptions,
  ) {
    this.#task = task;
    this.#optimizers = createOptimizers(variables, options);
    for (const [name, variable] of variables)
      this.#sums.set(
        name,
        tf.tidy(() => tf.variable(tf.zerosLike(variable), false)),
      );
    this.#lossSum = tf.tidy(() => tf.variable(tf.scalar(0), false));
    const compile = programs(options);
    const list = [...variables.values()];
    const add = (first: boolean) => (inputs: Inputs, weight: tf.Scalar, seed: tf.Scalar) => {
      const weighted = () => tf.mul(task.loss(inputs, seed), weight) as tf.Scalar;
      const { value, grads } = tf.variableGrads(weighted, list);
      for (const [name, variable] of variables) {
        // A variable that this batch's loss does not reach has a gradient of zero.
        const gradient = grads[variable.name] ?? tf.zerosLike(variable);
        const sum = this.#sums.get(name)!;
        sum.assign(first ? gradient : tf.add(sum, gradient));
      }
      this.#lossSum.assign(first ? value : tf.add(this.#lossSum, value));
    };
    this.#first = compile(add(true));
    this.#further = compile(add(false));
    this.#measure = compile(() => {
      if (options.cluster) this.#reduce();
      return tf.stack([this.#lossSum, globalNorm([...this.#sums.values()])]) as tf.Tensor1D;
    });
    this.#update = compile((learningRate: tf.Scalar, scale: tf.Scalar) => {
      for (const { rate, optimizer, names } of this.#optimizers) {
        const gradients = new Map(names.map((name) => [name, this.#sums.get(name)!]));
        optimizer.applyGradients(gradients, {
          learningRate: rate === 1 ? learningRate : (tf.mul(learningRate, rate) as tf.Scalar),
          scale,
        });
      }
      average?.update();
    });
    this.#evaluate = compile((inputs: Inputs) => task.evaluate(inputs));
  }

  /** Replaces the sums of this worker by the mean over all of them. */
  #reduce(): void {
    const sums = Object.fromEntries([...this.#sums, ['', this.#lossSum]]);
    for (const [name, mean] of Object.entries(allReduceMean(sums)))
      (name === '' ? this.#lossSum : this.#sums.get(name)!).assign(mean);
  }

  /** Adds `weight ×` the gradients (and the loss) of one micro-batch. */
  async accumulate(batch: Batch, weight: number, seed: number): Promise<void> {
    await withTensors(this.#task.feeds(batch), async (inputs) => {
      const scalars = [tf.scalar(weight), tf.scalar(seed, 'int32')] as const;
      await (this.#filled ? this.#further : this.#first)(inputs, ...scalars);
      tf.dispose([...scalars]);
    });
    this.#filled = true;
  }

  /** The loss and the global L2 norm of the gradients. */
  async measure(): Promise<{ loss: number; gradientNorm: number }> {
    const both = await this.#measure();
    const [loss, gradientNorm] = await both.data();
    both.dispose();
    return { loss: loss!, gradientNorm: gradientNorm! };
  }

  /** Updates the variables; gradients longer than `clipNorm` are scaled down to it. */
  async apply(learningRate: number, clip?: { clipNorm: number; gradientNorm: number }): Promise<void> {
    // PyTorch's clip_grad_norm_: the small constant keeps the factor finite.
    const factor = clip ? Math.min(1, clip.clipNorm / (clip.gradientNorm + 1e-6)) : 1;
    const scalars = [tf.scalar(learningRate), tf.scalar(factor)] as const;
    await this.#update(...scalars);
    tf.dispose([...scalars]);
    this.discard();
  }

  /** Forgets the sums without an update. */
  discard(): void {
    this.#filled = false;
  }

  /** The loss of one batch, nothing trained. */
  async evaluate(feeds: Feeds): Promise<number> {
    return withTensors(feeds, async (inputs) => {
      const loss = await this.#evaluate(inputs);
      const [value] = await loss.data();
      loss.dispose();
      return value!;
    });
  }

  /** The optimizers' moments. */
  async tensors(): Promise<StateTensors> {
    const all = new Map<string, { shape: readonly number[]; data: Float32Array }>();
    for (const { optimizer } of this.#optimizers)
      for (const [name, { shape, values }] of Object.entries((await optimizer.state()).tensors))
        all.set(MOMENTS + name, { shape, data: values });
    return all;
  }

  /** @throws {CheckpointError} when the moments are not of these variables */
  restore(tensors: StateTensors, updates: number, path: string): void {
    for (const { optimizer, names } of this.#optimizers) {
      const own: Record<string, OptimizerState['tensors'][string]> = {};
      for (const name of names)
        for (const slot of ['mean', 'square']) {
          const saved = tensors.get(`${MOMENTS}${name}.${slot}`);
          if (saved) own[`${name}.${slot}`] = { shape: [...saved.shape], values: saved.data };
        }
      try {
        optimizer.loadState({ optimizer: 'adamw', step: updates, tensors: own });
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new CheckpointError(path, `${reason}; resume with the options of the first run.`, { cause });
      }
    }
  }

  dispose(): void {
    for (const program of [this.#first, this.#further, this.#measure, this.#update, this.#evaluate])
      program.dispose();
    for (const { optimizer } of this.#optimizers) optimizer.dispose();
    for (const sum of this.#sums.values()) sum.dispose();
    this.#lossSum.dispose();
  }
}

const MOMENTS = 'adamw/';

/** One optimizer per learning-rate multiplier. */
function createOptimizers(variables: ReadonlyMap<string, tf.Variable>, options: PretrainOptions) {
  const groups = new Map<number, Map<string, tf.Variable>>();
  for (const [name, variable] of variables) {
    const rate = options.learningRateScale?.(name) ?? 1;
    groups.set(rate, (groups.get(rate) ?? new Map()).set(name, variable));
  }
  const [beta1, beta2] = options.betas ?? [0.9, 0.95];
  return [...groups].map(([rate, group]) => ({
    rate,
    names: [...group.keys()],
    optimizer: new AdamW(group, {
      beta1,
      beta2,
      epsilon: options.epsilon ?? 1e-8,
      weightDecay: options.weightDecay ?? 0.1,
      noDecay: options.decayed === 'all' ? [] : vectorsOnly,
    }),
  }));
}

/** How functions become programs: captured where the active backend has an executor, op by op otherwise. */
function programs(options: PretrainOptions) {
  const { execution = 'auto', precision = 'float32', cluster } = options;
  const captured = cluster || tf.getBackend() === 'tensorflow' ? 'tensorflow' : 'eager';
  const executor = execution === 'auto' ? captured : execution;
  return <Args extends readonly unknown[], Result>(fn: (...args: Args) => Result): Program<Args, Result> => {
    if (executor !== 'eager')
      return capture(fn, {
        executor,
        matmulPrecision: precision,
        ...(cluster && { cluster }),
      }) as unknown as Program<Args, Result>;
    const run = async (...args: Args) => tf.tidy(() => fn(...args) as tf.TensorContainer) as Result;
    return Object.assign(run, { dispose: () => undefined });
  };
}

async function withTensors<Result>(feeds: Feeds, use: (inputs: Inputs) => Promise<Result>): Promise<Result> {
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
    ]),
  );
  try {
    return await use(inputs);
  } finally {
    tf.dispose(inputs);
  }
}
