// Takes disk space, a little more each time.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

export function grow(path) {
  for (const size of [65_536, 4096, 512]) {
    try {
      appendFileSync(join(path, 'ballast'), Buffer.alloc(size));
      return;
    } catch {
      // The disk holds less than that: a smaller piece, or none; the next write meets the end.
    }
  }
}
