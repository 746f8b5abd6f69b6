import { ConfigError, FileError } from '../errors.js';

/** Share of control characters in the first bytes above which a file counts as binary. */
const maxControlShare = 0.1;

/** Looks at the beginning of a file. @throws {FileError} when it is not text */
export function requireText(path: string, head: Uint8Array, encoding: string): void {
  if (/utf-?16|utf-?32|ucs-?2/i.test(encoding) || byteOrderMark(head) !== undefined) return;
  let control = 0;
  const length = Math.min(head.length, 8192);
  for (let i = 0; i < length; i++) {
    const byte = head[i]!;
    if (byte === 0) throw new FileError(path, 'binary', `is binary (a zero byte at ${i}), not text`);
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 12 && byte !== 27) control++;
  }
  if (length > 0 && control / length > maxControlShare) {
    throw new FileError(path, 'binary', `is binary (${control} control bytes in ${length}), not text`);
  }
}

function byteOrderMark(head: Uint8Array): string | undefined {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  return undefined;
}

/**
 * Bytes of any encoding to UTF-8 bytes without a byte order mark; UTF-8 passes through unchecked (lines are decoded
 * strictly later). A UTF-16 byte order mark wins over `encoding`.
 *
 * @throws {FileError} when the file is binary or does not hold the encoding it should
 */
export async function* toUtf8(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  encoding = 'utf-8',
): AsyncGenerator<Uint8Array> {
  let decoder: TextDecoder | undefined;
  let first = true;
  for await (let chunk of chunks) {
    if (first && chunk.length > 0) {
      first = false;
      requireText(path, chunk, encoding);
      const actual = byteOrderMark(chunk) ?? encoding;
      if (!/^utf-?8$/i.test(actual)) decoder = strictDecoder(actual);
      else if (chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf) chunk = chunk.subarray(3);
    }
    if (!decoder) yield chunk;
    else yield Buffer.from(decodeStrictly(path, decoder, chunk, true));
  }
  if (decoder) yield Buffer.from(decodeStrictly(path, decoder, new Uint8Array(), false));
}

function strictDecoder(encoding: string): TextDecoder {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new ConfigError('encoding', `'${encoding}' is not an encoding this Node.js knows`, { cause });
  }
}

function decodeStrictly(path: string, decoder: TextDecoder, chunk: Uint8Array, stream: boolean): string {
  try {
    return decoder.decode(chunk, { stream });
  } catch (cause) {
    throw new FileError(path, 'encoding', `is not valid ${decoder.encoding}`, { cause });
  }
}

export const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One error for invalid UTF-8, with what to do about it. */
export const encodingError = (path: string, where: string): FileError =>
  new FileError(
    path,
    'encoding',
    `${where} is not valid UTF-8; give the file's 'encoding' (as windows-1252, gb18030)`,
  );
