import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ByteTokenizer, CharacterTokenizer, GPT, initCompute, type Tokenizer } from '@gpt-lineage/gpt-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type RunningServer, startServer } from '../../src/server/app.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const candidates = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

export const webRoot = here('../../dist/web');
const executablePath = candidates.find((path) => path && existsSync(path));

/** Why the pages cannot be tested here; `undefined` when they can. */
export const obstacle = !executablePath
  ? 'no Chromium found; install one or set CHROMIUM_PATH'
  : !existsSync(join(webRoot, 'index.html'))
    ? 'the web app is not built; run pnpm --filter @gpt-lineage/demo build'
    : undefined;

if (obstacle) console.warn(`tests of the web app skipped: ${obstacle}`);

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface Violation {
  readonly id: string;
  readonly nodes: readonly string[];
}

/** The app as users get it: the real server with real checkpoints, and a browser. */
export class WebApp {
  readonly server: RunningServer;
  readonly browser: Browser;
  readonly #folder: string;

  private constructor(server: RunningServer, browser: Browser, folder: string) {
    this.server = server;
    this.browser = browser;
    this.#folder = folder;
  }

  static async start(): Promise<WebApp> {
    await initCompute();
    const folder = await mkdtemp(join(tmpdir(), 'gpt-demo-web-'));
    const random = async (name: string, tokenizer: Tokenizer, contextLength: number) => {
      const shape = { vocabSize: tokenizer.vocabSize, contextLength, nLayer: 1, nHead: 2, nEmbd: 16 };
      const model = GPT.create(shape, { seed: 1, tokenizer });
      await model.save(join(folder, name));
      model.dispose();
    };
    await random('random-bytes', new ByteTokenizer(), 256);
    // Has no token that ends a text: it writes as long as it may.
    const ascii = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at));
    await random('endless', new CharacterTokenizer(['\n', ...ascii]), 4096);
    const checkpoint = (name: string) => here(`../../checkpoints/${name}`);
    const server = await startServer({
      models: [
        { path: checkpoint('shakespeare-char'), name: 'shakespeare-char' },
        { path: checkpoint('shakespeare-char'), name: 'shakespeare-again' },
        { path: checkpoint('clip-emoji'), name: 'clip-emoji' },
        { path: join(folder, 'random-bytes'), name: 'random-bytes' },
        { path: join(folder, 'endless'), name: 'endless-one' },
        { path: join(folder, 'endless'), name: 'endless-two' },
      ],
      port: 0,
      logLevel: 'silent',
      webRoot,
      runsRoot: join(folder, 'runs'),
    });
    const browser = await chromium.launch({
      executablePath: executablePath!,
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    return new WebApp(server, browser, folder);
  }

  /** A page with a memory of its own; what it complains of is collected. */
  async open(path: string, options: BrowserContextOptions = {}): Promise<{ page: Page; problems: string[] }> {
    const context = await this.browser.newContext({
      viewport: { width: 1280, height: 860 },
      serviceWorkers: 'block',
      reducedMotion: 'reduce',
      ...options,
    });
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(`${message.text()} (${message.location().url})`);
    });
    await page.goto(`${this.server.url}/#${path}`);
    await page.locator('h1').first().waitFor({ state: 'attached' });
    return { page, problems };
  }

  async closePages(): Promise<void> {
    for (const context of this.browser.contexts()) await context.close();
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.close(500);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Rules of WCAG 2.1, levels A and AA, that a page breaks. */
export async function violations(page: Page): Promise<Violation[]> {
  // Through the debugger: the page's content security policy allows no foreign scripts.
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
      };
    };
    const { violations } = await axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
    });
    return violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html.slice(0, 200)) }));
  });
}
