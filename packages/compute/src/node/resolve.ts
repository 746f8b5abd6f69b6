import { createRequire } from 'node:module';
import path from 'node:path';

/** Path of a module as this package, or else the application in the working directory, resolves it. */
export function resolveFromHereOrApp(request: string): string | undefined {
  for (const from of [import.meta.url, path.join(process.cwd(), 'noop.js')]) {
    try {
      return createRequire(from).resolve(request);
    } catch {
      // Not visible from there.
    }
  }
  return undefined;
}
