import type { Platform } from '../platform/types.js';
import { composite, encodePng } from './compose.js';
import { decodeImage } from './decode.js';
import { openFolder } from './folder.js';

export const platform: Platform = { name: 'node', decodeImage, composite, encodePng, openFolder };
