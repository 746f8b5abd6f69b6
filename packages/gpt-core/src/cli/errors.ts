import { GptLineageError } from '../errors.js';

/** A command line that cannot be carried out: wrong flag, missing file, unusable folder. */
export class UsageError extends GptLineageError {
  readonly code = 'gpt-core/usage';
}

/** One sentence for people about anything that was thrown. */
export function describeError(error: unknown): string {
  if (GptLineageError.isInstance(error)) return error.message;
  const system = error as NodeJS.ErrnoException;
  if (typeof system?.code === 'string' && typeof system.path === 'string') return systemMessage(system);
  return error instanceof Error ? error.message : String(error);
}

function systemMessage(error: NodeJS.ErrnoException): string {
  const { code, path } = error;
  switch (code) {
    case 'ENOENT':
      return `${path} does not exist: check the path.`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path} is not accessible (${code}): choose another path or change its permissions.`;
    case 'EISDIR':
      return `${path} is a folder: give a file.`;
    case 'ENOTDIR':
      return `${path} lies under a file, not a folder: choose another path.`;
    case 'ENOSPC':
      return `The disk of ${path} is full: free some space.`;
    default:
      return error.message;
  }
}
