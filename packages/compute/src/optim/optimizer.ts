import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError, OptimizerStateError } from '../errors.js';

/** Variables by the names under which gradients and saved state refer to them. */
export type VariableMap = Readonly<Record<string, tf.Variable>> | ReadonlyMap<string, tf.Variable>;

/** Gradients by the same names, or by `variable.name`, which is what `tf.variableGrads` uses. */
export type GradientMap = Readonly<Record<string, tf.Tensor>> | ReadonlyMap<string, tf.Tensor>;

/** Names, or a test, of the variables that weight decay leaves alone. */
export type NoDecay = readonly string[] | ((name: string, variable: tf.Variable) => boolean);

export interface ApplyOptions {
  /**
   * For this step, instead of the constructor's. In a captured function pass a scalar tensor that is an argument: a
   * number would be frozen into the graph.
   */
  readonly learningRate?: number | tf.Scalar;
  /** Every gradient is multiplied by this first: a clip factor, one over the loss scale. Default 1. */
  readonly scale?: number | tf.Scalar;
}

/** Plain data, bit for bit what the optimiser held; save it beside the weights. */
export interface OptimizerState {
  readonly optimizer: string;
  /** Updates made so far. */
  readonly step: number;
  readonly tensors: Readonly<Record<string, { readonly shape: number[]; readonly values: Float32Array }>>;
}

/** Moments and step counter around an update rule. Owns its state, never the variables it updates. */
export abstract class Optimizer {
  /** Name of the rule in saved states. */
  protected abstract readonly kind: string;
  protected readonly variables: ReadonlyMap<string, tf.Variable>;
  protected readonly learningRate: number;
  /** float32, as graphs carry it: exact up to 2²⁴ updates. */
  protected readonly stepCount: tf.Variable;
  private readonly decayed: ReadonlySet<string>;
  /** `'<variable>.<slot>'` → moment. */
  protected readonly slots = new Map<string, tf.Variable>();

  protected constructor(variables: VariableMap, learningRate: number, noDecay: NoDecay) {
    const entries = variables instanceof Map ? [...variables] : Object.entries(variables);
    if (entries.length === 0) throw new InvalidArgumentError('variables', 'at least one variable', '{}');
    this.variables = new Map(entries as [string, tf.Variable][]);
    for (const [name, variable] of this.variables) {
      if (variable.dtype !== 'float32') throw new InvalidArgumentError(name, 'a float32 variable', variable);
    }
    this.learningRate = learningRate;
    const exempt = typeof noDecay === 'function' ? noDecay : (name: string) => noDecay.includes(name);
    if (typeof noDecay !== 'function') {
      const unknown = noDecay.filter((name) => !this.variables.has(name));
      if (unknown.length > 0) throw new InvalidArgumentError('noDecay', 'names of variables', unknown);
    }
    this.decayed = new Set([...this.variables].flatMap(([name, v]) => (exempt(name, v) ? [] : [name])));
    this.stepCount = tf.tidy(() => tf.variable(tf.scalar(0), false));
  }

  protected decays(name: string): boolean {
    return this.decayed.has(name);
  }

  /** Makes one zero moment per variable. */
  protected makeSlots(...names: string[]): void {
    for (const [variableName, variable] of this.variables) {
      for (const slot of names) {
        const zeros = tf.tidy(() => tf.variable(tf.zeros(variable.shape), false));
        this.slots.set(`${variableName}.${slot}`, zeros);
      }
    }
  }

  protected slot(variable: string, name: string): tf.Variable {
    return this.slots.get(`${variable}.${name}`)!;
  }

  /**
   * One update of every variable. Gradients stay the caller's.
   *
   * @throws {OptimizerStateError} when a gradient is missing, unknown, or has another shape
   */
  applyGradients(gradients: GradientMap, options: ApplyOptions = {}): void {
    const matched = this.match(gradients);
    const rate = options.learningRate ?? this.learningRate;
    if (typeof rate === 'number' && !(rate >= 0)) {
      throw new InvalidArgumentError('learningRate', 'a number ≥ 0', rate);
    }
    tf.tidy(() => {
      const scalar = (value: number | tf.Scalar) => (typeof value === 'number' ? tf.scalar(value) : value);
      const { scale } = options;
      this.stepCount.assign(tf.add(this.stepCount, 1));
      const factor = scale === undefined || scale === 1 ? undefined : scalar(scale);
      this.update(matched, scalar(rate), factor);
    });
  }

