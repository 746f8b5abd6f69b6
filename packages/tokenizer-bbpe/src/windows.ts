import { codePointClasses, LETTER, NUMBER, OTHER, SPACE } from './scanners/character-classes.js';

/** Long texts are encoded by windows of about this many UTF-16 units, so that work space stays in the cache. */
export const WINDOW = 1 << 15;

/**
 * A place at or before `end`, after `start`, where every built-in pattern cuts whatever stands around it: after a
 * letter or number, before white space or a symbol (not an apostrophe, which may begin a contraction, nor a mark).
 * When there is none, the window grows.
 */
export function windowEnd(text: string, start: number, size: number): number {
  const classes = codePointClasses();
  const { length } = text;
  for (let wanted = size; start + wanted < length; wanted *= 2) {
    for (let at = start + wanted; at > start + (wanted >> 1); at--) {
      const code = text.charCodeAt(at);
      if ((classes[code]! & (SPACE | OTHER)) === 0 || code === 0x27 || isSurrogate(code)) {
        if (code !== 10 && code !== 13) continue;
      }
      const before = text.charCodeAt(at - 1);
      if ((classes[before]! & (LETTER | NUMBER)) !== 0 && !isSurrogate(before)) return at;
    }
  }
  return length;
}

function isSurrogate(code: number): boolean {
  return (code & 0xf800) === 0xd800;
}
