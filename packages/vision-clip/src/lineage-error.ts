const marker = Symbol.for('gpt-lineage.error');

/**
 * The project's error base. A copy of the one in `@gpt-lineage/compute`, so that reading a file or resizing an
 * image does not load a tensor engine; the shared marker makes `isInstance` of either copy recognise both.
 */
export abstract class GptLineageError extends Error {
  readonly [marker] = true;
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }

  static isInstance(value: unknown): value is GptLineageError {
    return typeof value === 'object' && value !== null && marker in value;
  }
}
