import { getEncoding } from '@gpt-lineage/tokenizer-bbpe';
import { encodePng } from '@gpt-lineage/vision-clip';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { obstacle, violations, WebApp } from './support.js';

describe.skipIf(obstacle)('what the pages do, with real models', () => {
  let app: WebApp;
  beforeAll(async () => {
    app = await WebApp.start();
  });
  afterEach(() => app?.closePages());
  afterAll(() => app?.close());

  it('chats: streams, shows probabilities, regenerates, edits, compares models, and runs in the browser', async () => {
    const { page, problems } = await app.open('/');
    await page.getByRole('button', { name: 'Settings' }).waitFor();
    await page.getByLabel('What is sent').selectOption('completion');
    await page.getByLabel('Tokens at most').fill('24');
    await page.getByRole('slider', { name: 'Temperature' }).fill('0');
    const field = page.getByLabel('Text to continue');
    await field.fill('ROMEO:\n');
    await page.getByRole('button', { name: 'Send' }).click();
    const answers = page.locator('.answer[data-status="done"]');
    await answers.first().waitFor();
    const onServer = await page.getByTestId('answer-text').first().textContent();
    expect(onServer!.length).toBeGreaterThan(10);
    await page
      .getByText(/tokens\/s/)
      .first()
      .waitFor();

    // Every token with its alternatives.
    await page.getByRole('radio', { name: 'Tokens' }).check({ force: true });
    await page.locator('.answer .token').first().hover();
    await page.locator('.alternatives li').nth(4).waitFor();
    expect(await page.locator('.answer .token').count()).toBe(24);
    expect(await violations(page)).toEqual([]);
    await page.getByRole('radio', { name: 'Text' }).check({ force: true });

    // Another answer, and back.
    await page.getByRole('button', { name: /^Another answer/ }).click();
    await page.getByText('2/2').waitFor();
    await page.getByRole('button', { name: 'Answer before' }).click();
    await page.getByText('1/2').waitFor();

    // The same model in a worker of the browser says the same.
    await page.getByRole('button', { name: 'Begin a new dialogue' }).click();
    await page.getByLabel('Where the model runs').selectOption('wasm');
    await field.fill('ROMEO:\n');
    await page.getByRole('button', { name: 'Send' }).click();
    await answers.first().waitFor();
    expect(await page.getByTestId('answer-text').first().textContent()).toBe(onServer);
    await page.locator('.answer .chip', { hasText: 'wasm' }).waitFor();

    // Two side by side; then another question in place of the first.
    await page.getByLabel('Where the model runs').selectOption('server');
    const picker = page.getByRole('group', { name: 'Models that answer, side by side' });
    await picker.getByRole('button', { name: /Shakespeare/, pressed: false }).click();
    await page.getByRole('button', { name: 'Change the message' }).click();
    await page.getByLabel('Change the message').fill('JULIET:\n');
    await page.getByRole('button', { name: 'Ask again' }).click();
    await answers.nth(1).waitFor();
    expect(await page.locator('.turn').count()).toBe(1);
    expect(await page.locator('.question').textContent()).toContain('JULIET');

    // Two that never end by themselves, stopped in the middle.
    for (const name of [/endless-one/, /endless-two/]) await picker.getByRole('button', { name }).click();
    const shakespeare = picker.getByRole('button', { name: /Shakespeare/, pressed: true });
    await shakespeare.first().click();
    await shakespeare.click();
    await page.getByLabel('Tokens at most').fill('2000');
    await field.fill('To be');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.turn').nth(1).locator('.answer[data-status="streaming"]').nth(1).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.locator('.answer[data-status="stopped"]').nth(1).waitFor();

    // Kept over a reload, saved as a file.
    await page.reload();
    await page.locator('.turn').nth(1).waitFor();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save the dialogue' }).click();
    await page.getByRole('menuitem', { name: 'As Markdown' }).click();
    expect((await download).suggestedFilename()).toBe('dialogue.md');
    expect(problems).toEqual([]);
  });

  it('takes an image, and draws marks into it', async () => {
    const { page, problems } = await app.open('/');
    const png = await encodePng({
      width: 96,
      height: 64,
      channels: 3,
      data: Uint8Array.from({ length: 96 * 64 * 3 }, (_, i) => (i * 7) % 251),
    });
    await page
      .locator('form.composer input[type="file"]')
      .setInputFiles({ name: 'square.png', mimeType: 'image/png', buffer: Buffer.from(png) });
    await page.getByRole('button', { name: 'Draw marks on square.png' }).click();
    const before = await page.locator('.thumbnail img').getAttribute('src');
    const canvas = page.getByRole('application', { name: 'Drag to draw a mark' });
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + box.height / 2, { steps: 4 });
    await page.mouse.up();
    await page.getByText('1 mark', { exact: true }).waitFor();
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Draw into the image' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await page.locator('.thumbnail img').getAttribute('src')).not.toBe(before);
    expect(problems).toEqual([]);
  });

  it('compares tokenizers, steps through merges, and trains a vocabulary', async () => {
    const { page, problems } = await app.open('/tokenizer');
    const text = 'Tokenizers are fun. 你好 👋';
    await page.getByLabel('Text to encode').fill(text);
    for (const name of ['gpt2', 'o200k_base'] as const) {
      const expected = (await getEncoding(name)).count(text);
      await page
        .getByTestId(`count-${name}`)
        .filter({ hasText: String(expected) })
        .waitFor();
    }
    await page.getByRole('radio', { name: 'Bytes' }).check({ force: true });
    await page.locator('.token', { hasText: 'e4 bd' }).first().waitFor();
    await page.getByRole('button', { name: 'Tokenizers', exact: true }).click();
    await page.getByText(/Next: merge/).waitFor();
    await page.getByRole('slider', { name: 'Merges done' }).press('End');
    await page.getByText(/No rule is left/).waitFor();

    await page.getByRole('slider', { name: 'Vocabulary size' }).fill('400');
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await page.getByText(/merges learned in/).waitFor();
    await page.getByTestId('count-BBPE of this page').waitFor();
    expect(await page.locator('.merge-list li').count()).toBe(144);
    expect(await violations(page)).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('explains attention under every pattern, with numbers that are the model’s own', async () => {
    const { page, problems } = await app.open('/attention');
    const deviation = page.getByTestId('deviation');
    await deviation.waitFor();
    const layers = page.locator('.head-grid-name .mono');
    for (const [kind, shown] of [
      ['banded', 'banded(6)'],
      ['strided', 'strided(6)'],
      ['fixed', 'fixed(6,2)'],
      ['topk', 'topk(6)'],
      ['recurrent', 'recurrent(6, memory 2)'],
    ] as const) {
      await page.getByLabel('Attention pattern').selectOption(kind);
      await layers.filter({ hasText: shown }).first().waitFor();
    }
    await page.getByLabel('Attention pattern').selectOption('dense');
    await layers.filter({ hasText: 'dense' }).first().waitFor();
    await page.getByRole('button', { name: 'Layer 2, head 3' }).click();
    await page.getByRole('region', { name: 'Layer 2, head 3, step by step' }).waitFor();
    const within = /within (\S+)/.exec((await deviation.textContent())!)?.[1] ?? '0';
    expect(Number(within)).toBeLessThan(1e-3);
    // Top-k of one leaves one token.
    await page.getByRole('region', { name: 'The next token' }).getByLabel('Top-k').fill('1');
    expect(await page.locator('tr[data-cut]').count()).toBe(11);
    expect(await violations(page)).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('trains in the page: pause, go on, finish, write; and compares with a second run', async () => {
    const { page, problems } = await app.open('/training');
    await page.getByRole('slider', { name: 'Layers' }).fill('1');
    await page.getByRole('slider', { name: 'Width' }).fill('32');
    await page.getByRole('slider', { name: 'Context' }).fill('16');
    await page.getByLabel('Steps', { exact: true }).fill('40');
    await page.getByLabel('Rows a step').fill('4');
    await page.getByRole('button', { name: 'Start the run' }).click();
    const run = page.getByRole('listitem', { name: 'Run 1' });
    await run.getByRole('button', { name: 'Pause Run 1' }).click();
    await run.getByText('paused').waitFor();
    await run.getByRole('button', { name: 'Go on with Run 1' }).click();
    await run.getByText('finished').waitFor();
    await run.getByText(/step 40 of 40/).waitFor();
    await page.getByText('after step 40').waitFor();
    await page.getByRole('button', { name: 'Write' }).click();
    await page.locator('pre.sample', { hasText: 'Alice was' }).waitFor();
    await page.getByLabel('What', { exact: true }).selectOption('lora');
    await page.getByLabel('Steps', { exact: true }).fill('3');
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.getByRole('listitem', { name: 'Run 2' }).getByText('finished').waitFor();
    await page.getByRole('img', { name: /Loss, nats per token\. Run 1: .*Run 2: / }).waitFor();
    expect(await violations(page)).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('ranks answers by hand, learns a reward, runs PPO on rules', async () => {
    const { page, problems } = await app.open('/alignment');
    await page.getByLabel('Model', { exact: true }).selectOption('shakespeare-char');
    await page.getByLabel('Prompt', { exact: true }).fill('ROMEO:');
    await page.getByRole('slider', { name: 'Answers (K)' }).fill('3');
    await page.getByRole('button', { name: 'Write answers' }).click();
    const rows = page.locator('.ranking-row');
    await rows.nth(2).waitFor();
    const last = await rows.nth(2).locator('p').textContent();
    await page.getByRole('button', { name: 'Move answer 3 up' }).click();
    expect(await rows.nth(1).locator('p').textContent()).toBe(last);
    await page.getByRole('button', { name: 'Move answer 2 up' }).click();
    expect(await rows.nth(0).locator('p').textContent()).toBe(last);
    await page.getByRole('button', { name: 'Keep this ranking' }).click();
    await page.getByText('1 ranking kept').waitFor();
    await page.getByRole('button', { name: 'Train the reward model' }).click();
    await page.getByText('After step 20: 100 % of the pairs stand in your order.').waitFor();

    await page.getByRole('radio', { name: 'PPO and rules' }).check({ force: true });
    await page.getByRole('slider', { name: 'Iterations' }).fill('2');
    await page.getByRole('slider', { name: 'Episodes each' }).fill('4');
    await page.getByRole('slider', { name: 'Tokens an answer' }).fill('8');
    await page.getByRole('button', { name: 'Run PPO' }).click();
    await page.getByTestId('ppo-iterations').filter({ hasText: '2 iterations' }).waitFor();
    await page.getByText('The same prompt before and after').waitFor();
    expect(await violations(page)).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('searches pictures, names one, and shows similarities', async () => {
    const { page, problems } = await app.open('/vision');
    await page.getByText('640 pictures encoded').waitFor();
    await page.getByRole('button', { name: 'a red heart' }).click();
    await page.getByText(/Nearest to “a red heart”/).waitFor();
    const found = await page.locator('.gallery-name').allTextContents();
    expect(found.length).toBe(24);
    expect(found.slice(0, 8).join(' ')).toMatch(/heart/);
    expect(await violations(page)).toEqual([]);

    await page.getByRole('radio', { name: 'Zero-shot' }).check({ force: true });
    await page.getByRole('button', { name: 'Classify' }).click();
    const names = page.getByRole('list', { name: 'Names by probability' }).getByRole('listitem');
    await names.nth(7).waitFor();

    await page.getByRole('radio', { name: 'Similarity' }).check({ force: true });
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.locator('.similarity td.number', { hasText: /\d/ }).nth(35).waitFor();
    expect(problems).toEqual([]);
  });

  it('evaluates a model on the server and shows the numbers', async () => {
    const { page, problems } = await app.open('/evaluation');
    await page.getByLabel('random-bytes').check();
    await page
      .getByLabel(/^Shakespeare/)
      .first()
      .uncheck();
    await page.getByLabel('LAMBADA: the last word').uncheck();
    await page.getByLabel('Two-digit sums').check();
    await page.getByLabel('Items per task').fill('2');
    await page.getByRole('button', { name: 'Evaluate' }).click();
    await page.getByRole('cell', { name: 'arithmetic_2da' }).first().waitFor({ timeout: 120_000 });
    expect(await violations(page)).toEqual([]);
    expect(problems).toEqual([]);
  });
});
