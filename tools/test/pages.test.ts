import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (page: string) => readFileSync(join(root, page), 'utf8');
const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((page) => page !== '' && !page.includes('/fixtures/') && !page.startsWith('.changeset/'));

describe('pages', () => {
  it.each(pages)('%s links to files that are there', (page) => {
    const text = read(page).replaceAll(/```[\s\S]*?```/g, '');
    const broken = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !/^[a-z]+:/.test(target) && !target.startsWith('/'))
      .filter(
        (target) => ![target, `${target}.md`].some((file) => existsSync(join(root, dirname(page), file))),
      );
    // Written when the site is built.
    expect(broken.filter((target) => !/comparison|api\//.test(target))).toEqual([]);
  });

  it('RELIABILITY.md names tests that are there', () => {
    const files = [...read('RELIABILITY.md').matchAll(/`((?:packages|apps|tools)\/[^`]+)`/g)].map(
      (match) => match[1]!,
    );
    expect(files.length).toBeGreaterThan(10);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
