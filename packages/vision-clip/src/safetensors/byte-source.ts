import { SafetensorsError } from './errors.js';

/**
 * Something that can be read in ranges: a buffer, a `Blob` from a file input, a URL that serves HTTP ranges,
 * a file in Node (`openByteSource` in the `/safetensors/node` entry point). Only what is asked for is fetched.
 */
export interface ByteSource {
  /** For error messages. */
  readonly name: string;
  /** Total bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; rejects when the source ends earlier. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close?(): Promise<void>;
}

export function bytesSource(bytes: Uint8Array | ArrayBuffer, name = 'buffer'): ByteSource {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return {
    name,
    size: view.byteLength,
    read: async (offset, length) => view.subarray(offset, offset + length),
  };
}

export function blobSource(blob: Blob, name = 'blob'): ByteSource {
  return {
    name,
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/**
 * A remote file read with HTTP `Range` requests. A server that ignores ranges answers the first request with
 * the whole file, which is then kept and served from memory.
 *
 * @throws {SafetensorsError} when the server answers with an error or without a length
 */
export async function urlSource(url: string | URL, init: RequestInit = {}): Promise<ByteSource> {
  const name = String(url);
  const get = async (offset: number, length: number): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set('Range', `bytes=${offset}-${offset + length - 1}`);
    const response = await fetch(url, { ...init, headers });
    if (!response.ok)
      throw new SafetensorsError(name, `HTTP ${response.status} ${response.statusText}`.trim());
    return response;
  };
  const probe = await get(0, 8);
  if (probe.status !== 206) return bytesSource(await probe.arrayBuffer(), name);
  await probe.body?.cancel();
  const size = Number(/\/(\d+)$/.exec(probe.headers.get('content-range') ?? '')?.[1]);
  if (!Number.isSafeInteger(size)) throw new SafetensorsError(name, 'the server does not tell the file size');
  return {
    name,
    size,
    read: async (offset, length) => {
      if (length === 0) return new Uint8Array();
      const response = await get(offset, length);
      if (response.status !== 206) throw new SafetensorsError(name, 'the server stopped honouring ranges');
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}
