import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The Python named by `PEERS_PYTHON`, or `python3`, if it can import the modules. */
export function findPython(modules: readonly string[]): string | undefined {
  const probe = modules.map((name) => `import ${name}`).join('\n');
  return [process.env.PEERS_PYTHON, 'python3']
    .filter((name) => name !== undefined)
    .find((name) => spawnSync(name, ['-c', probe], { stdio: 'ignore' }).status === 0);
}

/** A program that answers each line on standard input with one line of JSON. */
export class LinePeer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async ask<Reply>(command?: string): Promise<Reply> {
    if (command !== undefined) this.#child.stdin!.write(`${command}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('The peer ended without an answer.');
    return JSON.parse(value) as Reply;
  }

  close(): void {
    this.#child.stdin!.end();
  }
}

/** A Python script that does so. */
export class PythonPeer extends LinePeer {
  constructor(python: string, script: string, args: readonly string[]) {
    super(python, ['-W', 'ignore', script, ...args]);
  }
}
