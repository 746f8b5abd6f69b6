// Builds the page and, where Chromium is installed, opens it and waits until the text stands there.
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';

const root = import.meta.dirname;
const common = { root, configFile: false, logLevel: 'error', build: { target: 'esnext', outDir: 'dist' } };
await build(common);
const executablePath = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);
if (!executablePath) {
  console.log('page skipped: no Chromium found; install one or set CHROMIUM_PATH');
} else {
  const server = await preview({ ...common, preview: { port: 0, host: '127.0.0.1' } });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(`in the page: ${error}`));
    await page.goto(server.resolvedUrls.local[0]);
    await page.waitForFunction(() => document.title === 'done', undefined, { timeout: 90_000 });
    console.log(await page.textContent('#text'));
    console.log(await page.textContent('#rate'));
  } finally {
    await browser.close();
    await server.close();
  }
}
await rm(`${root}/dist`, { recursive: true, force: true });
