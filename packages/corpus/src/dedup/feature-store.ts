import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { GrowableNumbers } from '../growable.js';

/** Keeps band keys and shingles of documents until they are compared. */
export interface FeatureStore {
  add(keys: Uint32Array, shingles: Uint32Array): void;
  /** Keys of every document in one band, by number. */
  bandKeys(band: number): Uint32Array;
  shingles(document: number): Uint32Array;
  close(): void;
}

const growable = () => new GrowableNumbers<Uint32Array>((length) => new Uint32Array(length));

/** Everything in memory: 4 bytes per band and per shingle. */
export class MemoryFeatureStore implements FeatureStore {
  private readonly bands: GrowableNumbers<Uint32Array>[];
  private readonly sets: Uint32Array[] = [];

  constructor(bands: number) {
    this.bands = Array.from({ length: bands }, growable);
  }

  add(keys: Uint32Array, shingles: Uint32Array): void {
    for (const [band, column] of this.bands.entries()) column.push(keys[band]!);
    this.sets.push(shingles);
  }

  bandKeys(band: number): Uint32Array {
    return this.bands[band]!.view();
  }

  shingles(document: number): Uint32Array {
    return this.sets[document]!;
  }

  close(): void {}
}

const bufferEntries = 16_384;
const cachedSets = 20_000;

/**
 * One file per band and one for the shingles. Memory holds 8 bytes per document (where its shingles are) and, while
 * comparing, the keys of one band and a bounded cache of shingle sets.
 */
export class DiskFeatureStore implements FeatureStore {
  private readonly folder: string;
  private readonly files: number[];
  private readonly shingleFile: number;
  private readonly buffers: Uint32Array[];
  private readonly starts = new GrowableNumbers<Float64Array>((length) => new Float64Array(length));
  private buffered = 0;
  private pending: Uint32Array[] = [];
  private pendingLength = 0;
  private written = 0;
  private count = 0;
  private readonly cache = new Map<number, Uint32Array>();

  constructor(directory: string, bands: number) {
    this.folder = mkdtempSync(join(directory, 'dedup-'));
    this.files = Array.from({ length: bands }, (_, band) =>
      openSync(join(this.folder, `band-${band}`), 'w+'),
    );
    this.shingleFile = openSync(join(this.folder, 'shingles'), 'w+');
    this.buffers = this.files.map(() => new Uint32Array(bufferEntries));
    this.starts.push(0);
  }

  add(keys: Uint32Array, shingles: Uint32Array): void {
    for (const [band, buffer] of this.buffers.entries()) buffer[this.buffered] = keys[band]!;
    this.buffered++;
    this.count++;
    this.pending.push(shingles);
    this.pendingLength += shingles.length;
    this.starts.push(this.written + this.pendingLength);
    if (this.buffered === bufferEntries || this.pendingLength > 1 << 20) this.flush();
  }

  bandKeys(band: number): Uint32Array {
    this.flush();
    const keys = new Uint32Array(this.count);
    readFully(this.files[band]!, keys, 0);
    return keys;
  }

  shingles(document: number): Uint32Array {
    const cached = this.cache.get(document);
    if (cached) return cached;
    this.flush();
    const start = this.starts.get(document);
    const set = new Uint32Array(this.starts.get(document + 1) - start);
    readFully(this.shingleFile, set, start * 4);
    if (this.cache.size === cachedSets) this.cache.delete(this.cache.keys().next().value!);
    this.cache.set(document, set);
    return set;
  }

  /** Removes the files. */
  close(): void {
    for (const file of [...this.files, this.shingleFile]) closeSync(file);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private flush(): void {
    if (this.buffered === 0) return;
    for (const [band, buffer] of this.buffers.entries()) {
      writeFully(this.files[band]!, buffer.subarray(0, this.buffered));
    }
    const block = new Uint32Array(this.pendingLength);
    let at = 0;
    for (const set of this.pending) {
      block.set(set, at);
      at += set.length;
    }
    writeFully(this.shingleFile, block);
    this.written += this.pendingLength;
    this.pending = [];
    this.pendingLength = 0;
    this.buffered = 0;
  }
}

function writeFully(file: number, values: Uint32Array): void {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

function readFully(file: number, values: Uint32Array, position: number): void {
  const bytes = new Uint8Array(values.buffer);
  for (let done = 0; done < bytes.length; ) {
    const got = readSync(file, bytes, done, bytes.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
}
