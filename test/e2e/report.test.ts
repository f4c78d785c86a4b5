import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveBench } from '../../src/bench/save-bench.ts';
import { systemClock } from '../../src/core/clock.ts';
import { modelId } from '../../src/core/ids.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { modelKey } from '../../src/store/model-key.ts';
import { openStore } from '../../src/store/open-store.ts';
import { lowContrastOf, openBrowser, openPage, overflowOf, picturesOf } from '../helpers/browser.ts';
import { MEASURED_AT, type MeasuredModel, resultDocument, tuneRun } from '../helpers/result-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const TSX = import.meta.resolve('tsx');
const CLI = join(import.meta.dirname, '../../src/cli.ts');
const MODELS: readonly (MeasuredModel & { readonly quality: number })[] = [
  {
    model: 'router-0.8b',
    prefill: 61,
    decode: 12.4,
    memoryBytes: 1.2e9,
    right: 5,
    fellApart: 1,
    kept: 0.82,
    quality: 0.4,
  },
  {
    model: 'default-4b',
    prefill: 22,
    decode: 5.1,
    memoryBytes: 5.6e9,
    right: 9,
    fellApart: 0,
    kept: 0.61,
    quality: 0.7,
  },
  {
    model: 'step-up-9b',
    prefill: 9.5,
    decode: 2.2,
    memoryBytes: 10.4e9,
    right: 11,
    fellApart: 0,
    kept: 0.55,
    quality: 0.8,
  },
  {
    model: 'npu-1.7b',
    device: 'npu',
    prefill: 340,
    decode: 8.3,
    memoryBytes: 2.1e9,
    right: 6,
    fellApart: 2,
    quality: 0.5,
  },
  {
    model: 'broken-0.3b',
    device: 'npu',
    prefill: 700,
    decode: 29,
    memoryBytes: 6e8,
    right: 1,
    fellApart: 60,
    n: 3,
    quality: 0.9,
  },
];
const PLOTS = [
  'Prefill by model',
  'Decode by model',
  'Time to first token over prompt length',
  'Memory against the budget',
  'Quality against latency',
  'Sustained speed over time',
  'Temperature over the same time',
  'Tuning default-4b',
];

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser?.close());

type Place = { readonly folder: string; readonly file: (name: string) => string };

/** Runs the command line in a place's folder. */
const sluice = ({ folder }: Pick<Place, 'folder'>, ...args: readonly string[]) =>
  promisify(execFile)(process.execPath, ['--import', TSX, CLI, ...args], {
    ...{ cwd: folder, env: { ...process.env, NO_COLOR: '1' } },
  });
const HERE = ['--policy', 'policy.yaml', '--data', 'data'] as const;

/** A data directory with one run and one tuning of five models, their policy, and the files that describe their board. */
async function measuredPlace(): Promise<Place> {
  const folder = temporaryFolder();
  const lines = MODELS.map(({ model, device = 'cpu', quality }) => {
    writeFileSync(join(folder, `${model}.gguf`), model);
    return `  ${model}: { runtime: ${device}, file: ${model}.gguf, quality: ${quality} }`;
  });
  const runtimes = 'runtimes: { cpu: { kind: llama-server, device: cpu }, npu: { kind: rkllm, device: npu } }';
  const devices = 'devices: { cpu: {}, npu: {} }\nclasses: { interactive: { e2e: 20s } }';
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, ['version: 1', 'machine: { memory: 16GB }', devices, runtimes, 'models:', ...lines].join('\n'));
  const policy = await loadPolicy(file);
  const keyed = MODELS.map((one) => ({ ...one, modelKey: modelKey(policy.models.get(modelId(one.model))!) }));
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  put('board/sys/firmware/devicetree/base/model', 'Example board\0');
  put('board/sys/firmware/devicetree/base/compatible', 'example,board\0rockchip,rk3588\0');
  put('board/proc/meminfo', 'MemTotal:       16210937 kB\n');
  mkdirSync(join(folder, 'data'));
  const store = openStore(join(folder, 'data', 'sluice.db'), { clock: systemClock });
  saveBench(resultDocument(keyed), { store, directory: join(folder, 'bench-results'), provenance: 'measured' });
  store.openTuneRun({ id: tuneRun('default-4b').id, model: 'default-4b', startedAt: MEASURED_AT, plan: '{}' });
  store.saveTuneRun(tuneRun('default-4b'), true);
  store.close();
  return { folder, file: (name) => join(folder, name) };
}

