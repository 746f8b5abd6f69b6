import { InvalidArgumentError } from 'commander';

/** A number on the command line. */
export function anyNumber(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) throw new InvalidArgumentError('Give a number.');
  return number;
}

export function wholeNumber(value: string): number {
  const number = anyNumber(value);
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError('Give a whole number.');
  return number;
}

/** The entries that have a value. */
export function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
