import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A folder for one test with its own cache and its own PATH, which holds nothing but what the test puts there. */
export class Sandbox {
  readonly root = mkdtempSync(path.join(os.tmpdir(), 'gpt-lineage-native-'));
  readonly cache = path.join(this.root, 'cache');
  readonly bin = path.join(this.root, 'bin');
  readonly env: NodeJS.ProcessEnv = { PATH: this.bin, GPT_LINEAGE_CACHE: this.cache, HOME: this.root };

  constructor() {
    mkdirSync(this.bin);
  }

  file(name: string, content: string | Buffer): string {
    const file = path.join(this.root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  }

  /** An executable shell script (built-ins and absolute paths only: PATH is empty). */
  program(name: string, body: string): void {
    const file = path.join(this.bin, name);
    writeFileSync(file, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
  }

  /** A compiler that writes its output file, or fails with a message. */
  compiler(failure?: string): void {
    this.program(
      'g++',
      `if [ "$1" = --version ]; then echo 'g++ (fake) 13'; exit 0; fi
${failure === undefined ? '' : `echo '${failure}' >&2; exit 1`}
while [ $# -gt 0 ]; do if [ "$1" = -o ]; then echo addon > "$2"; fi; shift; done`,
    );
  }

  /** A python3 whose pip "downloads" a wheel, or fails with a message. */
  pip(wheel: string | { failure: string }): void {
    const act =
      typeof wheel === 'string'
        ? `/bin/cp '${wheel}' "$dest/tensorflow_cpu-2.21.0-cp311-cp311-fake.whl"`
        : `printf '%s\\n' '${wheel.failure}' >&2; exit 1`;
    this.program(
      'python3',
      `case "$*" in *--version*) echo 'pip 23.0 from /fake (python 3.11)'; exit 0;; esac
echo "$*" >> '${path.join(this.root, 'pip-calls')}'
while [ $# -gt 0 ]; do if [ "$1" = --dest ]; then dest="$2"; fi; shift; done
${act}`,
    );
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
