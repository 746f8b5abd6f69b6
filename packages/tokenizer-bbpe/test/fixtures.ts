import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** The text of a compressed fixture. */
export function fixtureText(name: string): string {
  return gunzipSync(readFileSync(new URL(`./fixtures/${name}.gz`, import.meta.url))).toString('utf8');
}

/** The objects of a compressed JSON Lines fixture. */
export function fixtureLines<T>(name: string): T[] {
  return fixtureText(`${name}.jsonl`)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** What UTF-8 makes of a string: lone surrogates become U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udfff]/gu, '\ufffd');
}
