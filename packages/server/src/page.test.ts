// The page in a browser: it writes, searches, and looks at pictures. Needs a Chromium (CHROME_PATH, or an installed one).
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen, openServed, type OpenServed, type RunningServer } from './index.ts';

const chrome = [
  process.env['CHROME_PATH'],
  ...['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find((path) => path && existsSync(path));
const models = (name: string): string => fileURLToPath(new URL(`../../../models/${name}`, import.meta.url));
const place = (id: string): { id: string; path: string } => ({ id, path: models(id) });
// What is looked at of an element; the tests' types know no browser.
interface Styled {
  readonly dataset: Record<string, string>;
  readonly style: { getPropertyValue(name: string): string };
}
// A folder for screenshots, to look at.
const shots = process.env['SCREENSHOTS'];

describe.skipIf(!chrome)('the page in Chromium (needs one)', () => {
  let served: OpenServed;
  let server: RunningServer;
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];
  beforeAll(async () => {
    served = await openServed({
      ...{ language: place('shakespeare'), embeddings: place('sentences'), images: place('digits') },
    });
    server = await listen(served, { port: 0, apiKey: 'k', grace: 100 });
    browser = await chromium.launch({ executablePath: chrome!, args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 900, height: 760 } });
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        errors.push(message.text());
    });
    await page.goto(server.url);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await served.dispose();
  });
  const shot = async (name: string): Promise<void> => {
    if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
  };

  test('without the key it says what is missing', async () => {
    await page.click('#go');
    await page.waitForSelector('#write-note.bad');
    expect(await page.textContent('#write-note')).toContain('No API key given');
    await page.fill('#key', 'k');
  });

  test('a text is written, each token coloured by its probability, with alternatives on hover', async () => {
    await page.fill('#tokens', '60');
    await page.fill('#seed', '7');
    await page.click('#go');
    await page.waitForSelector('#write-note:has-text("60 tokens")');
    const tokens = await page.$$eval('#text [data-p]', (all) =>
      (all as unknown as Styled[]).map((one) => ({
        p: Number(one.dataset['p']),
        surprise: Number(one.style.getPropertyValue('--surprise')),
      })),
    );
    expect(tokens).toHaveLength(60);
    for (const { p, surprise } of tokens) expect(surprise).toBeCloseTo(Math.min(1, -Math.log(p) / Math.log(1000)), 1);
    await page.hover('#text [data-p]:nth-child(14)');
    const tip = await page.textContent('#tip');
    expect(tip!.split('\n').length).toBeGreaterThanOrEqual(5);
    expect(tip).toMatch(/▸ +\d+\.\d% {2}\S/);
    await shot('write');
  });

  test('writing can be stopped', async () => {
    await page.fill('#tokens', '4000');
    await page.fill('#prompt', 'A');
    await page.click('#go');
    await page.waitForSelector('#text [data-p]');
    if (await page.isVisible('#stop')) await page.click('#stop');
    await page.waitForSelector('#go:visible');
  });

  test('texts are found by meaning', async () => {
    await page.click('#tab-search');
    await page.click('#search-form button');
    await page.waitForSelector('#found li');
    const found = await page.$$eval('#found li', (all) => all.map((one) => one.textContent!));
    expect(found).toHaveLength(6);
    expect(found.slice(0, 2).join(' ')).toMatch(/dog|kittens/);
    await shot('search');
  });

  test('a picture is named, and where that was seen is drawn', async () => {
    await page.click('#tab-pictures');
    await page.setInputFiles('#file', `${models('digits')}/samples/3.png`);
    await page.waitForSelector('#seen:visible');
    expect(await page.textContent('#classes li:first-child')).toContain('3');
    expect(await page.getAttribute('#seen', 'src')).toMatch(/^data:image\/png/);
    await shot('pictures');
    await page.setInputFiles('#file', { name: 'x.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await page.waitForSelector('#pictures-note.bad');
  });

  test('nothing went wrong inside the page', () => expect(errors).toEqual([]));
});
