import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { RangeOutsideError, ShardError } from '../errors.js';
import {
  bytesPerToken,
  requireLittleEndian,
  type ShardHeader,
  shardMagic,
  shardVersion,
  type TokenArray,
  type TokenType,
  tokenArray,
} from './format.js';

const count = z.number().int().nonnegative();
const headerSchema = z.object({
  dtype: z.enum(['uint16', 'uint32']),
  tokenCount: count,
  documentCount: count,
  tokensOffset: count,
  startsOffset: count,
  sourcesOffset: count,
  flagsOffset: count,
  tokenizer: z.string(),
  vocabSize: z.number().int().positive(),
  endOfText: count.nullable(),
  sources: z.array(z.string()).max(65_536),
  checksums: z.object({ tokens: z.string(), documents: z.string() }),
});

/** How to read a file without a header of its own (nanoGPT's `.bin`). */
export interface BinOptions {
  /** Default `uint16`, nanoGPT's. */
  dtype?: TokenType;
  /** Token after which a new document begins. Default: none, the file is one document. */
  endOfText?: number | undefined;
  /** Default: what `dtype` can hold. */
  vocabSize?: number;
}

/** llm.c and modded-nanogpt put 256 int32 in front: magic, version, token count. */
const llmcMagic = 20240520;
const llmcHeaderBytes = 1024;
const maxHeaderBytes = 64 * 1024 * 1024;

/** Start, source and flags of every document of one file. */
export interface DocumentTable {
  /** Index of the first token; one more entry than documents, the last being `tokenCount`. */
  starts: Float64Array;
  sources: Uint16Array;
  flags: Uint8Array;
}

/** One open shard (ours, nanoGPT's or llm.c's): positioned reads, nothing else held in memory. */
export class ShardFile {
  readonly path: string;
  readonly header: ShardHeader;
  private readonly descriptor: number;
  private table: DocumentTable | undefined;

  constructor(path: string, bin: BinOptions = {}) {
    requireLittleEndian(path);
    this.path = path;
    try {
      this.descriptor = openSync(path, 'r');
    } catch (cause) {
      throw new ShardError(path, 'cannot be opened', { cause });
    }
    try {
      const { size } = fstatSync(this.descriptor);
      const head = this.readBytes(0, Math.min(size, 16));
      if (head.length === 16 && head.toString('latin1', 0, 8) === shardMagic) {
        this.header = this.readHeader(head, size);
      } else {
        this.header = this.describeBin(head, size, bin);
      }
    } catch (error) {
      closeSync(this.descriptor);
      throw error;
    }
  }

  /** @returns a fresh array of `length` tokens from `offset` */
  read(offset: number, length: number): TokenArray {
    const result = tokenArray(this.header.dtype, length);
    this.readInto(result, offset, length, 0);
    return result;
  }

  /** Fills `target[at … at + length)` with the tokens from `offset`. */
  readInto(target: TokenArray, offset: number, length: number, at: number): void {
    if (offset < 0 || length < 0 || offset + length > this.header.tokenCount) {
      throw new RangeOutsideError(
        `${this.path}: tokens ${offset} to ${offset + length} of ${this.header.tokenCount} do not exist`,
      );
    }
    const size = bytesPerToken(this.header.dtype);
    this.fill(target, this.header.tokensOffset + offset * size, at * size, (at + length) * size);
  }

  /** Loaded at the first call: 11 bytes per document. */
  documents(): DocumentTable {
    this.table ??= this.header.startsOffset < 0 ? this.scanForDocuments() : this.readTable();
    return this.table;
  }

