import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodeExecutionDisabledError, InterpreterNotFoundError } from '../errors.js';
import { containerCommand, findContainerEngine, removeContainer } from './container.js';
import { detectIsolation, findInterpreter, type Isolation, isolate, sandboxOwner } from './isolation.js';

export interface SandboxOptions {
  /** Must be `true`: running model-written code is never a default. */
  allowCodeExecution: boolean;
  language?: 'python' | 'javascript';
  /** Interpreter to use; found on the machine by default. */
  interpreter?: string;
  /** Wall-clock limit, default 5,000. */
  timeoutMs?: number;
  /** Address space per process, default 512 MiB (4 GiB for JavaScript, whose engine reserves far more than it uses). */
  memoryBytes?: number;
  /** Default 16 MiB. */
  diskBytes?: number;
  /** Processes and threads alive at once, default 32. */
  processes?: number;
  /** Kept output per stream; a program that prints more is stopped. Default 64 KiB. */
  outputBytes?: number;
  /** Default: the strongest this machine offers. */
  isolation?: Exclude<Isolation, 'container'>;
  /** Image with the language's interpreter: programs then run in containers of it (docker or podman). */
  container?: string;
  signal?: AbortSignal;
}

export interface SandboxResult {
  /** `'passed'` = exit code 0 in time. */
  status: 'passed' | 'failed' | 'timeout' | 'output-limit' | 'aborted';
  exitCode: number | null;
  stdout: string;
  stderr: string;
  durationMs: number;
  isolation: Isolation;
}

const LANGUAGES = {
  python: {
    file: 'main.py',
    candidates: ['python3', '/usr/bin/python3', '/usr/local/bin/python3'],
    container: 'python3',
    flags: ['-I', '-B', '-X', 'utf8'],
    memoryBytes: 512 * 2 ** 20,
  },
  javascript: {
    file: 'main.mjs',
    candidates: [process.execPath, 'node', '/usr/bin/node'],
    container: 'node',
    flags: [],
    memoryBytes: 4 * 2 ** 30,
  },
} as const;

/**
 * Runs a program nobody has read in a process of its own, with limits on time, memory, processes, files and output,
 * without network or a writable file system where the machine can give that ({@link Isolation}; the result says which
 * was used). When it returns, nothing of the program is left running.
 *
 * What it does not protect from: reading files that the account can read, and bugs of the kernel. For hostile code
 * run the evaluation inside a container or virtual machine as well.
 *
 * @throws {CodeExecutionDisabledError} unless `allowCodeExecution` is `true`
 * @throws {InterpreterNotFoundError} when the language's interpreter is missing
 */
export async function runSandboxed(source: string, options: SandboxOptions): Promise<SandboxResult> {
  if (options.allowCodeExecution !== true) throw new CodeExecutionDisabledError();
  const language = LANGUAGES[options.language ?? 'python'];
  if (options.container !== undefined) return runInContainer(source, options, options.container);
  const isolation = options.isolation ?? (await detectIsolation());
  const candidates = options.interpreter ? [options.interpreter] : language.candidates;
  const interpreter = await findInterpreter(candidates);
  if (!interpreter) throw new InterpreterNotFoundError(candidates);

  const folder = await mkdtemp(join(tmpdir(), 'gpt-eval-'));
  try {
    const work = join(folder, 'work');
    const program = join(folder, language.file);
    await mkdir(work);
    await writeFile(program, source);
    const owner = sandboxOwner();
    if (owner !== undefined) for (const path of [folder, work, program]) await chown(path, owner, owner);
    await chmod(folder, 0o755);
    const limits = {
      memoryBytes: options.memoryBytes ?? language.memoryBytes,
      cpuSeconds: Math.max(1, Math.ceil((options.timeoutMs ?? 5000) / 1000) + 1),
      diskBytes: options.diskBytes ?? 16 * 2 ** 20,
      processes: options.processes ?? 32,
    };
    const command = isolate([interpreter, ...language.flags, program], folder, limits, isolation);
    return await supervise(command, work, limits.diskBytes, isolation, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same program in a fresh container, which is removed whatever happens. */
async function runInContainer(
  source: string,
  options: SandboxOptions,
  image: string,
): Promise<SandboxResult> {
  const language = LANGUAGES[options.language ?? 'python'];
  const engine = await findContainerEngine();
  const folder = await mkdtemp(join(tmpdir(), 'gpt-eval-'));
  const name = `gpt-eval-${crypto.randomUUID()}`;
  try {
    await writeFile(join(folder, language.file), source);
    await chmod(folder, 0o755);
    const diskBytes = options.diskBytes ?? 16 * 2 ** 20;
    const command = containerCommand(engine, {
      name,
      image,
      folder,
      command: [options.interpreter ?? language.container, ...language.flags, `/program/${language.file}`],
      memoryBytes: options.memoryBytes ?? 512 * 2 ** 20,
      cpuSeconds: Math.max(1, Math.ceil((options.timeoutMs ?? 5000) / 1000) + 1),
      diskBytes,
      processes: options.processes ?? 32,
    });
    return await supervise(command, folder, diskBytes, 'container', options);
  } finally {
    await removeContainer(engine, name);
    await rm(folder, { recursive: true, force: true });
  }
}

function supervise(
  command: string[],
  cwd: string,
  diskBytes: number,
  isolation: Isolation,
  { timeoutMs = 5000, outputBytes = 64 * 1024, signal }: SandboxOptions,
): Promise<SandboxResult> {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    // An environment of our own: no tokens or keys of the caller reach the program.
    const env = {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      HOME: cwd,
      LANG: 'C.UTF-8',
      SANDBOX_DISK: String(diskBytes),
    };
    const child = spawn(command[0]!, command.slice(1), {
      cwd,
      env,
      detached: true, // a process group of its own, which is killed as a whole
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let outcome: SandboxResult['status'] | undefined;
    const kill = (status: NonNullable<typeof outcome>) => {
      outcome ??= status;
      try {
        if (child.pid) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // already gone
      }
    };
    const output = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (chunk: string) => {
        const room = outputBytes - output[stream].length;
        output[stream] += chunk.slice(0, Math.max(0, room));
        if (chunk.length > room) kill('output-limit');
      });
    }
    const timer = setTimeout(() => kill('timeout'), timeoutMs);
    const abort = () => kill('aborted');
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    child.on('error', (error) => {
      finish();
      reject(error);
    });
    // A grandchild may hold the pipes open after the program has ended: `exit` decides, then the group is swept.
    child.on('exit', (exitCode) => {
      finish();
      const status = outcome ?? (exitCode === 0 ? 'passed' : 'failed');
      kill(status);
      const done = () => {
        child.stdout.destroy();
        child.stderr.destroy();
        resolve({ status, exitCode, ...output, durationMs: performance.now() - begin, isolation });
      };
      const grace = setTimeout(done, 200);
      child.once('close', () => {
        clearTimeout(grace);
        done();
      });
    });
  });
}
