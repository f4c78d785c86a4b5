import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { openBrowser, openPage } from '../test/helpers/browser.ts';

/**
 * Takes the pictures of the dashboard that docs/ shows, of a gateway that serves without keys, such as the demo:
 *
 *   npm run demo                                             in one terminal
 *   npx tsx scripts/dashboard-pictures.ts [URL] [FOLDER]     in another; default http://127.0.0.1:8080, docs/images
 */

const url = process.argv[2] ?? 'http://127.0.0.1:8080';
const folder = process.argv[3] ?? join(import.meta.dirname, '..', 'docs', 'images');

const browser = await openBrowser();
try {
  mkdirSync(folder, { recursive: true });
  await liveOf(browser);
  await viewOf(browser, 'benchmarks', 'Time to first token over prompt length');
  await playgroundOf(browser);
} finally {
  await browser.close();
}

/** One request answered and two under way: one runs, the other waits for its lane. */
async function liveOf(browser: Browser): Promise<void> {
  const { page } = await openPage(browser, url, { width: 1280, height: 1000 });
  await page.getByText('Just now').waitFor();
  await chat({ model: 'auto' });
  await page.getByText('request on').waitFor();
  const leave = new AbortController();
  const asked = ['demo-27b', 'demo-9b'].map((model) => endless(model, leave.signal));
  await page.getByText('Waiting: 1').waitFor();
  await save(page, 'dashboard');
  leave.abort();
  await Promise.allSettled(asked);
  await page.close();
}

function endless(model: string, signal: AbortSignal): Promise<unknown> {
  return chat({ model, ignore_eos: true, max_tokens: 900 }, signal);
}

async function chat(given: object, signal?: AbortSignal): Promise<unknown> {
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'Who are you?' }], ...given });
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body, signal });
  return response.json();
}

async function viewOf(browser: Browser, view: string, text: string): Promise<void> {
  const { page } = await openPage(browser, `${url}/#/${view}`, { width: 1280, height: 1000 });
  await page.getByText(text).first().waitFor();
  await save(page, `dashboard-${view}`);
  await page.close();
}

async function playgroundOf(browser: Browser): Promise<void> {
  const { page } = await openPage(browser, `${url}/#/playground`, { width: 390, height: 844, dark: true });
  await page.getByLabel('Message').fill('Who are you?');
  await page.getByLabel('Message').press('Enter');
  await page.getByText(/^Why /).click();
  await page.getByRole('heading', { name: 'Candidates' }).waitFor();
  await page.getByRole('heading', { level: 1 }).scrollIntoViewIfNeeded();
  await save(page, 'dashboard-phone');
  await page.close();
}

async function save(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
