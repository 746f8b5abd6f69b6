import { GptLineageError } from '../lineage-error.js';

/** A safetensors file (or a tensor to be written to one) that cannot be what it claims to be. */
export class SafetensorsError extends GptLineageError {
  readonly code = 'vision-clip/safetensors';
  /** What is wrong: `'header'`, `'file'`, or the name of the tensor. */
  readonly subject: string;

  constructor(subject: string, message: string, options?: ErrorOptions) {
    super(`${subject}: ${message}`, options);
    this.subject = subject;
  }
}
