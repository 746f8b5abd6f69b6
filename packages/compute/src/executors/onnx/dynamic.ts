import { ExecutorError } from '../../capture/errors.js';
import type { OnnxBuilder, OnnxInitializer, OnnxNode, OnnxTensorInfo } from './model.js';

/**
 * Models whose lengths are known when they run. A function is traced and lowered at a few sizes of each named length. The
 * graphs are the same but for some numbers: a number that changes is a polynomial of the lengths, found from the samples,
 * and becomes nodes that compute it from the shapes of the inputs.
 */
export interface Sample {
  /** Size of each named length, in the order of `names`. */
  readonly sizes: readonly number[];
  readonly builder: OnnxBuilder;
}

/** Sizes that no model has by itself and that differ from each other. */
const primes = [
  101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211,
]; // biome-ignore format: a table

/**
 * The sizes to trace at: one set as a base, each length changed alone, each pair together, and all together to check.
 */
export function sampleSizes(count: number): number[][] {
  const base = (i: number) => primes[2 * i]!;
  const other = (i: number) => primes[2 * i + 1]!;
  const sizes = (changed: readonly number[]) =>
    Array.from({ length: count }, (_, i) => (changed.includes(i) ? other(i) : base(i)));
  const sets = [[] as number[]];
  for (let i = 0; i < count; i++) sets.push([i]);
  for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) sets.push([i, j]);
  if (count > 2) sets.push(Array.from({ length: count }, (_, i) => i));
  return sets.map(sizes);
}

/** `constant + Σ coefficient · product of lengths`. */
interface Polynomial {
  readonly constant: number;
  readonly terms: readonly { readonly factor: number; readonly of: readonly number[] }[];
}

function fit(values: readonly number[], samples: readonly Sample[]): Polynomial | undefined {
  const count = samples[0]!.sizes.length;
  const [base] = samples as [Sample];
  const step = (i: number) => samples[1 + i]!.sizes[i]! - base.sizes[i]!;
  const [f0] = values as [number];
  const linear = base.sizes.map((_, i) => (values[1 + i]! - f0) / step(i));
  const terms: { factor: number; of: number[] }[] = [];
  let at = 1 + count;
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++, at++) {
      const factor = (values[at]! - values[1 + i]! - values[1 + j]! + f0) / (step(i) * step(j));
      if (factor === 0) continue;
      terms.push({ factor, of: [i, j] });
      // From deviations to the lengths themselves.
      linear[i]! -= factor * base.sizes[j]!;
      linear[j]! -= factor * base.sizes[i]!;
    }
  }
  linear.forEach((factor, i) => {
    if (factor !== 0) terms.push({ factor, of: [i] });
  });
  const product = (of: readonly number[], sizes: readonly number[]) =>
    of.reduce((result, i) => result * sizes[i]!, 1);
  const sum = (sizes: readonly number[]) =>
    terms.reduce((total, { factor, of }) => total + factor * product(of, sizes), 0);
  const constant = f0 - sum(base.sizes);
  const whole = [constant, ...terms.map(({ factor }) => factor)].every(Number.isInteger);
  const right = samples.every(({ sizes }, k) => constant + sum(sizes) === values[k]);
  return whole && right ? { constant, terms } : undefined;
}

/** Turns the first sample into a model of all sizes. */
export function mergeSamples(samples: readonly Sample[], names: readonly string[]): OnnxBuilder {
  const [{ builder }] = samples as [Sample];
  return new Merge(samples, names, builder).run();
}

class Merge {
  private readonly samples: readonly Sample[];
  private readonly names: readonly string[];
  private readonly builder: OnnxBuilder;
  /** Nodes that compute lengths: they go in front. */
  private readonly made: OnnxNode[] = [];
  private readonly known = new Map<string, string>();

  constructor(samples: readonly Sample[], names: readonly string[], builder: OnnxBuilder) {
    this.samples = samples;
    this.names = names;
    this.builder = builder;
  }

  run(): OnnxBuilder {
    const { builder, samples } = this;
    for (const other of samples.slice(1)) this.compareNodes(other.builder);
    this.nameShapes(builder.inputs, (b) => b.inputs);
    const replaced = new Map<string, string>();
    const kept: OnnxInitializer[] = [];
    const originals = [...builder.initializers];
    builder.initializers.length = 0;
    originals.forEach((first, i) => {
      const all = samples.map(({ builder: b }, k) => (k === 0 ? first : b.initializers[i]!));
      if (all.every((tensor) => same(first, tensor))) kept.push(first);
      else replaced.set(first.name, this.computed(first, all));
    });
    builder.initializers.push(...kept);
    for (const node of builder.nodes) node.inputs = node.inputs.map((name) => replaced.get(name) ?? name);
    builder.nodes.unshift(...this.made);
    this.nameShapes(builder.outputs, (b) => b.outputs);
    return builder;
  }

  private compareNodes(other: OnnxBuilder): void {
    const { nodes, initializers } = this.builder;
    if (other.nodes.length !== nodes.length || other.initializers.length !== initializers.length) {
      throw new ExecutorError(
        'onnx',
        'the function does other operations at other sizes of its named lengths',
      );
    }
    nodes.forEach((node, i) => {
      if (JSON.stringify(node) === JSON.stringify(other.nodes[i])) return;
      throw new ExecutorError(
        'onnx',
        `${node.op} depends on a named length in a way that ONNX fixes in the model`,
      );
    });
  }

