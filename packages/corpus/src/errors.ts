import { GptLineageError } from '@gpt-lineage/tokenizer-bpe';

export { GptLineageError };

/** An option or a configuration field has a value that cannot work. */
export class ConfigError extends GptLineageError {
  readonly code = 'corpus/config';
  readonly field: string;

  constructor(field: string, problem: string, options?: ErrorOptions) {
    super(`${field}: ${problem}`, options);
    this.field = field;
  }
}

/** Why a file could not be used. */
export type FileProblem =
  | 'missing'
  | 'binary'
  | 'encoding'
  | 'truncated'
  | 'corrupt'
  | 'changed'
  | 'format'
  | 'line-too-long'
  | 'http';

/** A whole file is unusable: nothing of it is kept. */
export class FileError extends GptLineageError {
  readonly code = 'corpus/file';
  readonly path: string;
  readonly problem: FileProblem;

  constructor(path: string, problem: FileProblem, detail: string, options?: ErrorOptions) {
    super(`${path}: ${detail}`, options);
    this.path = path;
    this.problem = problem;
  }
}

/** One record of a file is unusable. `line` counts from 1. */
export class RecordError extends GptLineageError {
  readonly code = 'corpus/record';
  readonly path: string;
  readonly line: number;
  /** Dotted path of the field at fault, or `''` for the whole record. */
  readonly field: string;

  constructor(path: string, line: number, field: string, problem: string, options?: ErrorOptions) {
    super(`${path}:${line}: ${field === '' ? '' : `${field}: `}${problem}`, options);
    this.path = path;
    this.line = line;
    this.field = field;
  }
}

/** A token shard is damaged, of another kind, or made with another tokenizer. */
export class ShardError extends GptLineageError {
  readonly code = 'corpus/shard';
  readonly path: string;

  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`${path}: ${problem}`, options);
    this.path = path;
  }
}

/** A range outside of what a reader holds. */
export class RangeOutsideError extends GptLineageError {
  readonly code = 'corpus/range';
}

/** A saved position does not belong to this mixture. */
export class MixtureStateError extends GptLineageError {
  readonly code = 'corpus/mixture-state';
}
