export { GptLineageError } from './errors.js';
