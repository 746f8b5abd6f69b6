import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { writeFileAtomic } from '../atomic-file.js';
import { ConfigError, FileError } from '../errors.js';
import { hash32, Random } from '../random.js';
import { wordHashes } from '../words.js';

type Texts = Iterable<string> | AsyncIterable<string>;

export interface QualityClassifierOptions {
  /** Texts as they should be (GPT-3: WebText, Wikipedia, books). */
  positive: Texts;
  /** Texts as they come (GPT-3: raw Common Crawl). */
  negative: Texts;
  /** Hash buckets, a power of two. Default 2¹⁸, the default of Spark's HashingTF. */
  buckets?: number;
  /** Weight of the squared norm in the loss. Default 1e-6. */
  l2?: number;
  /** Passes over the examples. Default 5. */
  epochs?: number;
  /** Order of the examples. Default 0. */
  seed?: number;
}

/** GPT-3's shape parameter of the Pareto distribution. */
export const gpt3Alpha = 9;

/**
 * The quality classifier of GPT-3 (Brown et al. 2020, appendix A): logistic regression over hashed word counts. Theirs
 * used Spark's tokenizer and HashingTF; here words are runs of letters and digits, counts are damped by a square root
 * and scaled to unit length, so that long and short texts compare.
 */
export class QualityClassifier {
  private readonly weights: Float32Array;
  private readonly bias: number;

  constructor(weights: Float32Array, bias: number) {
    this.weights = weights;
    this.bias = bias;
  }

  /** Probability that a text is of the positive kind, 0 to 1. */
  score(text: string): number {
    const { buckets, values } = features(text, this.weights.length);
    let z = this.bias;
    for (let i = 0; i < buckets.length; i++) z += this.weights[buckets[i]!]! * values[i]!;
    return 1 / (1 + Math.exp(-z));
  }

  /**
   * GPT-3's decision: keep when a Pareto draw exceeds 1 − score. Most texts that stay are good, some are not: the
   * point is diversity. The draw (NumPy's `pareto`, from 0 on) depends on `seed` and `id` only.
   *
   * @param alpha shape; larger keeps less. Default 9
   */
  keep(
    text: string,
    { id, seed = 0, alpha = gpt3Alpha }: { id: string; seed?: number; alpha?: number },
  ): boolean {
    return paretoKeeps(this.score(text), id, seed, alpha);
  }

  /** Saves as one binary file, atomically. */
  save(path: string): void {
    const header = Buffer.from(JSON.stringify({ format, bias: this.bias, buckets: this.weights.length }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    writeFileAtomic(path, Buffer.concat([length, header, Buffer.from(this.weights.buffer)]));
  }

  /** @throws {FileError} for a file that is no classifier */
  static load(path: string): QualityClassifier {
    const bytes = readFileSync(path);
    try {
      const length = bytes.readUInt32LE(0);
      const header = headerSchema.parse(JSON.parse(bytes.toString('utf8', 4, 4 + length)));
      const weights = new Float32Array(header.buckets);
      if (bytes.length !== 4 + length + weights.byteLength) throw new Error('wrong length');
      new Uint8Array(weights.buffer).set(bytes.subarray(4 + length));
      return new QualityClassifier(weights, header.bias);
    } catch (cause) {
      throw new FileError(path, 'format', 'is not a quality classifier', { cause });
    }
  }
}

const format = 'gpt-lineage/quality-classifier/1';
const headerSchema = z.object({
  format: z.literal(format),
  bias: z.number(),
  buckets: z
    .number()
    .int()
    .positive()
    .max(2 ** 26),
});

/** Keep when Pareto(alpha) > 1 − score; a pure function of score, id and seed. */
export function paretoKeeps(score: number, id: string, seed = 0, alpha = gpt3Alpha): boolean {
  const uniform = hash32(seed, 'pareto', id) / 0x100000000;
  const draw = (1 - uniform) ** (-1 / alpha) - 1;
  return draw > 1 - score;
}

/**
 * Trains a quality classifier: logistic regression by AdaGrad (Duchi et al. 2011) over shuffled passes, classes
 * weighted equally however many texts each has.
 *
 * @throws {ConfigError} when a class is empty
 */
export async function qualityClassifier(options: QualityClassifierOptions): Promise<QualityClassifier> {
  const { buckets = 2 ** 18, l2 = 1e-6, epochs = 5, seed = 0 } = options;
  if (!Number.isInteger(Math.log2(buckets))) {
    throw new ConfigError('buckets', `must be a power of two, received ${buckets}`);
  }
  const examples: { features: Features; label: 0 | 1 }[] = [];
  const sizes = [0, 0];
  for (const [label, texts] of [options.negative, options.positive].entries()) {
    for await (const text of texts) {
      examples.push({ features: features(text, buckets), label: label as 0 | 1 });
      sizes[label]!++;
    }
  }
  for (const [label, name] of ['negative', 'positive'].entries()) {
    if (sizes[label] === 0) throw new ConfigError(name, 'holds no text');
  }
  const classWeight = sizes.map((size) => examples.length / (2 * size));
  const weights = new Float32Array(buckets);
  const squares = new Float32Array(buckets);
  let bias = 0;
  let biasSquares = 0;
  const rate = 0.5;
  const random = new Random(seed, 'quality-classifier');
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const { features: f, label } of random.shuffle(examples)) {
      let z = bias;
      for (let i = 0; i < f.buckets.length; i++) z += weights[f.buckets[i]!]! * f.values[i]!;
      const error = (1 / (1 + Math.exp(-z)) - label) * classWeight[label]!;
      for (let i = 0; i < f.buckets.length; i++) {
        const bucket = f.buckets[i]!;
        const gradient = error * f.values[i]! + l2 * weights[bucket]!;
        squares[bucket]! += gradient * gradient;
        weights[bucket]! -= (rate * gradient) / (Math.sqrt(squares[bucket]!) + 1e-8);
      }
      biasSquares += error * error;
      bias -= (rate * error) / (Math.sqrt(biasSquares) + 1e-8);
    }
  }
  return new QualityClassifier(weights, bias);
}

interface Features {
  buckets: Uint32Array;
  values: Float32Array;
}

function features(text: string, size: number): Features {
  const sorted = wordHashes(text).map((hash) => (hash ^ (hash >>> 18)) & (size - 1));
  sorted.sort();
  const buckets = new Uint32Array(sorted.length);
  const values = new Float32Array(sorted.length);
  let distinct = 0;
  let norm = 0;
  for (let i = 0; i < sorted.length; ) {
    let end = i + 1;
    while (end < sorted.length && sorted[end] === sorted[i]) end++;
    buckets[distinct] = sorted[i]!;
    values[distinct] = Math.sqrt(end - i);
    norm += end - i;
    distinct++;
    i = end;
  }
  const scale = norm === 0 ? 0 : 1 / Math.sqrt(norm);
  for (let i = 0; i < distinct; i++) values[i]! *= scale;
  return { buckets: buckets.slice(0, distinct), values: values.slice(0, distinct) };
}
