import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessFaultsOf, lowContrastOf, openBrowser, openPage, overflowOf } from '../helpers/browser.ts';
import { demoPolicy, type PolicyFile, sentenceOf, startTestGateway, type TestGateway } from '../helpers/gateway.ts';

const KEY = 'a-key-that-stands-nowhere-else';
const ROOT = join(import.meta.dirname, '..', '..');

/** Every view with what it shows once the gateway has answered. */
const VIEWS = [
  ['Live', 'Just now'],
  ['Requests', 'What was asked is not kept'],
  ['Routing', 'chosen'],
  ['Benchmarks', 'Time to first token over prompt length'],
  ['Batches', 'Batches belong to'],
  ['Policy', 'Text in force'],
  ['Doctor', 'in order'],
  ['Playground', 'Message'],
] as const;

let policy: PolicyFile;
let gateway: TestGateway;
let browser: Browser;

beforeAll(async () => {
  policy = demoPolicy(['tiny', 'demo-4b']);
  Object.assign(policy.runtimes['llama']?.['settings'] ?? {}, { threads: 1 });
  policy.clients = [{ name: 'operator', key_env: 'SLUICE_TEST_DASHBOARD_KEY' }];
  const build = [import.meta.resolve('tsx'), join(ROOT, 'scripts', 'build-dashboard.ts')] as const;
  [gateway, browser] = await Promise.all([
    startTestGateway(policy, { environment: { ...process.env, SLUICE_TEST_DASHBOARD_KEY: KEY } }),
    openBrowser(),
    promisify(execFile)(process.execPath, ['--import', ...build]),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
});

const withKey = { headers: { authorization: `Bearer ${KEY}` } };
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });

const focused = (page: Page): Promise<unknown> => page.evaluate('document.activeElement.textContent');

/** A page with the key given; what it complained of until then is the answer to a question without a key. */
async function loggedIn(look: Parameters<typeof openPage>[2]) {
  const opened = await openPage(browser, gateway.url, look);
  const { page } = opened;
  await page.getByLabel('API key').fill(KEY);
  await page.getByRole('button', { name: 'Log in' }).click();
  await heading(page, 'Live').waitFor();
  const before = opened.problems.length;
  return { page, requests: opened.requests, problems: () => opened.problems.slice(before) };
}

async function openView(page: Page, name: string): Promise<void> {
  await page.getByRole('link', { name, exact: true }).click();
  await heading(page, name).waitFor();
}

/** A batch that may run at once; its id. */
async function handInBatch(items: number): Promise<string> {
  const body = { model: 'tiny', messages: [{ role: 'user', content: 'Who are you?' }] };
  const lines = Array.from({ length: items }, (_, index) =>
    JSON.stringify({ custom_id: `item-${index}`, method: 'POST', url: '/v1/chat/completions', body }),
  );
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob([lines.join('\n')]), 'night.jsonl');
  const post = async (path: string, content: FormData | string) =>
    (await fetch(`${gateway.url}${path}`, { method: 'POST', body: content, ...withKey })).json() as Promise<{
      id: string;
    }>;
  const file = await post('/v1/files', form);
  const asked = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' };
  return (await post('/v1/batches', JSON.stringify({ ...asked, metadata: { x_window: 'now' } }))).id;
}

