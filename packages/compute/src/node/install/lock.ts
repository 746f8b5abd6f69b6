import { promises as fs } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Lets one process at a time change the cache; a lock whose owner died is taken over. */
export async function withLock<T>(
  root: string,
  onWait: () => void,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  await fs.mkdir(root, { recursive: true });
  const file = path.join(root, 'install.lock');
  let waited = false;
  for (;;) {
    signal?.throwIfAborted();
    try {
      await fs.writeFile(file, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (await ownerIsGone(file)) {
      await fs.rm(file, { force: true });
      continue;
    }
    if (!waited) onWait();
    waited = true;
    await sleep(250, undefined, { signal });
  }
  try {
    return await work();
  } finally {
    await fs.rm(file, { force: true });
  }
}

async function ownerIsGone(file: string): Promise<boolean> {
  const text = await fs.readFile(file, 'utf8').catch(() => '');
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid <= 0) {
    // Between creation and the first write the file is empty; afterwards that means a crash.
    const age = await fs.stat(file).then(
      (s) => Date.now() - s.mtimeMs,
      () => Number.POSITIVE_INFINITY,
    );
    return age > 10_000;
  }
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
