import { hasAlpha, premultiply, type RawImage, unpremultiply } from './raw-image.js';
import { simdHorizontal, simdVertical } from './resample-simd.js';

/** Pillow's resampling filters. All but `nearest` widen when shrinking, which is what antialiases. */
export type Interpolation = 'nearest' | 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos';

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const filters: Record<Exclude<Interpolation, 'nearest'>, { support: number; weight(x: number): number }> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
  bicubic: {
    support: 2,
    weight: (signed) => {
      const a = -0.5;
      const x = Math.abs(signed);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Weights are integers scaled by 2^22: 32 bits less 8 for the sample and 2 for overshoot. */
const precisionBits = 22;

/** For each output position of one axis: the first input position and the fixed-point weights from there on. */
export interface ResampleTable {
  readonly start: Int32Array;
  readonly count: Int32Array;
  /** `[outputs, taps]`, 22-bit fixed point, zero beyond `count`. */
  readonly weights: Int32Array;
  readonly taps: number;
}

/** Output positions `[first, last)` of an axis resized from `inSize` to `outSize`. */
export function resampleTable(
  inSize: number,
  outSize: number,
  interpolation: Exclude<Interpolation, 'nearest'>,
  first = 0,
  last = outSize,
): ResampleTable {
  const filter = filters[interpolation];
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const outputs = last - first;
  const start = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const weights = new Int32Array(outputs * taps);
  const exact = new Float64Array(taps);
  const inverseScale = 1 / filterScale;
  for (let output = 0; output < outputs; output++) {
    const center = (first + output + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(center - support + 0.5));
    const length = Math.min(inSize, Math.trunc(center + support + 0.5)) - begin;
    let sum = 0;
    for (let tap = 0; tap < length; tap++) {
      const weight = filter.weight((tap + begin - center + 0.5) * inverseScale);
      exact[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < length; tap++) {
      const weight = sum === 0 ? exact[tap]! : exact[tap]! / sum;
      weights[output * taps + tap] = Math.trunc(weight * 2 ** precisionBits + (weight < 0 ? -0.5 : 0.5));
    }
    start[output] = begin;
    count[output] = length;
  }
  return { start, count, weights, taps };
}

/** A rectangle of the resized image, in its pixels. Parts outside the image are not allowed. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Resizes like `PIL.Image.resize`, bit for bit: horizontal pass, clamp and round to 8 bits, vertical pass, each
 * with 22-bit fixed-point weights; alpha is premultiplied; an axis that keeps its size is skipped. Only `window`
 * of the result is computed, which makes resize-then-crop cost no more than the crop needs.
 *
 * @returns `window.width × window.height`, same channels
 */
export function resample(
  image: RawImage,
  width: number,
  height: number,
  interpolation: Interpolation = 'bicubic',
  window: Window = { left: 0, top: 0, width, height },
): RawImage {
  if (image.width === width && image.height === height) return cropRaw(image, window);
  if (interpolation === 'nearest') return nearest(image, width, height, window);
  if (hasAlpha(image)) {
    return unpremultiply(passes(premultiply(image), width, height, interpolation, window));
  }
  return passes(image, width, height, interpolation, window);
}

function passes(
  image: RawImage,
  width: number,
  height: number,
  interpolation: Exclude<Interpolation, 'nearest'>,
  window: Window,
): RawImage {
  const { channels } = image;
  const bottom = window.top + window.height;
  const rows =
    height === image.height
      ? undefined
      : resampleTable(image.height, height, interpolation, window.top, bottom);
  // Input rows that the vertical pass will look at.
  const lastOutput = window.height - 1;
  const rowBegin = rows ? rows.start[0]! : window.top;
  const rowEnd = rows ? rows.start[lastOutput]! + rows.count[lastOutput]! : bottom;

  let data: Uint8Array | Uint8ClampedArray;
  if (width === image.width) {
    data = cropRaw(image, {
      left: window.left,
      top: rowBegin,
      width: window.width,
      height: rowEnd - rowBegin,
    }).data;
  } else {
    const right = window.left + window.width;
    const columns = resampleTable(image.width, width, interpolation, window.left, right);
    data =
      simdHorizontal(image, columns, rowBegin, rowEnd) ?? horizontalPass(image, columns, rowBegin, rowEnd);
  }
  if (rows) {
    const rowBytes = window.width * channels;
    data = simdVertical(data, rows, rowBegin, rowBytes) ?? verticalPass(data, rows, rowBegin, rowBytes);
  }
  return { width: window.width, height: window.height, channels, data };
}

const half = 1 << (precisionBits - 1);

// The plain passes: what `resample-simd.ts` does where it can. Math.imul and |0 keep sums in 32-bit integers.
export function horizontalPass(
  image: RawImage,
  table: ResampleTable,
  rowBegin: number,
  rowEnd: number,
): Uint8Array {
  const { channels, data } = image;
  const { start, count, weights, taps } = table;
  const outputs = start.length;
  const out = new Uint8ClampedArray((rowEnd - rowBegin) * outputs * channels);
  let to = 0;
  for (let row = rowBegin; row < rowEnd; row++) {
    const rowStart = row * image.width * channels;
    for (let output = 0; output < outputs; output++) {
      const from = (rowStart + start[output]! * channels) | 0;
      const end = (output * taps + count[output]!) | 0;
      if (channels === 3) {
        let red = half;
        let green = half;
        let blue = half;
        for (let tap = (output * taps) | 0, at = from; tap < end; tap++, at += 3) {
          const weight = weights[tap]!;
          red = (red + Math.imul(data[at]!, weight)) | 0;
          green = (green + Math.imul(data[at + 1]!, weight)) | 0;
          blue = (blue + Math.imul(data[at + 2]!, weight)) | 0;
        }
        out[to++] = red >> precisionBits;
        out[to++] = green >> precisionBits;
        out[to++] = blue >> precisionBits;
      } else {
        for (let channel = 0; channel < channels; channel++) {
          let sum = half;
          for (let tap = output * taps, at = from + channel; tap < end; tap++, at += channels) {
            sum = (sum + Math.imul(data[at]!, weights[tap]!)) | 0;
          }
          out[to++] = sum >> precisionBits;
        }
      }
    }
  }
  return new Uint8Array(out.buffer);
}

export function verticalPass(
  data: Uint8Array | Uint8ClampedArray,
  table: ResampleTable,
  rowBegin: number,
  rowLength: number,
): Uint8Array {
  const { start, count, weights, taps } = table;
  const outputs = start.length;
  const out = new Uint8ClampedArray(outputs * rowLength);
  const sums = new Int32Array(rowLength);
  for (let output = 0; output < outputs; output++) {
    sums.fill(half);
    // Whole rows at a time: memory is read in order.
    for (let tap = 0; tap < count[output]!; tap++) {
      const weight = weights[output * taps + tap]!;
      const from = ((start[output]! - rowBegin + tap) * rowLength) | 0;
      for (let i = 0; i < rowLength; i++) sums[i] = (sums[i]! + Math.imul(data[from + i]!, weight)) | 0;
    }
    const to = output * rowLength;
    for (let i = 0; i < rowLength; i++) out[to + i] = sums[i]! >> precisionBits;
  }
  return new Uint8Array(out.buffer);
}

function nearest(image: RawImage, width: number, height: number, window: Window): RawImage {
  const { channels, data } = image;
  const columns = nearestTable(image.width, width);
  const rows = nearestTable(image.height, height);
  const out = new Uint8Array(window.width * window.height * channels);
  let to = 0;
  for (let y = window.top; y < window.top + window.height; y++) {
    for (let x = window.left; x < window.left + window.width; x++) {
      const from = (rows[y]! * image.width + columns[x]!) * channels;
      for (let channel = 0; channel < channels; channel++) out[to++] = data[from + channel]!;
    }
  }
  return { width: window.width, height: window.height, channels, data: out };
}

/** Pillow steps by repeated addition; multiplying instead would differ in the last bit. */
function nearestTable(inSize: number, outSize: number): Int32Array {
  const step = inSize / outSize;
  const table = new Int32Array(outSize);
  let position = step * 0.5;
  for (let output = 0; output < outSize; output++) {
    table[output] = Math.min(inSize - 1, Math.floor(position));
    position += step;
  }
  return table;
}

function cropRaw(image: RawImage, window: Window): RawImage {
  const { channels, data } = image;
  const { left, top, width, height } = window;
  if (left === 0 && top === 0 && width === image.width && height === image.height) return image;
  const out = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row++) {
    const from = ((top + row) * image.width + left) * channels;
    out.set(data.subarray(from, from + width * channels), row * width * channels);
  }
  return { width, height, channels, data: out };
}