describe('the dashboard', () => {
  it('asks for a key like the API, and keeps it in its tab only', async () => {
    const { page, requests } = await openPage(browser, gateway.url, { width: 1280 });
    await page.getByLabel('API key').fill('wrong');
    await page.getByLabel('API key').press('Enter');
    await page.getByText('the API key given is not known here').waitFor();
    expect(await accessFaultsOf(page)).toEqual([]);
    await page.getByLabel('API key').fill(KEY);
    await page.getByLabel('API key').press('Enter');
    await heading(page, 'Live').waitFor();
    expect(await page.evaluate('[sessionStorage.length, localStorage.length, document.cookie]')).toEqual([1, 0, '']);
    expect(await page.content()).not.toContain(KEY);
    expect(requests.filter((url) => !url.startsWith(gateway.url) || url.includes(KEY))).toEqual([]);
    await page.reload();
    await heading(page, 'Live').waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('API key').waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    await page.close();
  });

  it('shows a request while it waits, runs and has ended, and why it went where it went', async () => {
    const { page, problems } = await loggedIn({ width: 1280 });
    const lane = page.getByRole('region', { name: 'Lane cpu' });
    await lane.getByText('Running: nothing').waitFor();
    const leave = new AbortController();
    const endless = { model: 'demo-4b', messages: [{ role: 'user', content: 'Go on.' }], ignore_eos: true };
    const running = gateway.chat({ ...endless, max_tokens: 1500 }, { ...withKey, signal: leave.signal });
    await lane.getByText('interactive on demo-4b').waitFor();
    const waiting = gateway.chat({ ...endless, model: 'tiny', max_tokens: 2 }, withKey);
    await lane.getByText('Waiting: 1').waitFor();
    await page.getByRole('row', { name: /^demo-4b busy/ }).waitFor();
    leave.abort();
    await expect(running).rejects.toThrow();
    const id = (await waiting).headers.get('x-request-id') ?? '';
    await page.getByText(`request on tiny: ok`).waitFor();
    await lane.getByText('Running: nothing').waitFor();
    await openView(page, 'Requests');
    await page.getByRole('row', { name: /demo-4b cancelled/ }).waitFor();
    await page
      .getByRole('row', { name: /tiny ok/ })
      .getByRole('link')
      .click();
    await page.getByText(id).waitFor();
    await page.getByRole('row', { name: /^tiny cpu chosen/ }).waitFor();
    await page.getByText('model "tiny"').waitFor();
    expect(problems()).toEqual([]);
    await page.close();
  });

  it('has a playground in which a real model answers, and which says why it was that one', async () => {
    const { page, problems } = await loggedIn({ width: 1280 });
    await openView(page, 'Playground');
    await page.getByLabel('Message').fill('Who are you?');
    await page.getByLabel('Message').press('Enter');
    await page.getByText(sentenceOf('demo-4b')).waitFor();
    await page.getByText('Why demo-4b?').click();
    await page.getByRole('row', { name: /^demo-4b cpu chosen/ }).waitFor();
    await page.getByLabel('Model').selectOption('tiny');
    await page.getByLabel('Message').fill('And you?');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Why tiny?').waitFor();
    expect(await accessFaultsOf(page)).toEqual([]);
    expect(problems()).toEqual([]);
    await page.close();
  });

  it('shows how far a batch is, until it has ended', async () => {
    const { page, problems } = await loggedIn({ width: 1280 });
    await openView(page, 'Batches');
    await page.getByText('No batch.').waitFor();
    const id = await handInBatch(2);
    const card = page.getByRole('article', { name: id });
    await card.getByText('2 of 2').waitFor();
    await card.getByText('completed').waitFor();
    expect(await card.getByRole('progressbar').getAttribute('value')).toBe('2');
    expect(problems()).toEqual([]);
    await page.close();
  });

  it('shows a policy that was rejected, and what one that is in force has changed', async () => {
    const { page, problems } = await loggedIn({ width: 1280 });
    await openView(page, 'Policy');
    await page.getByText('valid and in force').waitFor();
    gateway.writePolicy({ ...policy, gateway: { ...policy.gateway, queue_dept: 7 } });
    await page.getByText('did you mean "queue_depth"?').waitFor();
    gateway.writePolicy({ ...policy, gateway: { ...policy.gateway, queue_depth: 7 } });
    await page.getByRole('row', { name: 'gateway.queue_depth' }).waitFor();
    await page.getByText('valid and in force').waitFor();
    expect(await page.getByRole('region', { name: 'Change of the text' }).textContent()).toContain('"queue_depth": 7');
    expect(problems()).toEqual([]);
    await page.close();
  });

  it('is reached by keyboard, and says where it is', async () => {
    const { page } = await loggedIn({ width: 1280 });
    await page.evaluate('document.activeElement.blur()');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await focused(page)).toBe('Live');
    await page.getByRole('link', { name: 'Policy', exact: true }).focus();
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await heading(page, 'Batches').waitFor();
    expect(await focused(page)).toBe('Batches');
    expect(await page.title()).toBe('Batches · Sluice');
    expect(await page.getByRole('link', { name: 'Batches' }).getAttribute('aria-current')).toBe('page');
    await page.close();
  });

  it.each([{ width: 390, dark: true }, { width: 1280 }])('fits and can be read: %j', async (look) => {
    const { page, problems, requests } = await loggedIn(look);
    for (const [name, text] of VIEWS) {
      await openView(page, name);
      await page.getByText(text).first().waitFor();
      expect([name, await overflowOf(page)]).toEqual([name, 0]);
      expect([name, await lowContrastOf(page)]).toEqual([name, []]);
      if (look.dark) expect([name, await accessFaultsOf(page)]).toEqual([name, []]);
    }
    expect(requests.filter((url) => !url.startsWith(gateway.url))).toEqual([]);
    expect(problems()).toEqual([]);
    await page.close();
  });

  it('says what to do where no model is named, or none can be used', async () => {
    const { page, problems } = await loggedIn({ width: 390 });
    const gone = { gone: { runtime: 'llama', file: '/nowhere/gone.gguf', quality: 0.5 } };
    gateway.writePolicy({ ...policy, models: gone, classes: {} });
    await page.getByText('No model can be used').waitFor();
    gateway.writePolicy({ ...policy, models: {}, classes: {} });
    await page.getByText('The policy names no model.').waitFor();
    expect(await accessFaultsOf(page)).toEqual([]);
    expect(problems()).toEqual([]);
    gateway.writePolicy(policy);
    await page.getByRole('row', { name: /^tiny/ }).waitFor();
    await page.close();
  });
});
