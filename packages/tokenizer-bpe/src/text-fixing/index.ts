export { fixText } from './fix-text.js';
export { unescapeHtml } from './html-entities.js';
