import { setTimeout as sleep } from 'node:timers/promises';

/** Waits, or throws the signal's reason. */
export async function sleepUnlessAborted(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await sleep(milliseconds, undefined, { ...(signal && { signal }) });
}
