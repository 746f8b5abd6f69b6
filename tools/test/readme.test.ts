import { describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript
import { asCommonJS, examplesOf, firstExample } from '../lib/readme.mjs';

describe('examples of a README', () => {
  it('are the blocks fenced as ts run', () => {
    const page = 'a\n```ts run\none();\n```\n```ts\nnot();\n```\n```ts run\ntwo();\n```\n';
    expect(examplesOf(page)).toEqual(['one();\n', 'two();\n']);
    expect(firstExample(page)).toBe('one();\n');
    expect(firstExample('nothing')).toBeUndefined();
  });

  it('become CommonJS that awaits', async () => {
    const code = [
      "import * as path from 'node:path';",
      "import { join as glue,\n  sep } from 'node:path';",
      "import fs, { existsSync } from 'node:fs';",
      'out.push(await Promise.resolve(glue("a", "b")), sep, path.sep, fs.existsSync === existsSync);',
    ].join('\n');
    const out: unknown[] = [];
    const { createRequire } = await import('node:module');
    const run = new Function('require', 'out', `return ${asCommonJS(code)}`);
    await run(createRequire(import.meta.url), out);
    expect(out).toEqual(['a/b', '/', '/', true].map((x) => (x === '/' ? expect.stringMatching(/[\\/]/) : x)));
  });
});
