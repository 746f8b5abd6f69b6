import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, RangeOutsideError, ShardError } from '../errors.js';
import type { Tokenizer } from '../tokenizer.js';
import { continuesFlag, shardExtension, type TokenArray, type TokenType, tokenArray } from './format.js';
import { type BinOptions, ShardFile } from './shard-file.js';

export interface TokenShardReaderOptions extends BinOptions {
  /** Refuse shards made with another tokenizer. Default: no check. */
  tokenizer?: Pick<Tokenizer, 'fingerprint'>;
  /** Read every byte once and compare checksums before use. Default false. */
  verify?: boolean;
}

/** One document of a {@link TokenShardReader}. */
export interface DocumentInfo {
  index: number;
  /** Index of its first token. */
  offset: number;
  /** Tokens, the end-of-text token included. */
  length: number;
  /** Name of its source. */
  source: string;
  /** True when it goes on from an earlier entry of the same source. */
  continues: boolean;
}

/** A window of tokens that knows where documents begin in it. */
export interface PackedWindow {
  /** `[length]` */
  tokenIds: TokenArray;
  /** `[length]`, 0 for the first document of the window, 1 for the next, …: equal ids may attend to each other. */
  segmentIds: Int32Array;
  /** `[length]`, distance from the first token of the segment in this window. */
  positions: Int32Array;
}

/**
 * Random access to token shards: a file, several, or a folder of them, read as one sequence. Reads are positioned
 * and synchronous (a window comes from the page cache in microseconds); memory holds only the document table, and
 * that only once a question about documents is asked.
 *
 * Reads this package's `.tokens`, nanoGPT's headerless `.bin` and llm.c's `.bin`.
 *
 * @throws {ShardError} for a damaged or truncated file, mixed token types, or a foreign tokenizer
 */
export class TokenShardReader {
  readonly paths: readonly string[];
  readonly dtype: TokenType;
  /** Tokens over all files. */
  readonly tokenCount: number;
  readonly vocabSize: number;
  /** Fingerprint of the tokenizer, `''` when unknown (`.bin`). */
  readonly fingerprint: string;
  /** The id that ends every document, or null. */
  readonly endOfText: number | null;
  /** Every source name of the shards. */
  readonly sources: readonly string[];
  private readonly files: readonly ShardFile[];
  /** Index of the first token of each file, and the total. */
  private readonly fileStarts: readonly number[];
  private documentTable: { starts: Float64Array; sources: Uint16Array; flags: Uint8Array } | undefined;

  constructor(path: string | readonly string[], options: TokenShardReaderOptions = {}) {
    this.paths = typeof path === 'string' ? expand(path) : [...path];
    if (this.paths.length === 0) throw new ConfigError('path', 'no shard given');
    const files: ShardFile[] = [];
    try {
      for (const each of this.paths) files.push(new ShardFile(each, options));
      const first = files[0]!;
      for (const { path: other, header } of files) {
        if (header.dtype !== first.header.dtype) {
          throw new ShardError(other, `holds ${header.dtype} but ${first.path} holds ${first.header.dtype}`);
        }
        if (header.tokenizer !== first.header.tokenizer) {
          throw new ShardError(other, `was made with another tokenizer than ${first.path}`);
        }
        const wanted = options.tokenizer?.fingerprint;
        if (wanted !== undefined && header.tokenizer !== '' && header.tokenizer !== wanted) {
          throw new ShardError(
            other,
            `was made with tokenizer ${header.tokenizer}, not ${wanted}; use that tokenizer or build the shards again`,
          );
        }
      }
      if (options.verify) for (const file of files) file.verify();
    } catch (error) {
      for (const file of files) file.close();
      throw error;
    }
    const { dtype, vocabSize, tokenizer, endOfText } = files[0]!.header;
    this.files = files;
    this.dtype = dtype;
    this.vocabSize = vocabSize;
    this.fingerprint = tokenizer;
    this.endOfText = endOfText;
    this.sources = [...new Set(files.flatMap(({ header }) => header.sources))];
    const fileStarts = [0];
    for (const { header } of files) fileStarts.push(fileStarts.at(-1)! + header.tokenCount);
    this.fileStarts = fileStarts;
    this.tokenCount = fileStarts.at(-1)!;
  }

  /** Same as the constructor, for a chain. */
  static open(path: string | readonly string[], options?: TokenShardReaderOptions): TokenShardReader {
    return new TokenShardReader(path, options);
  }

  /**
   * @param offset index of the first token
   * @returns a fresh array, `[length]`
   * @throws {RangeOutsideError} when the range leaves the shards
   */
  read(offset: number, length: number): TokenArray {
    this.checkRange(offset, length);
    const result = tokenArray(this.dtype, length);
    this.fill(result, offset);
    return result;
  }

