import type { RawImage } from './raw-image.js';
import type { ResampleTable } from './resample.js';

/** Exports of `resample-simd.wat`. Pointers are byte offsets into `memory`. */
interface ResampleModule {
  memory: WebAssembly.Memory;
  horizontal(
    from: number,
    rowBytes: number,
    rows: number,
    starts: number,
    counts: number,
    weights: number,
    taps: number,
    outputs: number,
    channels: number,
    out: number,
  ): void;
  vertical(from: number, rowBytes: number, weights: number, count: number, out: number): void;
}

/** `resample-simd.wat`, by wat2wasm. */
const binary = [
  'AGFzbQEAAAABFgJgCn9/f39/f39/f38AYAV/f39/fwADAwIAAQUDAQACByIDBm1lbW9yeQIACmhvcml6b250YWwAAAh2ZXJ0aWNhbAABCuUD',
  'AuMBAgR/AXsCQANAIAJBAEwNAUEAIQoCQANAIAogB04NASAAIAggAyAKQQJ0aigCAGxqIQsgBSAKIAZsQQJ0aiEMIAwgBCAKQQJ0aigCAEEC',
  'dGohDf0MAAAgAAAAIAAAACAAAAAgACEOAkADQCAMIA1PDQEgDiAM/QkCACAL/VwCAP2JAf2pAf21Af2uASEOIAsgCGohCyAMQQRqIQwMAAsL',
  'IA5BFv2sASEOIA4gDv2FASEOIAkgDiAO/Wb9WgIAACAJIAhqIQkgCkEBaiEKDAALCyAAIAFqIQAgAkEBayECDAALCwv9AQIEfwh7IAIgA0EC',
  'dGohCAJAA0AgBSABTg0B/QwAACAAAAAgAAAAIAAAACAAIQ0gDSEOIA0hDyANIRAgACAFaiEGIAIhBwJAA0AgByAITw0BIAf9CQIAIQkgBv0A',
  'BAAhCiAK/YkBIQsgCv2KASEMIA0gCSAL/akB/bUB/a4BIQ0gDiAJIAv9qgH9tQH9rgEhDiAPIAkgDP2pAf21Af2uASEPIBAgCSAM/aoB/bUB',
  '/a4BIRAgBiABaiEGIAdBBGohBwwACwsgBCAFaiANQRb9rAEgDkEW/awB/YUBIA9BFv2sASAQQRb9rAH9hQH9Zv0LBAAgBUEQaiEFDAALCws=',
].join('');

/** Rows are handed over in bands of about this many bytes. */
const bandBytes = 1 << 20;
/** Above this the plain loops work in place: WebAssembly's memory never shrinks. */
const maxBytes = 1 << 24;
/** Loads and stores reach this far beyond the last sample. */
const slack = 16;

let instance: ResampleModule | null | undefined;

/** The compiled passes; null where WebAssembly has no SIMD or may not be compiled. */
function resampleModule(): ResampleModule | null {
  if (instance === undefined) {
    try {
      const bytes = Uint8Array.from(atob(binary), (letter) => letter.charCodeAt(0));
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
      instance = exports as unknown as ResampleModule;
    } catch {
      instance = null;
    }
  }
  return instance;
}

/** Memory of at least `bytes`. */
function memoryOf({ memory }: ResampleModule, bytes: number): Uint8Array {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65_536));
  return new Uint8Array(memory.buffer);
}

/** Copies arrays to the front of the memory. @returns their places, and where the rest begins */
function place(memory: Uint8Array, ...arrays: readonly Int32Array[]): number[] {
  const words = new Int32Array(memory.buffer);
  let at = 0;
  const places = arrays.map((array) => {
    words.set(array, at);
    at += array.length;
    return (at - array.length) * 4;
  });
  return [...places, at * 4];
}

/**
 * Rows `[rowBegin, rowEnd)` of an image, resized along the row.
 *
 * @returns undefined where the plain loop has to do it
 */
export function simdHorizontal(
  { data, width, channels }: RawImage,
  { start, count, weights, taps }: ResampleTable,
  rowBegin: number,
  rowEnd: number,
): Uint8Array | undefined {
  const module = resampleModule();
  const rowBytes = width * channels;
  const outBytes = start.length * channels;
  const rows = Math.min(rowEnd - rowBegin, Math.max(1, Math.floor(bandBytes / rowBytes)));
  const needed = 8 * start.length + 4 * weights.length + rows * (rowBytes + outBytes) + 2 * slack;
  if (module === null || needed > maxBytes) return undefined;
  const memory = memoryOf(module, needed);
  const [starts, counts, factors, from] = place(memory, start, count, weights) as [
    number,
    number,
    number,
    number,
  ];
  const to = from + rows * rowBytes + slack;
  const out = new Uint8Array((rowEnd - rowBegin) * outBytes);
  for (let row = rowBegin; row < rowEnd; row += rows) {
    const band = Math.min(rows, rowEnd - row);
    memory.set(data.subarray(row * rowBytes, (row + band) * rowBytes), from);
    module.horizontal(from, rowBytes, band, starts, counts, factors, taps, start.length, channels, to);
    out.set(memory.subarray(to, to + band * outBytes), (row - rowBegin) * outBytes);
  }
  return out;
}

/**
 * Rows of `rowBytes` samples, the first of them row `rowBegin` of the image, resized across rows.
 *
 * @returns undefined where the plain loop has to do it
 */
export function simdVertical(
  data: Uint8Array | Uint8ClampedArray,
  { start, count, weights, taps }: ResampleTable,
  rowBegin: number,
  rowBytes: number,
): Uint8Array | undefined {
  const module = resampleModule();
  const outBytes = start.length * rowBytes;
  const needed = 4 * weights.length + data.length + outBytes + 2 * slack;
  if (module === null || needed > maxBytes) return undefined;
  const memory = memoryOf(module, needed);
  const [factors, from] = place(memory, weights) as [number, number];
  const to = from + data.length + slack;
  memory.set(data, from);
  for (let output = 0; output < start.length; output++) {
    const first = from + (start[output]! - rowBegin) * rowBytes;
    module.vertical(first, rowBytes, factors + 4 * output * taps, count[output]!, to + output * rowBytes);
  }
  return memory.slice(to, to + outBytes);
}