describe('sluice report --html', () => {
  it('opens in a browser without a network, and everything is there to be seen and read', async () => {
    const place = await measuredPlace();
    const file = place.file('report.html');
    const { stderr } = await sluice(place, 'report', ...HERE, '--sysroot', 'board', '--html', 'report.html');
    expect(stderr).toBe(`report: ${file}\n`);
    const url = pathToFileURL(file).href;
    for (const look of [{ width: 1280 }, { width: 390, dark: true }]) {
      const { page, requests, problems } = await openPage(browser, url, look);
      expect(requests).toEqual([url]);
      expect(problems).toEqual([]);
      const pictures = await picturesOf(page);
      expect(pictures.map(({ title }) => title)).toEqual(PLOTS);
      for (const { width, height, description, leastLetterPx } of pictures) {
        expect(width).toBeGreaterThan(280);
        expect(height).toBeGreaterThan(60);
        expect(leastLetterPx).toBeGreaterThan(9);
        expect(description.length).toBeGreaterThan(40);
      }
      expect(await overflowOf(page)).toBe(0);
      await page.evaluate('document.querySelectorAll("details").forEach((one) => { one.open = true })');
      expect(await overflowOf(page)).toBe(0);
      expect(await lowContrastOf(page)).toEqual([]);
      await page.close();
    }
    if (process.env['SLUICE_TEST_SCREENSHOT'] !== undefined) await screenshot(url);
  });

  it('takes several machines, and says where each figure is from', async () => {
    const place = await measuredPlace();
    await sluice(place, 'report', ...HERE, '--reference', '--html', 'both.html');
    const { page, problems } = await openPage(browser, pathToFileURL(place.file('both.html')).href, { width: 1280 });
    expect(problems).toEqual([]);
    const headings = await page.locator('h2').allTextContents();
    expect(headings.slice(1)).toEqual(['RK3588, 24 GB', 'RK3588, 16 GB']);
    const row = page.getByRole('row', { name: /^gemma-3-270m npu/ }).first();
    await expect.poll(() => row.textContent()).toContain('not practical');
    expect(await page.getByText('reference, QUARANTINED').count()).toBe(1);
    await page.close();
  });
});

/** `SLUICE_TEST_SCREENSHOT=1` takes the picture of docs/benchmarks.md anew. */
async function screenshot(url: string): Promise<void> {
  const { page } = await openPage(browser, url, { width: 1280, height: 1620 });
  await page.screenshot({ path: join(import.meta.dirname, '../../docs/images/report.png') });
  await page.close();
}

describe('sluice report', () => {
  it('prints tables of a result file, and refuses what is none by line and field', async () => {
    const place = await measuredPlace();
    const exported = await sluice(place, 'bench', ...HERE, '--export', 'latest', '--out', 'x');
    const file = exported.stdout.trim();
    expect(file).toBe(place.file('x/rk3588/2026-11-20-1a2b3c.json'));
    const policy = ['--policy', 'policy.yaml'];
    const text = (await sluice(place, 'report', file, ...policy)).stdout;
    expect(text).toMatch(/default-4b +cpu +best default +highest quality/);
    expect(text).toMatch(/broken-0.3b +npu +not practical .*QUARANTINED/);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"repetitions": 5', '"repetitions": "5"'));
    await expect(sluice(place, 'report', file)).rejects.toMatchObject({
      stderr: expect.stringMatching(/2026-11-20-1a2b3c\.json:8:18 repetitions: expected a number, got "5"/),
      code: 1,
    });
  });
});
