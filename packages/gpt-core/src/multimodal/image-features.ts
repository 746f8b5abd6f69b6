import { type CLIP, ClipInputError, type Pixels } from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';
import type { VisionConfig } from '../config/config.js';

/**
 * Patch features of images: a hidden state of CLIP's vision transformer, or the last feature map of its ResNet, one
 * feature for each place of the map.
 *
 * @param pixels `[images, 3, height, width]`
 * @returns `[images, patches, vision.nEmbd]`, the class token first when `classToken` is set
 * @throws {ClipInputError} an encoder without an image tower, or with fewer layers than `layer` counts
 */
export function imageFeatures(clip: CLIP, pixels: Pixels, { layer, classToken }: VisionConfig): tf.Tensor3D {
  return tf.tidy(() => {
    if (clip.config.vision?.kind === 'resnet') {
      const { stages } = clip.resnet(pixels, { outputStages: true });
      const map = stages.at(-1)!; // [images, height, width, channels]
      const [images, height, width, channels] = map.shape;
      return tf.reshape(map, [images, height * width, channels]) as tf.Tensor3D;
    }
    const { hiddenStates } = clip.vision(pixels, { outputHiddenStates: true });
    const state = hiddenStates.at(layer);
    if (!state) {
      throw new ClipInputError(
        'vision.layer',
        `is ${layer}, and the encoder has ${hiddenStates.length} hidden states`,
      );
    }
    const [images, length, nEmbd] = state.shape;
    return classToken ? state : (tf.slice(state, [0, 1, 0], [images, length - 1, nEmbd]) as tf.Tensor3D);
  });
}

/** Width and number of the features that an encoder gives for images of its own size. */
export function featureShape(
  clip: CLIP,
  { classToken }: Pick<VisionConfig, 'classToken'>,
): readonly [number, number] {
  const { vision } = clip.config;
  if (!vision) throw new ClipInputError('clip', 'needs an image tower; this model has only a text tower');
  if (vision.kind === 'resnet') return [(vision.imageSize / 32) ** 2, 32 * vision.width];
  const side = Math.floor(vision.imageSize / vision.patchSize);
  return [side * side + (classToken ? 1 : 0), vision.nEmbd];
}
