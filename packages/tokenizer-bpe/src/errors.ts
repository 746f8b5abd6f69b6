const marker = Symbol.for('gpt-lineage.error');

/**
 * Root of every error the project throws on purpose. `isInstance` also recognises the copy of this class in
 * another package or module format, where `instanceof` does not.
 */
export abstract class GptLineageError extends Error {
  readonly [marker] = true;
  /** Stable and machine-readable: `'tokenizer/unknown-token-id'`. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }

  static isInstance(value: unknown): value is GptLineageError {
    return typeof value === 'object' && value !== null && marker in value;
  }
}

/** A vocabulary, merge list, rank file or `tokenizer.json` that contradicts itself or the format. */
export class InvalidVocabularyError extends GptLineageError {
  readonly code = 'tokenizer/invalid-vocabulary';
}

/** An option or argument outside of what is documented. */
export class InvalidOptionError extends GptLineageError {
  readonly code = 'tokenizer/invalid-option';
}

/** `decode` met an id that the vocabulary does not have. */
export class UnknownTokenIdError extends GptLineageError {
  readonly code = 'tokenizer/unknown-token-id';
  readonly id: number;

  constructor(id: number, vocabSize: number) {
    super(
      `unknown token id ${String(id)}: ids are whole numbers below ${vocabSize}; was this text encoded with another tokenizer?`,
    );
    this.id = id;
  }
}

/** A file or folder could not be read or written, or the runtime has no file system. */
export class TokenizerFileError extends GptLineageError {
  readonly code = 'tokenizer/file';
}

/** Training was stopped by its `AbortSignal`; nothing was kept. */
export class TrainingAbortedError extends GptLineageError {
  readonly code = 'tokenizer/aborted';
}

/** Another process writes to this folder. */
export class FolderInUseError extends GptLineageError {
  readonly code = 'folder/in-use';
  /** Number of that process, when its lock says it. */
  readonly pid: number | undefined;

  constructor(
    folder: string,
    owner: { readonly pid: number; readonly host: string } | undefined,
    lock: string,
  ) {
    const who = owner ? `process ${owner.pid} on ${owner.host}` : 'another process';
    super(
      `${folder} is in use by ${who}: wait for it, choose another folder, or delete ${lock} if it is gone`,
    );
    this.pid = owner?.pid;
  }
}
