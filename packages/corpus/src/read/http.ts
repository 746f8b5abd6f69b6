import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileError } from '../errors.js';
import type { ByteSource } from '../parquet.js';

const MAX_ATTEMPTS = 5;
const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 30_000;

/**
 * Body of a URL. A broken connection goes on where it stopped: with a range request where the server can say that the
 * content is still the same (a strong entity tag, or the date of its last change), otherwise by reading it again and
 * comparing what had arrived.
 *
 * @throws {FileError} after five attempts without a new byte, or when the content changed meanwhile
 */
export async function* fetchBytes(url: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const retries = new Retries(url, signal);
  const changed = (how: string) => new FileError(url, 'changed', `changed while it was downloaded (${how})`);
  const hash = createHash('sha256');
  let received = 0;
  let version: Version | undefined;
  for (;;) {
    try {
      const resume = received > 0 ? version?.validator : undefined;
      const response = await request(
        url,
        resume === undefined ? {} : { range: `bytes=${received}-`, 'if-range': resume },
        signal,
      );
      if (resume !== undefined && response.status === 416) {
        // Broken between the last byte and the end of the message.
        if (contentRange(response)?.total === received) return await discard(response);
        throw changed('it became shorter');
      }
      await requireSuccess(url, response);
      if (response.status === 206 && contentRange(response)?.from !== received)
        throw new FileError(url, 'http', 'the server sent another range than it was asked for');
      // A whole answer to a range request, or no way to ask for one: what is known already is compared, not passed on.
      const known = response.status === 206 ? 0 : received;
      const now = versionOf(response);
      if (version === undefined || received === 0) version = now;
      else if (known > 0 && now.length !== version.length) throw changed('it has another length');
      const again = createHash('sha256');
      let compared = 0;
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        const seen = chunk.subarray(0, known - compared);
        if (seen.length > 0) {
          compared += seen.length;
          again.update(seen);
          if (compared === known && !again.digest().equals(hash.copy().digest()))
            throw changed('its beginning is another');
        }
        const fresh = chunk.subarray(seen.length);
        if (fresh.length === 0) continue;
        received += fresh.length;
        hash.update(fresh);
        retries.reset();
        yield fresh;
      }
      if (compared < known) throw changed('it became shorter');
      if (version.length !== undefined && received < version.length)
        throw new Error(`${received} of ${version.length} bytes arrived`);
      return;
    } catch (cause) {
      await retries.next(cause);
    }
  }
}

/**
 * Random access to a URL by range requests, for Parquet.
 *
 * @throws {FileError} when the server does not tell the length or does not answer range requests, and from `slice`
 * when the content changed since
 */
export async function openRemoteBytes(url: string, signal?: AbortSignal): Promise<ByteSource> {
  const probed = await probe(url, signal);
  const { length: byteLength, validator } = probed;
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (end <= start) return new ArrayBuffer(0);
      const retries = new Retries(url, signal);
      for (;;) {
        try {
          const response = await request(
            url,
            { range: `bytes=${start}-${end - 1}`, ...(validator !== undefined && { 'if-range': validator }) },
            signal,
          );
          if (response.status === 200 || response.status === 416) {
            await discard(response);
            throw new FileError(url, 'changed', 'changed meanwhile, or the server ignores range requests');
          }
          await requireSuccess(url, response);
          const range = contentRange(response);
          if (!sameVersion(versionOf(response), probed) || (range?.total ?? byteLength) !== byteLength) {
            await discard(response);
            throw new FileError(url, 'changed', 'changed while it was read');
          }
          const body = await response.arrayBuffer();
          if (range?.from !== start || body.byteLength !== end - start)
            throw new Error(`${body.byteLength} bytes arrived in place of ${end - start}`);
          return body;
        } catch (cause) {
          await retries.next(cause);
        }
      }
    },
    close() {},
  };
}

