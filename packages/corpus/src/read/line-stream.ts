import { FileError } from '../errors.js';
import { encodingError, utf8Decoder } from './text-decoding.js';

/** A line of a file. */
export interface Line {
  /** From 1. */
  number: number;
  text: string;
}

export interface LineOptions {
  /** Longer lines are not kept in memory. Default 64 MiB. */
  maxLineBytes?: number;
  /** Called instead of throwing for a line that is too long; the line is left out. */
  onLongLine?: (number: number, bytes: number) => void;
}

export const defaultMaxLineBytes = 64 * 1024 * 1024;
const newline = 10;

/**
 * Lines of UTF-8 bytes (LF or CRLF), with memory bounded by the longest line allowed: what exceeds it is counted and
 * dropped as it arrives.
 *
 * @throws {FileError} for invalid UTF-8 (with the line's number) and, without `onLongLine`, for a line too long
 */
export async function* splitLines(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  { maxLineBytes = defaultMaxLineBytes, onLongLine }: LineOptions = {},
): AsyncGenerator<Line> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let number = 0;
  let skipped = 0; // Bytes of the current line already dropped.

  const tooLong = (bytes: number) => {
    if (!onLongLine) {
      throw new FileError(
        path,
        'line-too-long',
        `line ${number} has ${bytes} bytes; the limit is ${maxLineBytes}`,
      );
    }
    onLongLine(number, bytes);
  };

  for await (const chunk of chunks) {
    let start = 0;
    if (skipped > 0) {
      const end = chunk.indexOf(newline);
      if (end < 0) {
        skipped += chunk.length;
        continue;
      }
      number++;
      tooLong(skipped + end);
      skipped = 0;
      start = end + 1;
    }
    const last = chunk.lastIndexOf(newline);
    if (last >= start) {
      const block =
        pendingBytes > 0
          ? Buffer.concat([...pending, chunk.subarray(start, last)])
          : chunk.subarray(start, last);
      pending = [];
      pendingBytes = 0;
      for (const text of decodeBlock(path, block, number)) {
        number++;
        // UTF-16 units never exceed the bytes they came from.
        if (text.length > maxLineBytes) tooLong(Buffer.byteLength(text));
        else yield { number, text: text.endsWith('\r') ? text.slice(0, -1) : text };
      }
      start = last + 1;
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (pendingBytes > maxLineBytes) {
        skipped = pendingBytes;
        pending = [];
        pendingBytes = 0;
      }
    }
  }
  if (skipped > 0) {
    number++;
    tooLong(skipped);
  } else if (pendingBytes > 0) {
    number++;
    const [text] = decodeBlock(path, Buffer.concat(pending), number - 1);
    yield { number, text: text!.endsWith('\r') ? text!.slice(0, -1) : text! };
  }
}

function decodeBlock(path: string, block: Uint8Array, linesBefore: number): string[] {
  try {
    return utf8Decoder.decode(block).split('\n');
  } catch {
    // Again line by line, to name the culprit.
    let line = linesBefore + 1;
    for (let start = 0; ; line++) {
      const end = block.indexOf(newline, start);
      try {
        utf8Decoder.decode(block.subarray(start, end < 0 ? undefined : end));
      } catch {
        throw encodingError(path, `line ${line}`);
      }
      if (end < 0) throw encodingError(path, 'it');
      start = end + 1;
    }
  }
}
