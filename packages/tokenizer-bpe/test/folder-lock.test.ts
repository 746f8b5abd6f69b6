import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FolderInUseError, lockFolder, requireUnlocked } from '../src/folders/index.js';

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'folder-lock-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const lock = () => join(folder, '.in-use.json');
const source = new URL('../src/folders/folder-lock.ts', import.meta.url).href;

/** Another process that waits for a line, asks for the lock, says how that went, and stays. */
function contender() {
  const program = `
    import { lockFolder } from ${JSON.stringify(source)};
    console.log('ready');
    process.stdin.once('data', () => {
      try { lockFolder(${JSON.stringify(folder)}); console.log('has it'); }
      catch (error) { console.log(error.code); }
    });
    process.stdin.on('end', () => process.exit());`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const line = async (number: number): Promise<string> => {
    while (output.split('\n').length <= number + 1) await once(child.stdout, 'data');
    return output.split('\n')[number]!;
  };
  return { child, line, go: () => child.stdin.write('\n') };
}

it('keeps another process out, by name, until released', async () => {
  const held = lockFolder(folder);
  const other = contender();
  await other.line(0);
  other.go();
  expect(await other.line(1)).toBe('folder/in-use');
  held.release();
  expect(readdirSync(folder)).toEqual([]);
});

it('says who has the folder, and what to do', async () => {
  const other = contender();
  await other.line(0);
  other.go();
  expect(await other.line(1)).toBe('has it');
  const message = `${folder} is in use by process ${other.child.pid} on ${hostname()}: wait for it, choose another folder`;
  expect(() => lockFolder(folder)).toThrow(FolderInUseError);
  expect(() => lockFolder(folder)).toThrow(message);
  expect(() => requireUnlocked(folder)).toThrow(FolderInUseError);
});

it('takes over from a killed process, and finds nothing left by one that ended', async () => {
  const killed = contender();
  await killed.line(0);
  killed.go();
  await killed.line(1);
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  expect(existsSync(lock())).toBe(true);
  requireUnlocked(folder);
  lockFolder(folder).release();

  const ended = contender();
  await ended.line(0);
  ended.go();
  await ended.line(1);
  ended.child.stdin!.end();
  await once(ended.child, 'exit');
  expect(existsSync(lock())).toBe(false);
});

it('a lock of a dead process goes to exactly one of those that want it', async () => {
  const dead = spawn(process.execPath, ['-e', '']);
  await once(dead, 'exit');
  writeFileSync(lock(), JSON.stringify({ pid: dead.pid, host: hostname(), started: '1' }));
  const contenders = Array.from({ length: 6 }, contender);
  for (const { line } of contenders) await line(0);
  for (const { go } of contenders) go();
  const outcomes = await Promise.all(contenders.map(({ line }) => line(1)));
  expect(outcomes.filter((outcome) => outcome === 'has it')).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === 'folder/in-use')).toHaveLength(5);
});

it.skipIf(process.platform !== 'linux')('knows a process from a later one with its number', () => {
  writeFileSync(lock(), JSON.stringify({ pid: process.pid, host: hostname(), started: '1' }));
  const held = lockFolder(folder);
  expect(JSON.parse(readFileSync(lock(), 'utf8')).started).not.toBe('1');
  held.release();
});

it('leaves a lock of another machine alone', () => {
  writeFileSync(lock(), JSON.stringify({ pid: 1, host: `not-${hostname()}`, started: '' }));
  expect(() => lockFolder(folder)).toThrow(FolderInUseError);
});

it.each(['', '{', 'null', '{"pid":-1}', '{"pid":"1","host":1}'])(
  'a lock that says nothing (%s) is held while it is new',
  (content) => {
    writeFileSync(lock(), content);
    expect(() => lockFolder(folder)).toThrow(FolderInUseError);
  },
);

it('is never seen without its owner, and what kills left beside it goes', async () => {
  const leftover = join(folder, '.in-use.json.00000000.tmp');
  writeFileSync(leftover, '');
  utimesSync(leftover, 1, 1);
  const program = `
    import { lockFolder } from ${JSON.stringify(source)};
    console.log('ready');
    for (;;) lockFolder(${JSON.stringify(folder)}).release();`;
  const busy = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(busy);
  await once(busy.stdout, 'data');
  const seen = new Set<string>();
  for (let i = 0; i < 20_000; i++) {
    try {
      seen.add(readFileSync(lock(), 'utf8').slice(0, 6));
    } catch {
      // Released just now.
    }
  }
  expect([...seen]).toEqual(['{"pid"']);
  expect(existsSync(leftover)).toBe(false);
});

it('no folder, or a file, is not in use', () => {
  requireUnlocked(join(folder, 'nothing'));
  writeFileSync(join(folder, 'file'), '');
  requireUnlocked(join(folder, 'file'));
});

it('one process may lock a folder twice', () => {
  const [first, second] = [lockFolder(folder), lockFolder(folder)];
  first.release();
  first.release();
  expect(existsSync(lock())).toBe(true);
  second.release();
  expect(existsSync(lock())).toBe(false);
});
