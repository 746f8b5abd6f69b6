/** GPT-2's encoding is r50k_base under its first name. */
export { r50k_base as gpt2 } from './r50k_base.js';
