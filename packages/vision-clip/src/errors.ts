import { GptLineageError } from './lineage-error.js';

/** A configuration that cannot describe a CLIP model, a preprocessing pipeline or a training run. */
export class ClipConfigError extends GptLineageError {
  readonly code = 'vision-clip/config';
  /** The offending field, e.g. `vision.patchSize`. */
  readonly field: string;

  constructor(field: string, message: string, options?: ErrorOptions) {
    super(`${field} ${message}`, options);
    this.field = field;
  }
}

/** An argument whose shape, type or size does not fit. */
export class ClipInputError extends GptLineageError {
  readonly code = 'vision-clip/input';
  readonly argument: string;

  constructor(argument: string, message: string, options?: ErrorOptions) {
    super(`${argument} ${message}`, options);
    this.argument = argument;
  }
}

/** Why an image was refused. */
export type ImageErrorReason =
  | 'empty'
  | 'unsupported'
  | 'unsafe'
  | 'too-large'
  | 'corrupt'
  | 'timeout'
  | 'unreadable'
  | 'decoder-missing';

/** An image that cannot be decoded, or that we refuse to decode. */
export class ImageError extends GptLineageError {
  readonly code = 'vision-clip/image';
  readonly reason: ImageErrorReason;

  constructor(reason: ImageErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** A checkpoint whose files or tensors are missing, unknown or of the wrong shape. */
export class CheckpointError extends GptLineageError {
  readonly code = 'vision-clip/checkpoint';
}
