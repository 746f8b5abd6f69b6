import * as tf from '@tensorflow/tfjs-core';
import { ClipInputError } from '../errors.js';
import type { CLIP, Pixels } from '../model/clip.js';
import { l2Normalize } from '../model/transformer.js';
import { type TextEncoderLike, tokenize } from '../text/tokenize.js';
import { encodeTexts } from '../training/evaluate.js';

export interface ZeroShotOptions {
  /** Sentences with `{}` where the name goes. Default `a photo of a {}.`; `imagenetTemplates` has the paper's 80. */
  readonly templates?: readonly string[];
  /** Texts encoded at once. Default 64. */
  readonly batchSize?: number;
}

export interface ZeroShotResult {
  readonly label: string;
  /** Position of the label in the list given. */
  readonly index: number;
  /** Softmax over the labels of scaled similarity. */
  readonly probability: number;
}

/**
 * Classifies images into classes that are only named. Each class is the mean of its embeddings over all templates,
 * normalised again (Radford et al. 2021, section 3.1.4): several templates are worth several points.
 */
export class ZeroShotClassifier implements Disposable {
  readonly labels: readonly string[];
  /** `[labels, embedDim]`, normalised */
  readonly weights: tf.Tensor2D;
  readonly #clip: CLIP;

  private constructor(clip: CLIP, labels: readonly string[], weights: tf.Tensor2D) {
    this.#clip = clip;
    this.labels = labels;
    this.weights = weights;
  }

  /** @throws {ClipInputError} when there are no labels or a template has no `{}` */
  static async create(
    clip: CLIP,
    tokenizer: TextEncoderLike,
    labels: readonly string[],
    { templates = ['a photo of a {}.'], batchSize = 64 }: ZeroShotOptions = {},
  ): Promise<ZeroShotClassifier> {
    if (labels.length === 0) throw new ClipInputError('labels', 'must hold at least one name');
    templates.forEach((template, i) => {
      if (!template.includes('{}'))
        throw new ClipInputError(`templates[${i}]`, `has no {}: ${JSON.stringify(template)}`);
    });
    if (templates.length === 0) throw new ClipInputError('templates', 'must hold at least one sentence');
    const { text } = clip.config;
    if (!text) throw new ClipInputError('clip', 'needs a text tower');
    const sentences = labels.flatMap((label) =>
      templates.map((template) => template.replaceAll('{}', label)),
    );
    const embeds = await encodeTexts(clip, tokenize(sentences, tokenizer, text), { batchSize });
    const weights = tf.tidy(() => {
      const grouped = tf.reshape(embeds, [labels.length, templates.length, -1]);
      return l2Normalize(tf.mean(grouped, 1) as tf.Tensor2D);
    });
    embeds.dispose();
    return new ZeroShotClassifier(clip, [...labels], weights);
  }

  /** For each image its `top` most probable labels, best first. Default: all labels. */
  async classify(pixels: Pixels, options: { readonly top?: number } = {}): Promise<ZeroShotResult[][]> {
    const probabilities = tf.tidy(() =>
      tf.softmax(this.#clip.similarity(this.#clip.encodeImage(pixels), this.weights)),
    );
    const values = await probabilities.data();
    const [images, count] = probabilities.shape;
    probabilities.dispose();
    return Array.from({ length: images }, (_, row) =>
      this.labels
        .map((label, index) => ({ label, index, probability: values[row * count + index]! }))
        .sort((a, b) => b.probability - a.probability || a.index - b.index)
        .slice(0, options.top ?? count),
    );
  }

  dispose(): void {
    this.weights.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
