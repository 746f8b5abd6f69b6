import type { GPT } from '../model/gpt.js';
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
}

/** The fastest way to decode that this machine has. */
export function openSession(model: GPT, options: SessionOptions): DecodeSession {
  const eager = () => new EagerSession(model, options.capacity, options.slack);
  // Blocks of the fixed pattern stand at absolute positions, which padding on the left would shift.
  const blocks = model.config.layerPattern.some((layer) => layer.type === 'fixed');
  return blocks && options.rows > 1 ? new PerRowSession(eager) : eager();
}
