export { atomicWrite } from './atomic-write.js';
export { composite, encodePng } from './compose.js';
export { decodeImage } from './decode.js';
export { openFolder } from './folder.js';
