import { GptLineageError } from '../errors.js';

/** A prompt or message with images that cannot be read: says where, and what to write instead. */
export class MultimodalInputError extends GptLineageError {
  readonly code = 'gpt-core/multimodal-input';
  /** Path of the wrong value, e.g. `messages[0].content[1].image_url.url` */
  readonly field: string;

  constructor(field: string, problem: string, options?: ErrorOptions) {
    super(`${field} ${problem}.`, options);
    this.field = field;
  }
}
