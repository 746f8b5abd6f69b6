import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { InterpreterNotFoundError } from '../errors.js';
import type { ResourceLimits } from './isolation.js';

const execute = promisify(execFile);

const engines = ['podman', 'docker'] as const;

let found: Promise<string> | undefined;

/** The container engine of this machine. @throws {InterpreterNotFoundError} there is none that runs */
export function findContainerEngine(): Promise<string> {
  found ??= (async () => {
    for (const engine of engines) {
      const works = await execute(engine, ['info'], { timeout: 20_000 }).then(
        () => true,
        () => false,
      );
      if (works) return engine;
    }
    found = undefined;
    throw new InterpreterNotFoundError(engines);
  })();
  return found;
}

export interface ContainerRun extends ResourceLimits {
  readonly name: string;
  readonly image: string;
  /** Holds the program; mounted read-only at `/program`. */
  readonly folder: string;
  readonly command: readonly string[];
}

/** The command line that runs a program without network, capabilities, or anything to write to but memory. */
export function containerCommand(engine: string, run: ContainerRun): string[] {
  return [
    ...[engine, 'run', '--rm', '--name', run.name, '--pull=never', '--network=none', '--read-only'],
    ...['--cap-drop=ALL', '--security-opt=no-new-privileges', '--user=65534:65534', '--init'],
    ...[`--memory=${run.memoryBytes}`, `--memory-swap=${run.memoryBytes}`, `--pids-limit=${run.processes}`],
    ...['--cpus=1', `--ulimit=cpu=${run.cpuSeconds}`, `--ulimit=fsize=${run.diskBytes}`],
    `--tmpfs=/work:rw,nosuid,nodev,size=${run.diskBytes},mode=1777`,
    ...['--workdir=/work', '--env=HOME=/work', `--volume=${run.folder}:/program:ro`],
    ...[run.image, ...run.command],
  ];
}

/** Killing the client leaves the container running: it goes by its name. */
export async function removeContainer(engine: string, name: string): Promise<void> {
  await execute(engine, ['rm', '--force', name], { timeout: 20_000 }).catch(() => undefined);
}