  private fit(values: readonly number[], what: string): Polynomial {
    const polynomial = fit(values, this.samples);
    if (polynomial !== undefined) return polynomial;
    throw new ExecutorError('onnx', `${what} is no sum of products of the named lengths (${this.names})`);
  }

  private nameShapes(infos: OnnxTensorInfo[], of: (builder: OnnxBuilder) => readonly OnnxTensorInfo[]): void {
    infos.forEach((info, i) => {
      const shape = info.shape.map((length, axis) => {
        const values = this.samples.map(({ builder }) => of(builder)[i]!.shape[axis] as number);
        if (values.every((value) => value === length)) return length;
        const { constant, terms } = this.fit(values, `a length of ${info.name}`);
        const [only] = terms;
        const plain = constant === 0 && terms.length === 1 && only!.factor === 1 && only!.of.length === 1;
        if (plain) return this.names[only!.of[0]!]!;
        const text = terms.map(({ factor, of: lengths }) =>
          [...(factor === 1 ? [] : [factor]), ...lengths.map((k) => this.names[k])].join(' * '),
        );
        return [...text, ...(constant === 0 ? [] : [constant])].join(' + ');
      });
      infos[i] = { ...info, shape };
    });
  }

  /** What takes the place of a constant that is not the same at all sizes. */
  private computed(first: OnnxInitializer, all: readonly OnnxInitializer[]): string {
    const { type, name } = first;
    const what = `a constant of ${this.consumer(name)}`;
    const rows = all.map(({ data }) => Array.from(data as unknown as ArrayLike<number | bigint>, Number));
    const [values] = rows as [number[]];
    if (rows.every((row) => row.length === values.length) && values.length <= 16) {
      const vector = this.vector(
        values.map((_, k) =>
          this.fit(
            rows.map((row) => row[k]!),
            what,
          ),
        ),
      );
      const shaped = first.shape.length === 0 ? this.node('Squeeze', [vector]) : vector;
      if (type === 'int64') return shaped;
      if (type === 'int32' || type === 'float32') {
        return this.node('Cast', [shaped], { to: { int: type === 'int32' ? 6 : 1 } });
      }
    }
    const [start = 0, next = 0] = values;
    const step = next - start;
    const counts = rows.every((row) => row.every((value, k) => value === start + k * step)) && step !== 0;
    if (counts && first.shape.length === 1 && (type === 'int32' || type === 'float32')) {
      const length = this.fit(
        rows.map((row) => start + row.length * step),
        what,
      );
      const end = this.node('Squeeze', [this.vector([length])]);
      const limit = this.node('Cast', [end], { to: { int: type === 'int32' ? 6 : 1 } });
      const { builder } = this;
      return this.node('Range', [builder.scalar(start, type), limit, builder.scalar(step, type)]);
    }
    throw new ExecutorError('onnx', `${what} has other contents at other sizes of the named lengths`);
  }

  private consumer(name: string): string {
    return this.builder.nodes.find((node) => node.inputs.includes(name))?.op ?? 'an output';
  }

  /** A vector of int64. */
  private vector(parts: readonly Polynomial[]): string {
    return this.once(JSON.stringify(parts), () => {
      const pieces = parts.map((part) => this.polynomial(part));
      return pieces.length === 1 ? pieces[0]! : this.node('Concat', pieces, { axis: { int: 0 } });
    });
  }

  private polynomial({ constant, terms }: Polynomial): string {
    return this.once(`p${JSON.stringify({ constant, terms })}`, () => {
      const { builder } = this;
      const summands = terms.map(({ factor, of }) => {
        const product = of.map((i) => this.length(i)).reduce((a, b) => this.node('Mul', [a, b]));
        return factor === 1 ? product : this.node('Mul', [product, builder.ints([factor])]);
      });
      if (constant !== 0 || summands.length === 0) summands.push(builder.ints([constant]));
      return summands.reduce((a, b) => this.node('Add', [a, b]));
    });
  }

  /** A named length, from the shape of an input that has it. */
  private length(index: number): string {
    const name = this.names[index]!;
    return this.once(`length ${name}`, () => {
      for (const input of this.builder.inputs) {
        const axis = input.shape.indexOf(name);
        if (axis < 0) continue;
        return this.node('Shape', [input.name], { start: { int: axis }, end: { int: axis + 1 } });
      }
      throw new ExecutorError('onnx', `no input has the length ${name}`);
    });
  }

  private once(key: string, make: () => string): string {
    let name = this.known.get(key);
    if (name === undefined) {
      name = make();
      this.known.set(key, name);
    }
    return name;
  }

  private node(op: string, inputs: readonly string[], attrs: OnnxNode['attrs'] = {}): string {
    const output = this.builder.name(`length_${op}`);
    this.made.push({ op, domain: '', inputs, outputs: [output], attrs });
    return output;
  }
}

function same(a: OnnxInitializer, b: OnnxInitializer): boolean {
  if (a.weight || b.weight) return true;
  if (a === b) return true;
  if (a.shape.length !== b.shape.length || a.shape.some((length, axis) => length !== b.shape[axis]))
    return false;
  const [x, y] = [a.data, b.data] as unknown as [ArrayLike<unknown>, ArrayLike<unknown>];
  if (x.length !== y.length) return false;
  for (let i = 0; i < x.length; i++) if (!Object.is(x[i], y[i])) return false;
  return true;
}
