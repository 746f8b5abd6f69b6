import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/**
 * How far a program is kept apart:
 * - `namespaces` (Linux with unprivileged namespaces): own process, network and mount namespace; no network
 *   interface, every file system read-only but one small folder in memory, and every descendant dies with it.
 * - `container`: a container of its own without network, read-only but for one small folder in memory, with its own
 *   limits on memory and processes; asked for by naming an image.
 * - `process-group`: own process group, resource limits and an empty folder. No network or file-system isolation.
 */
export type Isolation = 'namespaces' | 'container' | 'process-group';

export interface ResourceLimits {
  /** Address space of each process, bytes. */
  memoryBytes: number;
  /** CPU time of each process, whole seconds. */
  cpuSeconds: number;
  /** Largest file, and in `namespaces` all files together, bytes. */
  diskBytes: number;
  /** Processes and threads alive at once. */
  processes: number;
}

/** An unprivileged account that exists on every Linux; used when the caller is root. */
const NOBODY = '65534';

/** Runs inside the new namespaces: $1 = folder, the rest = the command. Arguments only, nothing is interpolated. */
const ENTER = `
set -e
folder=$1; shift
mount -t tmpfs -o "size=$SANDBOX_DISK,mode=700,nosuid,nodev" sandbox "$folder/work"
while read -r _ target _; do
  [ "$target" = "$folder/work" ] || mount -o remount,bind,ro "$target" 2>/dev/null || true
done < /proc/mounts
cd "$folder/work"
unset SANDBOX_DISK
exec "$@"
`;

const isRoot = () => process.getuid?.() === 0;

async function works(command: readonly string[]): Promise<boolean> {
  try {
    await execute(command[0]!, command.slice(1), { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

const asNobody = () =>
  isRoot() ? ['setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', '--'] : [];

const inNamespaces = [
  ...['unshare', '--user', '--map-root-user', '--net', '--pid', '--mount', '--ipc', '--uts'],
  ...['--fork', '--kill-child', '--mount-proc', '--'],
];

let detected: Promise<Isolation> | undefined;

/** The strongest isolation this machine offers, found by trying it once. */
export function detectIsolation(): Promise<Isolation> {
  detected ??= (async () => {
    if (process.platform !== 'linux') return 'process-group';
    const probe = [...asNobody(), ...inNamespaces, 'mount', '-t', 'tmpfs', 'probe', '/mnt'];
    return (await works(probe)) && (await works(['prlimit', '--version'])) ? 'namespaces' : 'process-group';
  })();
  return detected;
}

/** The first of the given programs that the sandboxed account can execute. */
export async function findInterpreter(candidates: readonly string[]): Promise<string | undefined> {
  for (const candidate of candidates) {
    if (candidate.includes('/')) {
      const executable = await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (!executable) continue;
    }
    if (await works([...asNobody(), candidate, '--version'])) return candidate;
  }
  return undefined;
}

/** The full command line that runs `command` in `folder` under the limits. */
export function isolate(
  command: readonly string[],
  folder: string,
  limits: ResourceLimits,
  isolation: Isolation,
): string[] {
  const limited =
    process.platform === 'linux'
      ? [
          'prlimit',
          `--as=${limits.memoryBytes}`,
          `--cpu=${limits.cpuSeconds}`,
          `--fsize=${limits.diskBytes}`,
          `--nproc=${limits.processes}`,
          '--core=0',
          '--nofile=256',
          '--',
          ...command,
        ]
      : [...command];
  if (isolation === 'process-group') return [...asNobody(), ...limited];
  const confined = ['setpriv', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--', ...limited];
  return [...asNobody(), ...inNamespaces, '/bin/sh', '-c', ENTER, 'sandbox', folder, ...confined];
}

/** Hands the folder to the account the program runs under. */
export const sandboxOwner = (): number | undefined => (isRoot() ? Number(NOBODY) : undefined);
