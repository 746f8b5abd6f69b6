import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import { CapturedSession } from './captured-session.js';
import type { WeightStorage } from './decode-programs.js';
import { EagerSession } from './eager-session.js';
import { PerRowSession } from './per-row-session.js';
import type { DecodeSession } from './session.js';

export interface SessionOptions {
  /** Most tokens of a row */
  readonly capacity: number;
  /** Rows that will be decoded together */
  readonly rows: number;
  /** Most tokens that `rewind` takes back. Default 0. */
  readonly slack?: number;
  /** States of earlier segments for each layer, for one row. */
  readonly memory?: readonly (Tensor3D | null)[] | undefined;
  /** Default `float32`. */
  readonly weights?: WeightStorage | undefined;
  /** `[count, nEmbd]`: what ids from `vocabSize` on stand for. */
  readonly softTokens?: Tensor2D | undefined;
}

/** The fastest way to decode that this machine has. */
export function openSession(model: GPT, options: SessionOptions): DecodeSession {
  const { weights = 'float32', softTokens } = options;
  // Compiled steps know words only.
  if (options.memory || softTokens) {
    return new EagerSession(model, options.capacity, options.slack, options.memory, softTokens);
  }
  const programs = model.decodePrograms;
  if (programs.available) {
    return new CapturedSession(model, programs, options.capacity, weights);
  }
  if (weights !== 'float32' && weights !== 'live') {
    throw new InvalidArgumentError(
      'weights',
      weights,
      'this model decodes in float32 here; it needs ONNX Runtime',
    );
  }
  const eager = () => new EagerSession(model, options.capacity, options.slack);
  // Blocks of the fixed pattern stand at absolute positions, which padding on the left would shift.
  const blocks = model.config.layerPattern.some((layer) => layer.type === 'fixed');
  return blocks && options.rows > 1 ? new PerRowSession(eager) : eager();
}
