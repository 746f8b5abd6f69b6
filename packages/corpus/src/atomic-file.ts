import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** A name beside `path` for the file while it is incomplete. */
export const temporaryName = (path: string): string =>
  `${path}.${process.pid}.${Math.random().toString(36).slice(2, 10)}.tmp`;

/** Flushes a complete temporary file to disk and gives it its name. */
export function publish(temporary: string, path: string): void {
  const descriptor = openSync(temporary, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, path);
}

/** Writes a whole file: it is there complete, or not at all. */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  using file = new AtomicFile(path);
  file.write(data);
  file.finish();
}

/** A file written piece by piece that appears under its name only in {@link finish}. */
export class AtomicFile {
  readonly path: string;
  private readonly temporary: string;
  private readonly descriptor: number;
  private open = true;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.path = path;
    this.temporary = temporaryName(path);
    this.descriptor = openSync(this.temporary, 'w');
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let done = 0; done < bytes.length; ) done += writeSync(this.descriptor, bytes, done);
  }

  finish(): void {
    fsyncSync(this.descriptor);
    closeSync(this.descriptor);
    this.open = false;
    renameSync(this.temporary, this.path);
  }

  /** Removes the temporary file unless finished. */
  [Symbol.dispose](): void {
    if (!this.open) return;
    this.open = false;
    closeSync(this.descriptor);
    rmSync(this.temporary, { force: true });
  }
}
