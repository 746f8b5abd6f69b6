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
