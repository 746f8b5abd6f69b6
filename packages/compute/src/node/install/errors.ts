import { GptLineageError } from '../../errors.js';

export type InstallFailure =
  | 'archive'
  | 'cache'
  | 'compile'
  | 'disk-full'
  | 'no-compiler'
  | 'no-package'
  | 'no-pip'
  | 'no-such-version'
  | 'offline'
  | 'platform'
  | 'verify';

/** `install-native` could not finish. Nothing half-made is left where a backend would be looked for. */
export class NativeInstallError extends GptLineageError {
  readonly code: `compute/install-${InstallFailure}`;
  readonly failure: InstallFailure;
  /** What to do about it, as one sentence. */
  readonly fix: string;

  constructor(failure: InstallFailure, problem: string, fix: string, options?: ErrorOptions) {
    super(`${problem} ${fix}`, options);
    this.code = `compute/install-${failure}`;
    this.failure = failure;
    this.fix = fix;
  }
}

/** Turns a file system error into a typed one that names the path and the fix; others pass through. */
export function asInstallError(error: unknown, directory: string): unknown {
  const { code, path: where = directory } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(directory, undefined, undefined, error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    return new NativeInstallError(
      'cache',
      `The cache folder ${directory} cannot be used (${code} at ${where}).`,
      'Make it a writable folder, or name another one in the environment variable GPT_LINEAGE_CACHE.',
      { cause: error },
    );
  }
  return error;
}

export function diskFull(
  directory: string,
  needed?: number,
  free?: number,
  cause?: unknown,
): NativeInstallError {
  const numbers = needed === undefined ? '' : ` (${megabytes(needed)} needed, ${megabytes(free ?? 0)} free)`;
  return new NativeInstallError(
    'disk-full',
    `There is not enough disk space in ${directory}${numbers}.`,
    'Free some space, or put the cache on another disk with the environment variable GPT_LINEAGE_CACHE.',
    { cause },
  );
}

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
