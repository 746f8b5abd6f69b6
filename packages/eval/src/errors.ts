import { GptLineageError } from '@gpt-lineage/gpt-core';

/** A metric was given numbers or texts it is not defined for. */
export class InvalidMetricInputError extends GptLineageError {
  readonly code = 'eval/invalid-metric-input';
  readonly field: string;
  readonly value: unknown;
  readonly fix: string;

  constructor(field: string, value: unknown, fix: string) {
    super(`${field} is ${String(value)}: ${fix}`);
    this.field = field;
    this.value = value;
    this.fix = fix;
  }
}