/** Length and version of a URL: by HEAD, or where that is refused by asking for the first byte. */
async function probe(url: string, signal: AbortSignal | undefined): Promise<Version & { length: number }> {
  const retries = new Retries(url, signal);
  for (;;) {
    try {
      const head = await request(url, {}, signal, 'HEAD');
      const version = versionOf(head);
      if (head.ok && version.length !== undefined) return { ...version, length: version.length };
      const first = await request(url, { range: 'bytes=0-0' }, signal);
      await discard(first);
      await requireSuccess(url, first);
      const length = contentRange(first)?.total;
      if (length === undefined)
        throw new FileError(url, 'http', 'the server does not tell its length: download it first');
      return { ...versionOf(first), length };
    } catch (cause) {
      await retries.next(cause);
    }
  }
}

/** What a server says of the content that it sends. */
interface Version {
  /** Bytes of the whole; absent when unknown, as for compressed transfers. */
  length: number | undefined;
  etag: string | undefined;
  modified: string | undefined;
  /** The one of the two that can be given back in `If-Range`: RFC 9110 forbids weak tags there. */
  validator: string | undefined;
}

/** Whether nothing speaks against it: an answer need not repeat what another one said. */
function sameVersion(a: Version, b: Version): boolean {
  const agree = (x: string | undefined, y: string | undefined) =>
    x === undefined || y === undefined || x === y;
  return agree(a.etag, b.etag) && agree(a.modified, b.modified);
}

function versionOf({ headers }: Response): Version {
  // An answer that is compressed on the way counts other bytes than those that arrive here.
  const encoded = (headers.get('content-encoding') ?? 'identity') !== 'identity';
  const length = headers.get('content-length');
  const etag = headers.get('etag') ?? undefined;
  const modified = headers.get('last-modified') ?? undefined;
  const strong = etag === undefined ? modified : etag.startsWith('W/') ? undefined : etag;
  return {
    length: encoded || length === null ? undefined : Number(length),
    etag,
    modified,
    validator: encoded ? undefined : strong,
  };
}

function contentRange({
  headers,
}: Response): { from: number | undefined; total: number | undefined } | undefined {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (!match) return undefined;
  const number = (digits: string | undefined) =>
    digits === undefined || digits === '*' ? undefined : Number(digits);
  return { from: number(match[1]), total: number(match[2]) };
}

function request(
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
  method = 'GET',
): Promise<Response> {
  return fetch(url, {
    method,
    headers: { 'accept-encoding': 'identity', ...headers },
    ...(signal && { signal }),
  });
}

/** Frees the connection of an answer that nobody wants to read. */
async function discard({ body }: Response): Promise<void> {
  await body?.cancel();
}

/** An answer that may be another one a little later. */
class TransientError extends Error {
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs: number | undefined) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** 4xx answers that do not blame the request itself: timeout, too early, too many. */
const TRANSIENT = new Set([408, 425, 429]);

async function requireSuccess(url: string, response: Response): Promise<void> {
  const { ok, status, statusText, headers } = response;
  if (ok) return;
  await discard(response);
  const message = `the server answered ${status} ${statusText}`.trim();
  if (status < 500 && !TRANSIENT.has(status)) throw new FileError(url, 'http', message);
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  throw new TransientError(message, Number.isFinite(seconds) ? seconds * 1000 : undefined);
}

/** Waits longer after each failure, and gives up after five in a row. */
class Retries {
  readonly #url: string;
  readonly #signal: AbortSignal | undefined;
  #failures = 0;

  constructor(url: string, signal: AbortSignal | undefined) {
    this.#url = url;
    this.#signal = signal;
  }

  reset(): void {
    this.#failures = 0;
  }

  /** Returns when it is time to try again. @throws `cause` when that is no use, {@link FileError} when it was enough */
  async next(cause: unknown): Promise<void> {
    if (cause instanceof FileError || this.#signal?.aborted) throw cause;
    if (++this.#failures >= MAX_ATTEMPTS) {
      const reason = reasonOf(cause);
      throw new FileError(this.#url, 'http', `gave up after ${this.#failures} attempts: ${reason}`, {
        cause,
      });
    }
    const asked = cause instanceof TransientError ? cause.retryAfterMs : undefined;
    const delay = asked ?? FIRST_DELAY_MS * 2 ** (this.#failures - 1);
    await sleep(Math.min(delay, LONGEST_DELAY_MS), undefined, {
      ...(this.#signal && { signal: this.#signal }),
    });
  }
}

/** `fetch` says "fetch failed" and hides the reason one level down. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
