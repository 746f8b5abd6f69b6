import { ImageError } from '../errors.js';

/** Downloads at most `maxBytes`; a longer body is cut off, not collected. @throws {ImageError} */
export async function fetchImage(url: string, maxBytes: number): Promise<Uint8Array> {
  const name = url.length > 80 ? `${url.slice(0, 77)}...` : url;
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new ImageError('unreadable', `${name} cannot be fetched: ${(cause as Error).message}`, { cause });
  }
  if (!response.ok) throw new ImageError('unreadable', `${name}: HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (!chunk || chunk.done) break;
    size += chunk.value.byteLength;
    if (size > maxBytes) {
      await reader?.cancel();
      throw new ImageError('too-large', `${name} has more than ${maxBytes} bytes`);
    }
    chunks.push(chunk.value);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
