import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError, ShardError } from '../errors.js';
import {
  alignTo,
  bytesPerToken,
  continuesFlag,
  pageSize,
  requireLittleEndian,
  type ShardHeader,
  shardMagic,
  shardVersion,
  type TokenArray,
  type TokenType,
  tokenArray,
  tokenTypeFor,
} from './format.js';

export interface TokenShardWriterOptions {
  /** Ids are below it; decides `dtype`. */
  vocabSize: number;
  /** The tokenizer's `fingerprint`. Default: unknown (`''`). */
  fingerprint?: string;
  /** Default: `uint16` when `vocabSize` ≤ 65,536, else `uint32`. */
  dtype?: TokenType;
  /** Noted in the header, for readers that want to find document ends in the tokens. Default: none. */
  endOfText?: number | undefined;
  /** Names for {@link AppendOptions.source}. Default: one source named `''`. */
  sources?: readonly string[];
}

export interface AppendOptions {
  /** Index into the writer's `sources`. Default 0. */
  source?: number;
  /** This entry goes on where an earlier one of the same document stopped. Default false. */
  continues?: boolean;
  /** One more token after `tokenIds`: the end-of-text token. Default: none. */
  end?: number | null | undefined;
}

/** What a finished shard holds. */
export interface ShardInfo {
  path: string;
  tokenCount: number;
  documentCount: number;
  /** SHA-256 of the token bytes. */
  checksum: string;
  bytes: number;
}

const bufferTokens = 1 << 18;

/**
 * Writes one token shard. The file appears under its name only in {@link finish}, complete and flushed to disk;
 * until then it is a temporary file beside it.
 */
export class TokenShardWriter {
  readonly path: string;
  readonly dtype: TokenType;
  private readonly temporaryPath: string;
  private readonly descriptor: number;
  private readonly options: TokenShardWriterOptions;
  private readonly sources: readonly string[];
  private readonly hash = createHash('sha256');
  private readonly buffer: TokenArray;
  private readonly tokensOffset: number;
  private buffered = 0;
  private flushed = 0;
  private starts: number[] = [];
  private sourceOf: number[] = [];
  private flags: number[] = [];
  private open = true;

  constructor(path: string, options: TokenShardWriterOptions) {
    requireLittleEndian(path);
    if (!Number.isSafeInteger(options.vocabSize) || options.vocabSize < 1) {
      throw new ConfigError('vocabSize', `must be a positive integer, received ${options.vocabSize}`);
    }
    this.dtype = options.dtype ?? tokenTypeFor(options.vocabSize);
    if (this.dtype === 'uint16' && options.vocabSize > 65_536) {
      throw new ConfigError('dtype', `uint16 cannot hold ids up to ${options.vocabSize - 1}; use uint32`);
    }
    this.path = path;
    this.options = options;
    this.sources = options.sources ?? [''];
    this.buffer = tokenArray(this.dtype, bufferTokens);
    // Room for the header, which is written last: its counts and checksums are not known before.
    this.tokensOffset = alignTo(16 + 1024 + Buffer.byteLength(JSON.stringify(this.sources)), pageSize);
    this.temporaryPath = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
    mkdirSync(dirname(path), { recursive: true });
    this.descriptor = openSync(this.temporaryPath, 'w');
  }

  get tokenCount(): number {
    return this.flushed + this.buffered;
  }

  get documentCount(): number {
    return this.starts.length;
  }

  /**
   * Adds one document (or, with `continues`, the next part of one). Its end-of-text token is part of
   * `tokenIds`, or given as `end`.
   *
   * @throws {ShardError} for an id outside of the vocabulary: the shard stays as it was
   */
  append(tokenIds: ArrayLike<number>, { source = 0, continues = false, end }: AppendOptions = {}): void {
    if (!this.open) throw new ShardError(this.path, 'append after finish or abort');
    if (source < 0 || source >= this.sources.length) {
      throw new ConfigError('source', `${source} is not an index into the ${this.sources.length} sources`);
    }
    const { vocabSize } = this.options;
    if (end !== null && end !== undefined && !(end >= 0 && end < vocabSize)) {
      throw new ShardError(this.path, `the end token is ${end}, outside of the vocabulary of ${vocabSize}`);
    }
    const { length } = tokenIds;
    const start = this.tokenCount;
    if (length <= bufferTokens) {
      // Checked while copied: what is behind `buffered` counts only once all of it is right.
      if (this.buffered + length > bufferTokens) this.flush();
      this.copyChecked(tokenIds, 0, length);
    } else {
      for (let i = 0; i < length; i++) this.check(tokenIds[i]!, i);
      for (let from = 0; from < length; from += bufferTokens) {
        this.flush();
        this.copyChecked(tokenIds, from, Math.min(length, from + bufferTokens));
      }
    }
    this.starts.push(start);
    this.sourceOf.push(source);
    this.flags.push(continues ? continuesFlag : 0);
    if (end !== null && end !== undefined) {
      if (this.buffered === bufferTokens) this.flush();
      this.buffer[this.buffered++] = end;
    }
  }

