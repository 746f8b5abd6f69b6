import { FolderInUseError } from '../errors.js';

/** Name of the file that says which process writes to a folder. */
const LOCK_FILE = '.in-use.json';
/** Where the file system has no links, a lock is empty for a moment; one that stays so was left by a crash. */
const EMPTY_FOR_MS = 10_000;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one with the same number; empty where the system does not say. */
  readonly started: string;
}

export interface FolderLock {
  /** Gives the folder back; the end of the process does so too. */
  release(): void;
}

/** Locks of this process: folder → how often it was taken. */
const held = new Map<string, number>();

/**
 * Makes this process the only one that writes to a folder, until it releases the lock or ends. A lock whose process is
 * gone, killed or not, counts for nothing. The same process may lock a folder several times.
 *
 * @param folder exists
 * @throws {FolderInUseError} another process has it
 */
export function lockFolder(folder: string): FolderLock {
  const { fs, path } = modules();
  const place = fs.realpathSync(folder);
  const file = path.join(place, LOCK_FILE);
  if (!held.has(place)) {
    take(file, folder);
    releaseAtExit();
  }
  held.set(place, (held.get(place) ?? 0) + 1);
  let released = false;
  return {
    release() {
      if (released) return;
      released = true;
      const left = (held.get(place) ?? 1) - 1;
      if (left > 0) return void held.set(place, left);
      held.delete(place);
      fs.rmSync(file, { force: true });
    },
  };
}

/** @throws {FolderInUseError} another process writes to the folder; it need not exist */
export function requireUnlocked(folder: string): void {
  const { path } = modules();
  const file = path.join(folder, LOCK_FILE);
  const owner = readOwner(file);
  if (owner !== undefined && owner !== 'empty' && !isGone(owner) && !isMe(owner)) {
    throw new FolderInUseError(folder, owner, file);
  }
}

function take(file: string, folder: string): void {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (create(file)) {
      removeLeftovers(file);
      return;
    }
    const owner = readOwner(file);
    if (owner === undefined) continue; // released a moment ago
    if (owner === 'empty') {
      if (ageOf(file) < EMPTY_FOR_MS) throw new FolderInUseError(folder, undefined, file);
    } else if (isMe(owner)) return;
    else if (!isGone(owner)) throw new FolderInUseError(folder, owner, file);
    removeStale(file, owner);
  }
  throw new FolderInUseError(folder, undefined, file);
}

/** Makes the lock, with its content from the first moment on: a kill in between must not leave it without a name. */
function create(file: string): boolean {
  const { fs } = modules();
  const content = JSON.stringify(me());
  const temporary = temporaryName(file);
  const isThere = (error: unknown) => (error as NodeJS.ErrnoException).code === 'EEXIST';
  try {
    fs.writeFileSync(temporary, content, { flag: 'wx' });
    fs.linkSync(temporary, file);
    return true;
  } catch (error) {
    if (isThere(error)) return false;
    if (!fs.existsSync(temporary)) throw error;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
  try {
    fs.writeFileSync(file, content, { flag: 'wx' }); // no links in this file system
    return true;
  } catch (error) {
    if (isThere(error)) return false;
    throw error;
  }
}

const temporaryName = (file: string) => `${file}.${globalThis.crypto.randomUUID().slice(0, 8)}.tmp`;

/** Of two processes that find the same stale lock one removes it; the other must not remove the first one's new lock. */
function removeStale(file: string, stale: Owner | 'empty'): void {
  const { fs } = modules();
  const aside = temporaryName(file);
  try {
    fs.renameSync(file, aside);
  } catch {
    return; // the other one was faster
  }
  const moved = readOwner(aside);
  if (JSON.stringify(moved) !== JSON.stringify(stale)) {
    try {
      fs.linkSync(aside, file);
    } catch {
      // A third one has it now.
    }
  }
  fs.rmSync(aside, { force: true });
}

/** What kills left under temporary names. */
function removeLeftovers(file: string): void {
  const { fs, path } = modules();
  const folder = path.dirname(file);
  for (const name of fs.readdirSync(folder)) {
    const temporary = path.join(folder, name);
    if (name.startsWith(`${LOCK_FILE}.`) && name.endsWith('.tmp') && ageOf(temporary) > EMPTY_FOR_MS)
      fs.rmSync(temporary, { force: true });
  }
}

function readOwner(file: string): Owner | 'empty' | undefined {
  const { fs } = modules();
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return undefined; // Whoever wants to write there will hear why not.
  }
  try {
    const { pid, host, started } = JSON.parse(text) as Partial<Owner>;
    if (Number.isInteger(pid) && pid! > 0 && typeof host === 'string')
      return { pid: pid!, host, started: String(started ?? '') };
  } catch {
    // Not whole: as good as empty.
  }
  return 'empty';
}

/** Processes of another machine cannot be asked: their locks hold until somebody deletes them. */
function isGone({ pid, host, started }: Owner): boolean {
  if (host !== me().host) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  return started !== '' && startOf(pid) !== started;
}

const isMe = ({ pid, host, started }: Owner): boolean => {
  const own = me();
  return pid === own.pid && host === own.host && started === own.started;
};

let own: Owner | undefined;

function me(): Owner {
  const { os } = modules();
  own ??= { pid: process.pid, host: os.hostname(), started: startOf(process.pid) };
  return own;
}

/** When a process began, in Linux's ticks since the start of the machine. */
function startOf(pid: number): string {
  const { fs } = modules();
  try {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return fields.slice(fields.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function ageOf(file: string): number {
  const { fs } = modules();
  try {
    return Date.now() - fs.statSync(file).mtimeMs;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

let watching = false;

function releaseAtExit(): void {
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    const { fs, path } = modules();
    for (const place of held.keys()) fs.rmSync(path.join(place, LOCK_FILE), { force: true });
  });
}

/** Asked for at run time, as in files.ts: bundlers for browsers must not look for them. */
function modules() {
  const { getBuiltinModule } = process;
  return {
    fs: getBuiltinModule('node:fs'),
    os: getBuiltinModule('node:os'),
    path: getBuiltinModule('node:path'),
  };
}
