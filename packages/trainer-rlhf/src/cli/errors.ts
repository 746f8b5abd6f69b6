import { GptLineageError } from '@gpt-lineage/gpt-core';

/** A command line or config file that cannot be carried out. */
export class UsageError extends GptLineageError {
  readonly code = 'trainer-rlhf/usage';
}

/** One sentence for people about anything that was thrown. */
export function describeError(error: unknown): string {
  if (GptLineageError.isInstance(error)) return error.message;
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' && path) return `${path} does not exist: check the path.`;
  if ((code === 'EACCES' || code === 'EPERM' || code === 'EROFS') && path)
    return `${path} is not accessible (${code}): choose another path or change its permissions.`;
  return message ?? String(error);
}