  /**
   * `read` into an array of yours, all of it: loops that draw many windows allocate nothing.
   *
   * @param target a `Uint16Array` or `Uint32Array`, as `dtype` says
   * @param offset index of the first token
   * @throws {RangeOutsideError} when the range leaves the shards
   * @throws {ConfigError} when `target` is of another type than the tokens
   */
  readInto(target: TokenArray, offset: number): void {
    this.checkRange(offset, target.length);
    if (!(target instanceof (this.dtype === 'uint16' ? Uint16Array : Uint32Array)))
      throw new ConfigError('target', `must be an array of ${this.dtype}, as the shards are`);
    this.fill(target, offset);
  }

  private fill(target: TokenArray, offset: number): void {
    let fileIndex = this.files.length === 1 ? 0 : lastAtMost(this.fileStarts, offset, this.files.length);
    for (let done = 0; done < target.length; fileIndex++) {
      const file = this.files[fileIndex]!;
      const local = offset + done - this.fileStarts[fileIndex]!;
      const part = Math.min(target.length - done, file.header.tokenCount - local);
      file.readInto(target, local, part, done);
      done += part;
    }
  }

  /** `read` with segment ids and positions, for attention that stays inside documents. */
  readPacked(offset: number, length: number): PackedWindow {
    const tokenIds = this.read(offset, length);
    const segmentIds = new Int32Array(length);
    const positions = new Int32Array(length);
    if (length === 0) return { tokenIds, segmentIds, positions };
    const { starts } = this.table();
    let document = lastAtMost(starts, offset, starts.length - 1);
    let segment = 0;
    let segmentStart = 0;
    for (let i = 0; i < length; i++) {
      while (starts[document + 1]! <= offset + i) {
        document++;
        if (starts[document] === offset + i && i > 0) {
          segment++;
          segmentStart = i;
          break;
        }
      }
      segmentIds[i] = segment;
      positions[i] = i - segmentStart;
    }
    return { tokenIds, segmentIds, positions };
  }

  get documentCount(): number {
    return this.table().sources.length;
  }

  /** `[documentCount + 1]`: where each document begins, then `tokenCount`. Shared, do not change. */
  get documentOffsets(): Float64Array {
    return this.table().starts;
  }

  document(index: number): DocumentInfo {
    const { starts, sources, flags } = this.table();
    if (!Number.isInteger(index) || index < 0 || index >= sources.length) {
      throw new RangeOutsideError(`document ${index} of ${sources.length} does not exist`);
    }
    const offset = starts[index]!;
    return {
      index,
      offset,
      length: starts[index + 1]! - offset,
      source: this.sources[sources[index]!]!,
      continues: (flags[index]! & continuesFlag) !== 0,
    };
  }

  /** Tokens of one document. */
  readDocument(index: number): TokenArray {
    const { offset, length } = this.document(index);
    return this.read(offset, length);
  }

  /** The document that token `offset` belongs to. */
  documentAt(offset: number): DocumentInfo {
    this.checkRange(offset, 1);
    const { starts } = this.table();
    return this.document(lastAtMost(starts, offset, starts.length - 1));
  }

  /** Every document in order. */
  *documents(): Generator<DocumentInfo> {
    for (let index = 0; index < this.documentCount; index++) yield this.document(index);
  }

  /** Reads every byte and compares checksums. @throws {ShardError} on a difference */
  verify(): void {
    for (const file of this.files) file.verify();
  }

  close(): void {
    for (const file of this.files) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private checkRange(offset: number, length: number): void {
    const valid = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0;
    if (!valid || offset + length > this.tokenCount) {
      throw new RangeOutsideError(
        `tokens ${offset} to ${offset + length} of ${this.tokenCount} do not exist (offset and length are token counts)`,
      );
    }
  }

  private table() {
    if (this.documentTable) return this.documentTable;
    const tables = this.files.map((file) => file.documents());
    const total = tables.reduce((sum, { sources }) => sum + sources.length, 0);
    const starts = new Float64Array(total + 1);
    const sources = new Uint16Array(total);
    const flags = new Uint8Array(total);
    let at = 0;
    for (const [fileIndex, table] of tables.entries()) {
      const names = this.files[fileIndex]!.header.sources.map((name) => this.sources.indexOf(name));
      for (let i = 0; i < table.sources.length; i++, at++) {
        starts[at] = table.starts[i]! + this.fileStarts[fileIndex]!;
        sources[at] = names[table.sources[i]!]!;
        flags[at] = table.flags[i]!;
      }
    }
    starts[total] = this.tokenCount;
    this.documentTable = { starts, sources, flags };
    return this.documentTable;
  }
}

/** Largest index below `count` whose start is ≤ `value`; the last of several equal ones. */
function lastAtMost(starts: ArrayLike<number>, value: number, count: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (starts[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

function expand(path: string): string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const names = readdirSync(path).sort();
  const shards = names.filter((name) => name.endsWith(shardExtension));
  const found = shards.length > 0 ? shards : names.filter((name) => name.endsWith('.bin'));
  if (found.length === 0) throw new ShardError(path, `no ${shardExtension} or .bin file in this folder`);
  return found.map((name) => join(path, name));
}
