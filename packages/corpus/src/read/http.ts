import { setTimeout as sleep } from 'node:timers/promises';
import { FileError } from '../errors.js';
import type { ByteSource } from '../parquet.js';

const maxAttempts = 5;

/**
 * Body of a URL. A broken connection goes on where it stopped with a range request, as long as the server says (by
 * its entity tag or date) that the content is still the same.
 *
 * @throws {FileError} after five attempts without progress, or when the content changed
 */
export async function* fetchBytes(url: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  let received = 0;
  let expected = -1;
  let validator: string | null = null;
  let attempt = 0;
  for (;;) {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (received > 0) {
      headers.range = `bytes=${received}-`;
      if (validator !== null) headers['if-range'] = validator;
    }
    try {
      const response = await fetch(url, { headers, ...(signal && { signal }) });
      if (response.status >= 400 && response.status < 500) {
        throw new FileError(url, 'http', `the server answered ${response.status} ${response.statusText}`);
      }
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      if (received > 0 && response.status !== 206) {
        throw new FileError(url, 'changed', 'changed (or cannot be continued) while it was downloaded');
      }
      if (received === 0) {
        validator = response.headers.get('etag') ?? response.headers.get('last-modified');
        expected = Number(response.headers.get('content-length') ?? -1);
      }
      if (response.body) {
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
          received += chunk.length;
          attempt = 0;
          yield chunk;
        }
      }
      if (expected >= 0 && received < expected) throw new Error(`${received} of ${expected} bytes arrived`);
      return;
    } catch (cause) {
      if (cause instanceof FileError || signal?.aborted) throw cause;
      if (++attempt >= maxAttempts) {
        throw new FileError(url, 'http', `gave up after ${attempt} attempts: ${(cause as Error).message}`, {
          cause,
        });
      }
      await sleep(100 * 2 ** attempt, undefined, { ...(signal && { signal }) });
    }
  }
}

/** Random access to a URL by range requests, for Parquet. */
export async function openRemoteBytes(url: string, signal?: AbortSignal): Promise<ByteSource> {
  const probe = await fetch(url, { method: 'HEAD', ...(signal && { signal }) });
  const byteLength = Number(probe.headers.get('content-length') ?? Number.NaN);
  if (!probe.ok || !Number.isFinite(byteLength)) {
    throw new FileError(url, 'http', `the server answered ${probe.status} and no content length`);
  }
  const validator = probe.headers.get('etag') ?? probe.headers.get('last-modified');
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (end <= start) return new ArrayBuffer(0);
      for (let attempt = 1; ; attempt++) {
        try {
          const response = await fetch(url, {
            headers: { range: `bytes=${start}-${end - 1}`, ...(validator && { 'if-range': validator }) },
            ...(signal && { signal }),
          });
          if (response.status === 200) {
            throw new FileError(url, 'changed', 'changed meanwhile, or the server ignores range requests');
          }
          if (response.status !== 206) throw new Error(`the server answered ${response.status}`);
          const body = await response.arrayBuffer();
          if (body.byteLength !== end - start) throw new Error('the answer was cut off');
          return body;
        } catch (cause) {
          if (cause instanceof FileError || signal?.aborted) throw cause;
          if (attempt >= maxAttempts) throw new FileError(url, 'http', (cause as Error).message, { cause });
          await sleep(100 * 2 ** attempt);
        }
      }
    },
    close() {},
  };
}
