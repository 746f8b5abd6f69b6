import type { RawImage } from '../preprocess/raw-image.js';

/** A path (Node), a URL, or the bytes of an image file. */
export type ImageSource = string | URL | Uint8Array | ArrayBuffer | Blob;

export interface DecodeOptions {
  /** Refuse images with more pixels than this, before decoding. Default 100,000,000. */
  readonly maxPixels?: number;
  /** Refuse files with more bytes than this. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Turn the image as its EXIF orientation says. Pillow does not unless asked. Default `true`. */
  readonly autoOrient?: boolean;
  /** Give up after this many seconds (Node only). Default 20. */
  readonly timeoutSeconds?: number;
}

/** What differs between Node and the browser. */
export interface Platform {
  readonly name: 'node' | 'browser';
  /** First frame of an image file as 8-bit RGB, or RGBA where the file has alpha. @throws {ImageError} */
  decodeImage(source: ImageSource, options?: DecodeOptions): Promise<RawImage>;
  /** Draws an SVG of the image's size over it. */
  composite(image: RawImage, svg: string): Promise<RawImage>;
  encodePng(image: RawImage): Promise<Uint8Array>;
  /** Opens a model folder: a path in Node, a URL anywhere. */
  openFolder(location: string | URL): Promise<Folder>;
}

/** The contents of a file. */
export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A folder of model files. */
export interface Folder {
  readonly location: string;
  /** `undefined` when there is no such file. */
  readText(name: string): Promise<string | undefined>;
  readBytes(name: string): Promise<Uint8Array | undefined>;
  openSource(name: string): Promise<import('../safetensors/byte-source.js').ByteSource | undefined>;
  /**
   * Writes files by name and takes others away: all of it or nothing, also for a process that is killed meanwhile.
   *
   * @throws where it cannot write
   */
  save(files: ReadonlyMap<string, Chunks>, removals?: readonly string[]): Promise<void>;
}
