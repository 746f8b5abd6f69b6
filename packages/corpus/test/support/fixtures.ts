import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export const fixtures = join(import.meta.dirname, '..', 'fixtures', 'corpus');

export const fixtureText = (name: string): string =>
  gunzipSync(readFileSync(join(fixtures, name))).toString('utf8');

export function fixtureRecords<T = { id: string; text: string }>(name: string): T[] {
  return fixtureText(name)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}
