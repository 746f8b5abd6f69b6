import * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig } from '../config/config.js';
import { uniform } from '../data/random.js';
import { InvalidArgumentError } from '../errors.js';
import type { LinearAdapter } from '../model/forward.js';
import type { GPT } from '../model/gpt.js';
import type { TrainableModel } from '../training/checkpoint-store.js';
import { allLinear, targetedModules } from './target-modules.js';

export interface LoRAOptions {
  /** Rank r of the update. Default 8. */
  readonly rank?: number;
  /** The update is scaled by `alpha / rank`. Default 16. */
  readonly alpha?: number;
  /** Dropout of the adapter's input in training. Default 0. */
  readonly dropout?: number;
  /** Last parts of module names, e.g. `c_attn` (as in PEFT); or `'all-linear'`, the default. */
  readonly targetModules?: readonly string[] | 'all-linear';
  /** Scale by `alpha / √rank` instead (Kalajdzievski 2023, rsLoRA). Default `false`. */
  readonly rankStabilized?: boolean;
  /** Default 0. */
  readonly seed?: number;
}

/** The two factors of one module's update. */
interface Factors {
  /** `[in, rank]` */
  readonly a: tf.Variable;
  /** `[rank, out]` */
  readonly b: tf.Variable;
  readonly scale: number;
}

/** Factors given by a saved adapter: `a` `[in, rank]`, `b` `[rank, out]`. */
export interface LoRAFactors {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly rank: number;
}

/**
 * Low-rank adapters: `y = x W + b + scale · (x A) B` with W frozen (Hu et al. 2021, LoRA, section 4.1). B starts
 * at zero, so an attached adapter changes nothing until it is trained. Hand it to `pretrain` as `adapter`.
 */
export class LoRA implements TrainableModel {
  readonly model: GPT;
  readonly options: Required<LoRAOptions>;
  readonly #factors = new Map<string, Factors>();
  #merged = false;
  #attached = false;

  private constructor(model: GPT, options: Required<LoRAOptions>) {
    this.model = model;
    this.options = options;
  }

  /**
   * Fresh adapters on a model, active at once.
   *
   * @throws {InvalidArgumentError} for a rank, dropout or module that does not fit, or when the module is taken
   */
  static attach(model: GPT, options: LoRAOptions = {}): LoRA {
    const { rank = 8, alpha = 16, dropout = 0, rankStabilized = false, seed = 0 } = options;
    const { targetModules = 'all-linear' } = options;
    if (!Number.isInteger(rank) || rank < 1)
      throw new InvalidArgumentError('rank', rank, 'give a whole number above 0');
    if (!(alpha > 0)) throw new InvalidArgumentError('alpha', alpha, 'give a positive number');
    if (!(dropout >= 0 && dropout < 1))
      throw new InvalidArgumentError('dropout', dropout, 'give 0 to below 1');
    const modules = targetedModules(model, targetModules);
    const lora = new LoRA(model, { rank, alpha, dropout, rankStabilized, seed, targetModules });
    modules.forEach(({ name, inputs, outputs }, index) => {
      // PyTorch's default of a linear layer, kaiming_uniform with a = √5: U(−1/√in, 1/√in).
      const bound = 1 / Math.sqrt(inputs);
      const a = Float32Array.from(
        { length: inputs * rank },
        (_, i) => (2 * uniform(seed, index, i) - 1) * bound,
      );
      lora.#add(name, inputs, outputs, { a, b: new Float32Array(rank * outputs), rank });
    });
    lora.#attach();
    return lora;
  }

  /** Adapters with given factors, by module name; see `loadLoRA` of the Node entry point for PEFT folders. */
  static fromFactors(model: GPT, factors: ReadonlyMap<string, LoRAFactors>, options: LoRAOptions): LoRA {
    const first = factors.values().next().value;
    if (!first) throw new InvalidArgumentError('factors', 0, 'give the factors of at least one module');
    const lora = new LoRA(model, {
      rank: options.rank ?? first.rank,
      alpha: options.alpha ?? 16,
      dropout: options.dropout ?? 0,
      targetModules: options.targetModules ?? [...factors.keys()],
      rankStabilized: options.rankStabilized ?? false,
      seed: options.seed ?? 0,
    });
    const modules = new Map(allLinear(model).map((module) => [module.name, module]));
    for (const [name, factor] of factors) {
      const module = modules.get(name);
      if (!module)
        throw new InvalidArgumentError('module', name, 'the model has no linear layer of this name');
      const { inputs, outputs } = module;
      if (factor.a.length !== inputs * factor.rank || factor.b.length !== outputs * factor.rank)
        throw new InvalidArgumentError(
          name,
          `factors of ${factor.a.length} and ${factor.b.length} numbers`,
          `rank ${factor.rank} needs ${inputs * factor.rank} and ${outputs * factor.rank}; use an adapter of this model's size`,
        );
      lora.#add(name, inputs, outputs, factor);
    }
    lora.#attach();
    return lora;
  }