  /** Runs in a tidy, after the step counter rose. */
  protected abstract update(
    gradients: ReadonlyMap<string, tf.Tensor>,
    learningRate: tf.Scalar,
    scale: tf.Scalar | undefined,
  ): void;

  private match(gradients: GradientMap): Map<string, tf.Tensor> {
    const given = new Map<string, tf.Tensor>(
      gradients instanceof Map ? gradients : Object.entries(gradients as Record<string, tf.Tensor>),
    );
    const matched = new Map<string, tf.Tensor>();
    for (const [name, variable] of this.variables) {
      const key = given.has(name) ? name : variable.name;
      const gradient = given.get(key);
      if (gradient === undefined || gradient === null) {
        throw new OptimizerStateError(
          `no gradient for variable '${name}'; give the optimiser only variables that the loss depends on`,
        );
      }
      if (String(gradient.shape) !== String(variable.shape)) {
        throw new OptimizerStateError(
          `the gradient of '${name}' has shape [${gradient.shape}], the variable [${variable.shape}]`,
        );
      }
      given.delete(key);
      matched.set(name, gradient);
    }
    if (given.size > 0) {
      throw new OptimizerStateError(
        `gradients for variables this optimiser does not own: ${[...given.keys()].join(', ')}`,
      );
    }
    return matched;
  }

  async state(): Promise<OptimizerState> {
    const [step] = await this.stepCount.data();
    const tensors: Record<string, { shape: number[]; values: Float32Array }> = {};
    for (const [name, slot] of this.slots) {
      tensors[name] = { shape: [...slot.shape], values: Float32Array.from(await slot.data()) };
    }
    return { optimizer: this.kind, step: step!, tensors };
  }

  /**
   * Restores what {@link state} returned. Nothing changes when it throws.
   *
   * @throws {OptimizerStateError} when the state belongs to another rule or to other variables
   */
  loadState(state: OptimizerState): void {
    if (state.optimizer !== this.kind) {
      throw new OptimizerStateError(`the state is of '${state.optimizer}', this optimiser is '${this.kind}'`);
    }
    if (!Number.isInteger(state.step) || state.step < 0) {
      throw new OptimizerStateError(`step must be an integer ≥ 0, the state has ${state.step}`);
    }
    const missing = [...this.slots.keys()].filter((name) => !Object.hasOwn(state.tensors, name));
    const unknown = Object.keys(state.tensors).filter((name) => !this.slots.has(name));
    if (missing.length + unknown.length > 0) {
      const list = (title: string, names: string[]) => (names.length ? `${title}: ${names.join(', ')}` : '');
      throw new OptimizerStateError(
        `the state does not fit these variables; ${[list('missing', missing), list('unknown', unknown)].filter(Boolean).join('; ')}`,
      );
    }
    for (const [name, slot] of this.slots) {
      const { shape, values } = state.tensors[name]!;
      if (String(shape) !== String(slot.shape) || values.length !== slot.size) {
        throw new OptimizerStateError(
          `'${name}' has shape [${shape}] and ${values.length} values in the state, here [${slot.shape}]`,
        );
      }
    }
    tf.tidy(() => {
      this.stepCount.assign(tf.scalar(state.step));
      for (const [name, slot] of this.slots) {
        // A copy: backends may keep the array, and the state stays the caller's.
        slot.assign(tf.tensor(state.tensors[name]!.values.slice(), slot.shape, 'float32'));
      }
    });
  }

  /** Frees the moments; the variables live on. */
  dispose(): void {
    for (const slot of this.slots.values()) slot.dispose();
    this.slots.clear();
    this.stepCount.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** For {@link NoDecay}: biases, gains and other vectors, as GPT-2 and its successors were trained. */
export function vectorsOnly(_name: string, variable: tf.Variable): boolean {
  return variable.rank < 2;
}

export function checkRange(name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value < high)) {
    throw new InvalidArgumentError(name, high === Infinity ? `≥ ${low}` : `in [${low}, ${high})`, value);
  }
}
