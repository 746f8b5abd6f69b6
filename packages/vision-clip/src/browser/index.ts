export { composite, decodeImage, encodePng } from './canvas.js';
