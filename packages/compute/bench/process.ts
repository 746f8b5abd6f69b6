import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** A child process that answers one line for each command line. */
export class Server {
  private readonly child: ChildProcess;
  private readonly lines: string[] = [];
  private readonly waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  private log = '';
  private ended = false;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.child.stderr!.on('data', (chunk: Buffer) => {
      this.log = (this.log + chunk.toString()).slice(-4000);
    });
    let rest = '';
    this.child.stdout!.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop()!;
      for (const line of parts) {
        const next = this.waiting.shift();
        if (next === undefined) this.lines.push(line);
        else next.resolve(line);
      }
    });
    this.child.on('close', () => {
      this.ended = true;
      for (const { reject } of this.waiting) reject(new Error(this.log));
    });
  }

  /** The next line it prints. */
  read(): Promise<string> {
    const line = this.lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.ended) return Promise.reject(new Error(this.log));
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  ask(command: string): Promise<string> {
    this.child.stdin!.write(`${command}\n`);
    return this.read();
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}

/** The Python that can import `module`, or why there is none. */
export function python(module: string): { command: string } | { absent: string } {
  const command = process.env.PEERS_PYTHON ?? 'python3';
  const { status } = spawnSync(command, ['-c', `import ${module}`], { stdio: 'ignore' });
  return status === 0 ? { command } : { absent: `${command} cannot import ${module}` };
}

/**
 * Runs a TypeScript file of this folder as plain JavaScript, as users run the package: a loader that translates TypeScript
 * would count as 40 MB of ours.
 */
export function typescript(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Server {
  const name = file.replace(/\.ts$/, '.mjs');
  // Below the package, where its dependencies are found.
  const target = fileURLToPath(new URL(`../.cache/bench-${process.pid}/${name}`, import.meta.url));
  if (!existsSync(target)) {
    buildSync({
      entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
      outfile: target,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      conditions: ['@gpt-lineage/source'],
    });
    process.once('exit', () => rmSync(dirname(target), { recursive: true, force: true }));
  }
  return new Server(process.execPath, [target, ...args], env);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

export interface Result {
  readonly case: string;
  readonly metric: string;
  readonly unit: string;
  readonly ours: number;
  readonly peers: Record<string, number>;
  /** Above 1: ours is better. */
  readonly ratio: Record<string, number>;
}

export function result(
  name: string,
  metric: string,
  unit: string,
  ours: number,
  peers: Record<string, number>,
  smallerIsBetter = false,
): Result {
  const ratio = Object.fromEntries(
    Object.entries(peers).map(([peer, value]) => [peer, smallerIsBetter ? value / ours : ours / value]),
  );
  return { case: name, metric, unit, ours, peers, ratio };
}

export function printResults(results: readonly Result[]): void {
  for (const { case: name, metric, unit, ours, peers, ratio } of results) {
    const others = Object.entries(peers).map(
      ([peer, value]) => `${peer} ${value.toPrecision(4)} (×${ratio[peer]!.toFixed(2)})`,
    );
    console.log(`${name.padEnd(34)} ${metric}: ${ours.toPrecision(4)} ${unit}   ${others.join('   ')}`);
  }
}
