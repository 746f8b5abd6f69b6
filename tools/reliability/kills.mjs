// kill -9 at random moments of every writer, and a disk that fills up.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { random } from './mutate.mjs';
import { writers } from './writers.mjs';

const child = fileURLToPath(new URL('./write-child.mjs', import.meta.url));

/** Lets a child write until `killAfter` ms after its first version began; then nothing of it is left but its files. */
function writeAndKill(name, path, from, killAfter) {
  return new Promise((resolve) => {
    const process_ = spawn(process.execPath, [...process.execArgv, child, name, path, String(from), 'kill'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [acknowledged, errors, pending, timer] = [from - 1, '', '', undefined];
    process_.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    process_.stdout.on('data', (chunk) => {
      pending += chunk;
      const lines = pending.split('\n');
      pending = lines.pop();
      for (const line of lines) {
        if (line.startsWith('begin')) timer ??= setTimeout(() => process_.kill('SIGKILL'), killAfter);
        if (line.startsWith('done')) acknowledged = Number(line.slice(5));
        if (line.startsWith('failed')) errors += line;
      }
    });
    process_.on('close', (_, signal) => {
      clearTimeout(timer);
      resolve({ acknowledged, error: signal === 'SIGKILL' ? undefined : errors || 'ended by itself' });
    });
  });
}

async function killWriter(name, path, { kills, seed }) {
  const draw = random(seed + name.length);
  const failures = [];
  const { read } = await writers[name]();
  let next = 0;
  for (let kill = 0; kill < kills; kill++) {
    const killAfter = draw(3) === 0 ? draw(20) : draw(400);
    const { acknowledged, error } = await writeAndKill(name, path, next, killAfter);
    if (error) {
      failures.push(`kill ${kill}: ${error.slice(0, 300)}`);
      break;
    }
    if (acknowledged < 0) continue; // killed before the first version stood
    try {
      const found = await read(path);
      // The one begun last may have been finished; nothing acknowledged may be lost.
      if (found !== acknowledged && found !== acknowledged + 1)
        failures.push(
          `kill ${kill} after ${killAfter} ms: version ${acknowledged} was written, ${found} is there`,
        );
      next = acknowledged + 1;
    } catch (reason) {
      failures.push(`kill ${kill} after ${killAfter} ms: ${reason.message}`);
      rmSync(path, { recursive: true, force: true });
      next = 0;
    }
  }
  return failures;
}

const shell = 'mount -t tmpfs -o size=$1 tmpfs "$2" && shift 2 && exec "$@"';

/** A file system of a few megabytes in a namespace of its own; undefined where the system allows none. */
function fillDisk(name, path, kilobytes) {
  const { stdout, status, stderr } = spawnSync(
    'unshare',
    [
      '-rm',
      'sh',
      '-c',
      shell,
      'sh',
      `${kilobytes}k`,
      path,
      process.execPath,
      ...process.execArgv,
      child,
      name,
      path,
      '0',
      'fill',
    ],
    { encoding: 'utf8', timeout: 240_000, maxBuffer: 1 << 26 },
  );
  const failed = stdout?.split('\n').find((line) => line.startsWith('failed'));
  if (failed) return JSON.parse(failed.slice(7));
  return stdout ? { crash: `exit ${status}: ${stderr.slice(-300)}` } : undefined;
}

/** Yields one entry for each writer. */
export async function* killWriters({ kills, seed, only }) {
  for (const name of Object.keys(writers)) {
    if (only && !name.includes(only)) continue;
    const folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-kill-'));
    try {
      const failures = await killWriter(name, folder, { kills, seed });
      rmSync(folder, { recursive: true, force: true });
      const disk = mkdtempSync(join(tmpdir(), 'gpt-lineage-full-'));
      const full = fillDisk(name, disk, 3000 + 64 * (seed % 16));
      rmSync(disk, { recursive: true, force: true });
      if (full?.crash) failures.push(`full disk: ${full.crash}`);
      else if (full && !full.typed) failures.push(`full disk: an error without a type: ${full.message}`);
      else if (full && full.version > 0 && full.found !== full.version - 1)
        failures.push(`full disk: version ${full.version - 1} was written, then ${full.found} is there`);
      yield {
        name,
        kills: `${kills} kills${full ? ', a full disk' : ' (full disk skipped: no namespaces here)'}`,
        failures,
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
