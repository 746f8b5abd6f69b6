import type { GPT } from '../model/gpt.js';
import type { JsonSchema } from './json-schema.js';

/** Which tokens may follow. */
export interface TokenConstraint {
  /** Removes tokens that no accepted text could contain next. */
  apply(scores: Float32Array, eosTokenIds: readonly number[]): void;
  accept(tokenId: number): void;
  /** Nothing may follow. */
  readonly finished: boolean;
}

export function jsonConstraint(_schema: JsonSchema, _model: GPT): () => TokenConstraint {
  throw new Error('not yet');
}