  /** Reads everything and compares checksums. @throws {ShardError} on a difference */
  verify(): void {
    const { checksums, tokensOffset, tokenCount, dtype, startsOffset, flagsOffset, documentCount } =
      this.header;
    if (checksums.tokens === '') return;
    const tokenBytes = tokenCount * bytesPerToken(dtype);
    if (this.checksum(tokensOffset, tokenBytes) !== checksums.tokens) {
      throw new ShardError(this.path, 'the tokens do not match their checksum: damaged, build it again');
    }
    const tableBytes = flagsOffset + documentCount - startsOffset;
    if (this.checksum(startsOffset, tableBytes) !== checksums.documents) {
      throw new ShardError(
        this.path,
        'the document table does not match its checksum: damaged, build it again',
      );
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private checksum(offset: number, length: number): string {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(Math.min(length, 1 << 20));
    for (let done = 0; done < length; ) {
      const part = chunk.subarray(0, Math.min(chunk.length, length - done));
      this.fill(part, offset + done);
      hash.update(part);
      done += part.length;
    }
    return hash.digest('hex');
  }

  private readHeader(head: Buffer, fileSize: number): ShardHeader {
    const version = head.readUInt32LE(8);
    if (version !== shardVersion) {
      throw new ShardError(this.path, `shard version ${version}; this package reads version ${shardVersion}`);
    }
    const length = head.readUInt32LE(12);
    if (length > maxHeaderBytes || 16 + length > fileSize)
      throw new ShardError(this.path, 'header is cut off');
    let header: ShardHeader;
    try {
      header = headerSchema.parse(JSON.parse(this.readBytes(16, length).toString('utf8')));
    } catch (cause) {
      throw new ShardError(this.path, 'header is not valid', { cause });
    }
    const tokensEnd = header.tokensOffset + header.tokenCount * bytesPerToken(header.dtype);
    const consistent =
      header.tokensOffset >= 16 + length &&
      header.startsOffset >= tokensEnd &&
      header.sourcesOffset === header.startsOffset + header.documentCount * 8 &&
      header.flagsOffset === header.sourcesOffset + header.documentCount * 2 &&
      header.flagsOffset + header.documentCount === fileSize;
    if (!consistent) {
      throw new ShardError(
        this.path,
        `header and file size (${fileSize} bytes) disagree: truncated or damaged`,
      );
    }
    return header;
  }

  private describeBin(head: Buffer, fileSize: number, bin: BinOptions): ShardHeader {
    const dtype = bin.dtype ?? 'uint16';
    const size = bytesPerToken(dtype);
    const isLlmc = head.length >= 12 && head.readInt32LE(0) === llmcMagic && fileSize >= llmcHeaderBytes;
    const tokensOffset = isLlmc ? llmcHeaderBytes : 0;
    const bytes = fileSize - tokensOffset;
    if (bytes % size !== 0) {
      throw new ShardError(
        this.path,
        `${bytes} bytes of tokens are not a multiple of ${size} (${dtype}): not a token file, or truncated`,
      );
    }
    if (isLlmc && head.readInt32LE(8) !== bytes / size) {
      throw new ShardError(this.path, `says ${head.readInt32LE(8)} tokens but holds ${bytes / size}`);
    }
    return {
      dtype,
      tokenCount: bytes / size,
      documentCount: -1, // Known after a scan; `documents()` does it when asked.
      tokensOffset,
      startsOffset: -1,
      sourcesOffset: -1,
      flagsOffset: -1,
      tokenizer: '',
      vocabSize: bin.vocabSize ?? 2 ** (8 * size),
      endOfText: bin.endOfText ?? null,
      sources: [''],
      checksums: { tokens: '', documents: '' },
    };
  }

  private readTable(): DocumentTable {
    const { documentCount: n, startsOffset, sourcesOffset, flagsOffset, tokenCount, sources } = this.header;
    const raw = new BigUint64Array(n);
    this.fill(new Uint8Array(raw.buffer), startsOffset);
    const starts = new Float64Array(n + 1);
    let previous = 0;
    for (let i = 0; i < n; i++) {
      const start = Number(raw[i]);
      if (start < previous || start > tokenCount || (i === 0 && start !== 0)) {
        throw new ShardError(
          this.path,
          `document ${i} begins at token ${start}: the document table is damaged`,
        );
      }
      starts[i] = previous = start;
    }
    starts[n] = tokenCount;
    const sourceOf = new Uint16Array(n);
    this.fill(new Uint8Array(sourceOf.buffer), sourcesOffset);
    const unknown = sourceOf.findIndex((source) => source >= sources.length);
    if (unknown >= 0)
      throw new ShardError(this.path, `document ${unknown} names a source that does not exist`);
    const flags = new Uint8Array(n);
    this.fill(flags, flagsOffset);
    return { starts, sources: sourceOf, flags };
  }

  private scanForDocuments(): DocumentTable {
    const { tokenCount, endOfText } = this.header;
    const starts = tokenCount > 0 ? [0] : [];
    const chunk = 1 << 20;
    if (endOfText !== null) {
      for (let offset = 0; offset < tokenCount; offset += chunk) {
        const tokens = this.read(offset, Math.min(chunk, tokenCount - offset));
        for (let i = 0; i < tokens.length; i++) {
          if (tokens[i] === endOfText && offset + i + 1 < tokenCount) starts.push(offset + i + 1);
        }
      }
    }
    const n = starts.length;
    return {
      starts: Float64Array.from([...starts, tokenCount]),
      sources: new Uint16Array(n),
      flags: new Uint8Array(n),
    };
  }

  private readBytes(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.fill(bytes, position);
    return bytes;
  }

  /** Reads into bytes [from, to) of `target`. */
  private fill(target: NodeJS.ArrayBufferView, position: number, from = 0, to = target.byteLength): void {
    for (let at = from; at < to; ) {
      const got = readSync(this.descriptor, target, at, to - at, position + at - from);
      if (got === 0) throw new ShardError(this.path, 'ended early: truncated while it was read');
      at += got;
    }
  }
}
