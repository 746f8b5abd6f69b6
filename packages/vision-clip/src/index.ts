export { SafetensorsError } from './safetensors/errors.js';
