const marker = Symbol.for('gpt-lineage.error');

/**
 * Root of every error the project throws on purpose. `isInstance` also recognises the copy of this class in
 * another package or module format, where `instanceof` does not.
 */
export abstract class GptLineageError extends Error {
  readonly [marker] = true;
  /** Stable and machine-readable: `'compute/backend-unavailable'`. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }

  static isInstance(value: unknown): value is GptLineageError {
    return typeof value === 'object' && value !== null && marker in value;
  }
}

/** An argument has a value, shape or dtype that the function cannot work with. */
export class InvalidArgumentError extends GptLineageError {
  readonly code = 'compute/invalid-argument';
  readonly argument: string;
  readonly received: unknown;

  constructor(argument: string, expected: string, received: unknown) {
    super(`${argument} must be ${expected}, received ${describe(received)}.`);
    this.argument = argument;
    this.received = received;
  }
}

/** A backend that was asked for by name, with `strict`, is not there. */
export class BackendUnavailableError extends GptLineageError {
  readonly code = 'compute/backend-unavailable';
  readonly backend: string;

  constructor(backend: string, reason: string) {
    super(`The ${backend} backend is not available: ${reason}`);
    this.backend = backend;
  }
}

/** An optimiser state, or the gradients given to it, does not belong to its variables. */
export class OptimizerStateError extends GptLineageError {
  readonly code = 'compute/optimizer-state';
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'object' && value !== null && 'shape' in value && 'dtype' in value) {
    return `a ${String(value.dtype)} tensor of shape [${String(value.shape)}]`;
  }
  if (Array.isArray(value)) return `[${value.map(String).join(', ')}]`;
  return String(value);
}
