import { createHash } from 'node:crypto';
import { createReadStream, type Stats, statSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { Decompress as ZstdDecompress } from 'fzstd';
import { FileError } from '../errors.js';
import { fetchBytes } from './http.js';
import { isUrl } from './input-files.js';

/** What was read of a file, known once the stream has ended. */
export interface ReadSummary {
  /** Bytes on disk or on the wire, before decompression. */
  bytes: number;
  /** SHA-256 of those bytes, hexadecimal. */
  sha256: string;
}

export interface ByteStreamOptions {
  signal?: AbortSignal | undefined;
  onEnd?: ((summary: ReadSummary) => void) | undefined;
}

/**
 * The bytes of a file or URL, decompressed (gzip and Zstandard by their magic number, whatever the name says).
 *
 * @throws {FileError} when the file is missing, its compressed stream is broken or cut off, or it changed meanwhile
 */
export async function* readBytes(path: string, options: ByteStreamOptions = {}): AsyncGenerator<Uint8Array> {
  const raw = rawBytes(path, options);
  const first = await raw.next();
  if (first.done) return;
  const head = first.value;
  const chunks = prepend(head, raw);
  if (head[0] === 0x1f && head[1] === 0x8b) yield* gunzip(path, chunks);
  else if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd)
    yield* unzstd(path, chunks);
  else yield* chunks;
}

async function* prepend(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

async function* rawBytes(path: string, { signal, onEnd }: ByteStreamOptions): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let bytes = 0;
  const before = isUrl(path) ? undefined : stat(path);
  const chunks: AsyncIterable<Uint8Array> = before
    ? createReadStream(path, { highWaterMark: 1 << 18, signal })
    : fetchBytes(path, signal);
  try {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof FileError || signal?.aborted) throw cause;
    throw new FileError(path, 'corrupt', `cannot be read: ${(cause as Error).message}`, { cause });
  }
  if (before) requireUnchanged(path, before, bytes);
  onEnd?.({ bytes, sha256: hash.digest('hex') });
}

function stat(path: string): Stats {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) throw new FileError(path, 'missing', 'does not exist');
  return stats;
}

/** @throws {FileError} when size, modification time or identity differ from `before` */
export function requireUnchanged(path: string, before: Stats, bytesRead: number): void {
  const after = statSync(path, { throwIfNoEntry: false });
  const same =
    after !== undefined &&
    after.size === before.size &&
    after.mtimeMs === before.mtimeMs &&
    after.ino === before.ino &&
    bytesRead === before.size;
  if (!same) {
    throw new FileError(path, 'changed', 'changed while it was read; read it again once its writer is done');
  }
}

async function* gunzip(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = zlib.createGunzip({ chunkSize: 1 << 17 });
  yield* throughTransform(path, chunks, stream, 'gzip');
}

async function* throughTransform(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  stream: zlib.Gunzip,
  name: string,
): AsyncGenerator<Uint8Array> {
  let sourceError: unknown;
  const feed = (async () => {
    try {
      for await (const chunk of chunks) {
        if (stream.destroyed) return;
        if (!stream.write(chunk)) {
          await new Promise<void>((resolve) => {
            stream.once('drain', resolve);
            stream.once('close', resolve);
          });
        }
      }
      stream.end();
    } catch (error) {
      sourceError = error;
      stream.destroy(error as Error);
    }
  })();
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
    await feed;
  } catch (cause) {
    if (sourceError) throw sourceError;
    throw new FileError(path, 'truncated', `its ${name} stream is broken or cut off; nothing of it is used`, {
      cause,
    });
  } finally {
    stream.destroy();
    await feed;
  }
  if (sourceError) throw sourceError;
}

/** Node's own decompressor (22.15 and later) ends with the first of several frames; fzstd reads all of them. */
async function* unzstd(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = [];
  let ended = false;
  const stream = new ZstdDecompress((data, final) => {
    if (data.length > 0) ready.push(data);
    ended ||= final === true;
  });
  // One chunk is held back, to be pushed as the last: fzstd checks completeness only then.
  let held: Uint8Array | undefined;
  const push = (chunk: Uint8Array, final: boolean) => {
    try {
      stream.push(chunk, final);
    } catch (cause) {
      throw new FileError(path, 'truncated', 'its zstd stream is broken or cut off; nothing of it is used', {
        cause,
      });
    }
  };
  for await (const chunk of chunks) {
    if (held) push(held, false);
    held = chunk;
    yield* ready;
    ready = [];
  }
  if (held) push(held, true);
  yield* ready;
  if (!ended) throw new FileError(path, 'truncated', 'its zstd stream is cut off; nothing of it is used');
}
