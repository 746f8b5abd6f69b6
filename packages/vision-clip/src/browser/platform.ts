import type { Platform } from '../platform/types.js';
import { openUrlFolder } from '../platform/url-folder.js';
import { composite, decodeImage, encodePng } from './canvas.js';

export const platform: Platform = {
  name: 'browser',
  decodeImage,
  composite,
  encodePng,
  openFolder: async (location) =>
    openUrlFolder(new URL(location, globalThis.document?.baseURI ?? globalThis.location.href).href),
};