  /** Writes the document table and the header, flushes to disk and gives the file its name. */
  finish(): ShardInfo {
    if (!this.open) throw new ShardError(this.path, 'finish after finish or abort');
    this.flush();
    const size = bytesPerToken(this.dtype);
    const startsOffset = alignTo(this.tokensOffset + this.flushed * size, 8);
    const starts = new BigUint64Array(this.starts.length);
    for (let i = 0; i < starts.length; i++) starts[i] = BigInt(this.starts[i]!);
    const tables = [
      new Uint8Array(starts.buffer),
      new Uint8Array(Uint16Array.from(this.sourceOf).buffer),
      Uint8Array.from(this.flags),
    ] as const;
    const documents = createHash('sha256');
    let offset = startsOffset;
    for (const table of tables) {
      documents.update(table);
      this.write(table, offset);
      offset += table.byteLength;
    }
    const header: ShardHeader = {
      dtype: this.dtype,
      tokenCount: this.flushed,
      documentCount: this.starts.length,
      tokensOffset: this.tokensOffset,
      startsOffset,
      sourcesOffset: startsOffset + tables[0].byteLength,
      flagsOffset: startsOffset + tables[0].byteLength + tables[1].byteLength,
      tokenizer: this.options.fingerprint ?? '',
      vocabSize: this.options.vocabSize,
      endOfText: this.options.endOfText ?? null,
      sources: [...this.sources],
      checksums: { tokens: this.hash.digest('hex'), documents: documents.digest('hex') },
    };
    const json = Buffer.from(JSON.stringify(header));
    if (16 + json.length > this.tokensOffset) {
      this.abort();
      throw new ShardError(this.path, `header of ${json.length} bytes does not fit; shorten the fingerprint`);
    }
    const head = Buffer.alloc(this.tokensOffset);
    head.write(shardMagic, 0, 'latin1');
    head.writeUInt32LE(shardVersion, 8);
    head.writeUInt32LE(json.length, 12);
    json.copy(head, 16);
    this.write(head, 0);
    fsyncSync(this.descriptor);
    closeSync(this.descriptor);
    this.open = false;
    renameSync(this.temporaryPath, this.path);
    return {
      path: this.path,
      tokenCount: header.tokenCount,
      documentCount: header.documentCount,
      checksum: header.checksums.tokens,
      bytes: offset,
    };
  }

  /** Removes the temporary file; nothing appears under the shard's name. */
  abort(): void {
    if (!this.open) return;
    this.open = false;
    closeSync(this.descriptor);
    rmSync(this.temporaryPath, { force: true });
  }

  /** Aborts unless finished. */
  [Symbol.dispose](): void {
    this.abort();
  }

  private copyChecked(tokenIds: ArrayLike<number>, from: number, to: number): void {
    const { buffer } = this;
    const { vocabSize } = this.options;
    // One loop per kind of array, as engines compile a loop for the kinds that it has met.
    const bad =
      tokenIds instanceof Uint32Array
        ? copyUint32(tokenIds, from, to, buffer, this.buffered, vocabSize)
        : copyNumbers(tokenIds, from, to, buffer, this.buffered, vocabSize);
    if (bad >= 0) this.check(tokenIds[bad]!, bad);
    this.buffered += to - from;
  }

  private check(id: number, index: number): void {
    // `>>> 0` changes everything but whole numbers from 0 on.
    if (id >>> 0 === id && id < this.options.vocabSize) return;
    const { vocabSize } = this.options;
    throw new ShardError(this.path, `token ${index} is ${id}, outside of the vocabulary of ${vocabSize}`);
  }

  private flush(): void {
    if (this.buffered === 0) return;
    const size = bytesPerToken(this.dtype);
    const bytes = new Uint8Array(this.buffer.buffer, 0, this.buffered * size);
    this.hash.update(bytes);
    this.write(bytes, this.tokensOffset + this.flushed * size);
    this.flushed += this.buffered;
    this.buffered = 0;
  }

  private write(bytes: Uint8Array, position: number): void {
    let done = 0;
    try {
      while (done < bytes.length) {
        done += writeSync(this.descriptor, bytes, done, bytes.length - done, position + done);
      }
    } catch (cause) {
      const { message } = cause as Error;
      throw new ShardError(this.path, `cannot be written (${message}): free space, or write elsewhere`, {
        cause,
      });
    }
  }
}

/** @returns the index of the first id outside of the vocabulary, −1 when all were copied */
function copyUint32(
  ids: Uint32Array,
  from: number,
  to: number,
  target: TokenArray,
  at: number,
  vocabSize: number,
): number {
  for (let i = from; i < to; i++) {
    const id = ids[i]!;
    if (id >= vocabSize) return i;
    target[at++] = id;
  }
  return -1;
}

/** The same for numbers of any kind. */
function copyNumbers(
  ids: ArrayLike<number>,
  from: number,
  to: number,
  target: TokenArray,
  at: number,
  vocabSize: number,
): number {
  for (let i = from; i < to; i++) {
    const id = ids[i]!;
    // `>>> 0` changes everything but whole numbers from 0 on.
    if (id >>> 0 !== id || id >= vocabSize) return i;
    target[at++] = id;
  }
  return -1;
}
