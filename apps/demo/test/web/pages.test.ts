import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { obstacle, violations, WebApp, webRoot } from './support.js';

const paths = ['/', '/tokenizer', '/attention', '/training', '/alignment', '/vision', '/evaluation'];

describe.skipIf(obstacle)('every page', () => {
  let app: WebApp;
  beforeAll(async () => {
    app = await WebApp.start();
  });
  afterEach(() => app?.closePages());
  afterAll(() => app?.close());

  it('keeps the first load small and everything on this machine', () => {
    const html = readFileSync(join(webRoot, 'index.html'), 'utf8');
    const first = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.js)"/g)].map((match) => match[1]!);
    expect(first.length).toBeGreaterThan(0);
    const chat = readdirSync(join(webRoot, 'assets')).filter((name) => /^chat-page-.*\.js$/.test(name));
    const files = [...new Set([...first, ...chat.map((name) => `assets/${name}`)])];
    const size = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(webRoot, file))).length, 0);
    expect(size).toBeLessThan(350_000);
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });

  it.each(paths)('%s is accessible in both themes, fits a phone, and complains of nothing', async (path) => {
    const { page, problems } = await app.open(path, { colorScheme: 'light' });
    await page.getByText('models on the server').first().waitFor();
    await page.locator('main h1').waitFor({ state: 'attached' });
    expect(await violations(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 375, height: 740 });
    const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
    // Charts follow the new width a frame or two later.
    await expect.poll(() => page.evaluate(overflow), { timeout: 5000 }).toBeLessThanOrEqual(0);
    expect(problems).toEqual([]);
  });

  it('is walked with the keyboard, and with a drawer on a phone', async () => {
    const { page, problems } = await app.open('/');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the page');
    await page.getByRole('link', { name: 'Tokenizer' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Tokenizer playground' }).waitFor();
    expect(await page.title()).toBe('Tokenizer · GPT Lineage');
    await page.getByRole('radio', { name: 'Dark theme' }).first().check({ force: true });
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
    await page.reload();
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
    await page.setViewportSize({ width: 375, height: 740 });
    await page.getByRole('button', { name: 'Open the menu' }).click();
    await page.getByRole('dialog').getByRole('link', { name: 'Vision' }).click();
    await page.getByRole('heading', { name: 'Vision' }).waitFor();
    expect(problems).toEqual([]);
  });
});