  get config(): GPTConfig {
    return this.model.config;
  }

  /** What training updates: `<module>.lora_A` `[in, rank]` and `<module>.lora_B` `[rank, out]`. */
  get variables(): ReadonlyMap<string, tf.Variable> {
    const all = new Map<string, tf.Variable>();
    for (const [name, { a, b }] of this.#factors) {
      all.set(`${name}.lora_A`, a);
      all.set(`${name}.lora_B`, b);
    }
    return all;
  }

  /** Modules that carry an adapter. */
  get modules(): readonly string[] {
    return [...this.#factors.keys()];
  }

  get merged(): boolean {
    return this.#merged;
  }

  /** Adds the updates to the weights; the model then costs nothing extra. */
  merge(): void {
    if (this.#merged) return;
    this.#shiftWeights(1);
    this.#detachModules();
    this.#merged = true;
  }

  /** Takes the updates out of the weights again (up to rounding). */
  unmerge(): void {
    if (!this.#merged) return;
    this.#shiftWeights(-1);
    this.#merged = false;
    this.#attach();
  }

  /** Writes a PEFT adapter folder: `adapter_config.json` and `adapter_model.safetensors`. */
  async save(directory: string): Promise<void> {
    const { saveLoRA } = await import('../node/lora-files.js');
    await saveLoRA(this, directory);
  }

  /** Takes over the factors of a saved adapter of the same modules. */
  async restore(directory: string): Promise<void> {
    const { readLoRAFactors } = await import('../node/lora-files.js');
    const { factors } = await readLoRAFactors(directory);
    for (const [name, { a, b }] of this.#factors) {
      const saved = factors.get(name);
      if (!saved || saved.a.length !== a.size || saved.b.length !== b.size)
        throw new InvalidArgumentError('adapter', directory, `it has no factors of this size for ${name}`);
      tf.tidy(() => {
        a.assign(tf.tensor(saved.a, a.shape));
        b.assign(tf.tensor(saved.b, b.shape));
      });
    }
  }

  /** Removes the adapters from the model and frees them; merged weights stay merged. */
  dispose(): void {
    if (this.#attached) this.#detachModules();
    for (const { a, b } of this.#factors.values()) tf.dispose([a, b]);
    this.#factors.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #add(name: string, inputs: number, outputs: number, factor: LoRAFactors): void {
    if (this.model.adapters.has(name))
      throw new InvalidArgumentError(
        'targetModules',
        name,
        'this module has an adapter already; dispose that one first',
      );
    const { alpha, rankStabilized } = this.options;
    const variable = (values: Float32Array, shape: [number, number]) =>
      tf.tidy(() => tf.variable(tf.tensor2d(values, shape), true));
    this.#factors.set(name, {
      a: variable(factor.a, [inputs, factor.rank]),
      b: variable(factor.b, [factor.rank, outputs]),
      scale: alpha / (rankStabilized ? Math.sqrt(factor.rank) : factor.rank),
    });
  }

  #attach(): void {
    for (const [name, factors] of this.#factors)
      this.model.adapters.set(name, adapter(factors, this.options.dropout));
    this.#attached = true;
  }

  #detachModules(): void {
    for (const name of this.#factors.keys()) this.model.adapters.delete(name);
    this.#attached = false;
  }

  #shiftWeights(sign: 1 | -1): void {
    for (const [name, { a, b, scale }] of this.#factors) {
      const weight = this.model.variables.get(`${name}.weight`)!;
      tf.tidy(() =>
        weight.assign(tf.add(weight, tf.mul(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D), sign * scale))),
      );
    }
  }
}

function adapter({ a, b, scale }: Factors, rate: number): LinearAdapter {
  return {
    variables: [a, b],
    apply(x, { training, dropout }) {
      const [batch, length, inputs] = x.shape;
      const dropped = training && rate > 0 ? dropout(x, rate) : x;
      const flat = tf.reshape(dropped, [batch * length, inputs]) as tf.Tensor2D;
      const low = tf.matMul(flat, a as tf.Tensor as tf.Tensor2D); // [batch * length, rank]
      const update = tf.matMul(low, b as tf.Tensor as tf.Tensor2D);
      return tf.reshape(tf.mul(update, scale), [batch, length, b.shape[1]!]);
    },
  };
}
