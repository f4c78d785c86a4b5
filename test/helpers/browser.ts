import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

const installer = join(import.meta.dirname, '..', '..', 'scripts', 'install-chromium');
const checks = readFileSync(join(import.meta.dirname, 'page-checks.js'), 'utf8');

/** How a page is looked at. */
export type Look = { readonly width: number; readonly height?: number; readonly dark?: boolean };

/** A page with what it has asked for and complained of since it was opened. */
export type OpenPage = {
  readonly page: Page;
  /** Addresses asked for, its own first. */
  readonly requests: readonly string[];
  /** Errors and warnings of the console, errors nobody caught, requests that failed. */
  readonly problems: readonly string[];
};

/**
 * Starts Debian's Chromium without a window; the caller closes it. Rejects with what installs it where there is none: a
 * test never skips because of it. Installing takes half a minute, once per machine.
 */
export async function openBrowser(): Promise<Browser> {
  const { stdout } = await promisify(execFile)(installer);
  return chromium.launch({
    executablePath: stdout.trim(),
    // A root user has no sandbox; the rest keeps the browser from talking to its maker.
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ...['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
  });
}

/** Opens an address (`file://` or http) in a context of its own and waits until it is loaded. */
export async function openPage(browser: Browser, url: string, look: Look): Promise<OpenPage> {
  const { width, height = 900, dark = false } = look;
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
  const requests: string[] = [];
  const problems: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('requestfailed', (request) => problems.push(`failed: ${request.url()}`));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  await page.goto(url);
  return { page, requests, problems };
}

/** A picture in the page: `<svg>` with its own title. */
export type Picture = {
  readonly title: string;
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly leastLetterPx: number;
};

/** Pictures in the page's main part, in order. */
export const picturesOf = (page: Page): Promise<readonly Picture[]> =>
  page.evaluate(`${checks}; pageChecks.pictures()`);

/** By how many px the page is wider than its window. */
export const overflowOf = (page: Page): Promise<number> => page.evaluate(`${checks}; pageChecks.overflow()`);

/** Texts with less contrast than `least` (WCAG AA asks for 4.5), each with its ratio. */
export const lowContrastOf = (page: Page, least = 4.5): Promise<readonly string[]> =>
  page.evaluate(`${checks}; pageChecks.lowContrast(${least})`);

/** What axe finds wrong with the page for who cannot see it, hear it or use a mouse, each with the elements it is about. */
export async function accessFaultsOf(page: Page): Promise<readonly string[]> {
  // Half a megabyte, once per page.
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe.source);
  return page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 150)).join(' | ')))`,
  );
}
