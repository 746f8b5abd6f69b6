import { ConfigError } from '../errors.js';

/** A whole number from the command line. @throws {ConfigError} for anything else */
export function integer(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number)) throw new ConfigError('option', `must be an integer, received '${value}'`);
  return number;
}
