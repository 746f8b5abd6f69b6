// Pictures for the README: pnpm --filter @gpt-lineage/demo screenshots
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { obstacle, WebApp } from './support.js';

const out = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));

interface Shot {
  readonly path: string;
  readonly dark?: boolean;
  readonly prepare: (page: Page) => Promise<void>;
}

const shots: Readonly<Record<string, Shot>> = {
  chat: {
    path: '/',
    prepare: async (page) => {
      await page.getByLabel('What is sent').selectOption('completion');
      await page.getByLabel('Text to continue').fill('ROMEO:\n');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.locator('.answer[data-status="done"]').first().waitFor();
      await page.getByRole('radio', { name: 'Tokens' }).check({ force: true });
      await page.locator('.answer .token').nth(7).hover();
      await page.locator('.alternatives li').nth(4).waitFor();
    },
  },
  tokenizer: {
    path: '/tokenizer',
    prepare: async (page) => {
      await page.getByRole('button', { name: 'Languages' }).click();
      await page.getByTestId('count-o200k_base').waitFor();
      await page.locator('.token').nth(12).hover();
    },
  },
  attention: {
    path: '/attention',
    dark: true,
    prepare: async (page) => {
      await page.getByLabel('Attention pattern').selectOption('strided');
      await page.locator('.head-grid-name .mono', { hasText: 'strided' }).first().waitFor();
      await page.getByRole('button', { name: 'Layer 2, head 2' }).click();
      await page.getByRole('region', { name: 'Layer 2, head 2, step by step' }).waitFor();
      await page.evaluate(() => scrollTo(0, 330));
    },
  },
  training: {
    path: '/training',
    prepare: async (page) => {
      for (const pattern of ['dense', 'dense banded(16)']) {
        await page.getByLabel('Attention', { exact: true }).selectOption(pattern);
        await page.getByLabel('Steps', { exact: true }).fill('120');
        await page.getByRole('button', { name: 'Start the run' }).click();
      }
      await page.getByText('finished').nth(1).waitFor();
    },
  },
  alignment: {
    path: '/alignment',
    dark: true,
    prepare: async (page) => {
      await page.getByRole('radio', { name: 'PPO and rules' }).check({ force: true });
      await page.getByRole('slider', { name: 'Iterations' }).fill('12');
      await page.getByRole('button', { name: 'Run PPO' }).click();
      await page.getByText('The same prompt before and after').waitFor();
    },
  },
  vision: {
    path: '/vision',
    prepare: async (page) => {
      await page.getByText('640 pictures encoded').waitFor();
      await page.getByRole('button', { name: 'a red heart' }).click();
      await page.getByText(/Nearest to/).waitFor();
    },
  },
  evaluation: { path: '/evaluation', prepare: async () => {} },
};

if (obstacle) throw new Error(obstacle);
mkdirSync(out, { recursive: true });
const app = await WebApp.start();
for (const [name, { path, dark, prepare }] of Object.entries(shots)) {
  const { page } = await app.open(path, { colorScheme: dark ? 'dark' : 'light' });
  page.setDefaultTimeout(180_000);
  await prepare(page);
  await page.screenshot({ path: `${out}${name}.jpg`, type: 'jpeg', quality: 78 });
  console.log(`docs/screenshots/${name}.jpg`);
  await app.closePages();
}
await app.close();
process.exit(0);
