import { InvalidArgumentError } from '../errors.js';

/** Backends in the order in which they are tried: fastest first. */
export const backendNames = ['tensorflow', 'webgpu', 'wasm', 'cpu'] as const;

/** `tensorflow` is native TensorFlow through tfjs-node-gpu or tfjs-node. */
export type BackendName = (typeof backendNames)[number];

export function parseBackendName(value: string, argument: string): BackendName {
  const name = value.trim().toLowerCase();
  const found = backendNames.find((known) => known === name);
  if (found === undefined) {
    throw new InvalidArgumentError(argument, `one of ${backendNames.join(', ')}`, value);
  }
  return found;
}
