import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoPolicy, sentenceOf, startTestGateway, type TestGateway, until } from '../helpers/gateway.ts';

// `sluice batch` as people type it, over a real llama-server child: the tests follow on one another.

const CLI = join(import.meta.dirname, '../../src/cli.ts');

let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  policy.classes['batch'] = { min_quality: 0, window: '00:00-24:00' };
  gateway = await startTestGateway(policy);
});
afterAll(async () => {
  await gateway?.stop();
});

function start(args: readonly string[], input = '') {
  const { hostname, port } = new URL(gateway.url);
  const given = ['--import', 'tsx', CLI, ...args, '--host', hostname, '--port', port];
  const child = spawn(process.execPath, given, { stdio: ['pipe', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece) => {
    said.stdout += String(piece);
  });
  child.stderr.on('data', (piece) => {
    said.stderr += String(piece);
  });
  child.stdin.end(input);
  return { child, said, end: once(child, 'close').then(([code]) => ({ ...said, code: code as number })) };
}

const sluice = (args: readonly string[], input?: string) => start(args, input).end;
const newest = async (): Promise<string> => (await gateway.json('/v1/batches?limit=1')).data[0].id;

describe('sluice batch', () => {
  it('takes prompts from standard input, follows them to the end and gives their answers line by line', async () => {
    const submitted = await sluice(
      ['batch', 'submit', '-', '--system', 'Be brief', '--metadata', 'night=1', '--wait'],
      'Who are you?\n\nAnd now?\r\n',
    );
    expect(submitted).toMatchObject({ code: 0 });
    const id = await newest();
    expect(submitted.stdout).toContain(`${id}: completed, `);
    expect(submitted.stdout).toContain('[########################] 2 of 2 (100 %)');
    expect(await gateway.json(`/v1/batches/${id}`)).toMatchObject({ metadata: { night: '1' } });
    const { stdout, stderr, code } = await sluice(['batch', 'results', id, '--text']);
    expect({ stdout, stderr, code }).toEqual({
      stdout: `${sentenceOf('tiny')}\n\n${sentenceOf('tiny')}\n`,
      stderr: '',
      code: 0,
    });
  });

  it('names the lines that are wrong', async () => {
    const file = join(gateway.dataDir, 'bad.jsonl');
    writeFileSync(file, '\n{"custom_id":"a"}\nnonsense\n');
    const { stderr, code } = await sluice(['batch', 'submit', file]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'bad.jsonl:2: method must be "POST", not undefined\nbad.jsonl:3: the line is not valid JSON',
    );
  });

  it('names the option that is wrong, and leaves no file behind', async () => {
    const before = (await gateway.json('/v1/files')).data.length;
    const { stderr, code } = await sluice(['batch', 'submit', '-', '--deadline', '25:00'], 'Who are you?');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sluice: --deadline: .*must be a time of day such as 07:00.*not "25:00"/);
    expect((await gateway.json('/v1/files')).data).toHaveLength(before);
  });

  it('is left by Ctrl-C and goes on, is shown with the rest, and is cancelled', async () => {
    const hour = (new Date().getUTCHours() + 12) % 24;
    const window = `${String(hour).padStart(2, '0')}:00-${String((hour + 1) % 24).padStart(2, '0')}:00 UTC`;
    const file = join(gateway.dataDir, 'prompts.txt');
    writeFileSync(file, 'One\nTwo\nThree\n');
    const waiting = start(['batch', 'submit', file, '--window', window, '--wait']);
    await until('it says that it waits', () => waiting.said.stderr.includes('waits for its window'));
    waiting.child.kill('SIGINT');
    const left = await waiting.end;
    const id = await newest();
    expect(left).toMatchObject({ code: 1, stdout: '' });
    expect(left.stderr).toContain(`${id} goes on; look again with: sluice batch status ${id} --watch`);
    const [status, shown] = await Promise.all([sluice(['status']), sluice(['batch', 'status'])]);
    expect(status.stdout).toContain(`batch ${id}: 0 of 3, waits for its window`);
    expect(shown.stdout).toContain(`${id}: in_progress, waits for its window`);
    const cancelled = await sluice(['batch', 'cancel', id]);
    expect(cancelled.stdout).toContain(`${id}: cancelled, `);
    expect(cancelled.code).toBe(0);
  });

  it('leaves nothing behind once it is pruned', async () => {
    const pruned = await sluice(['batch', 'prune', '--older-than', '0s', '--json']);
    expect(JSON.parse(pruned.stdout)).toMatchObject({ dry_run: false, batches: { length: 3 } });
    expect((await gateway.json('/v1/batches')).data).toEqual([]);
    expect((await gateway.json('/v1/files')).data).toEqual([]);
    expect(readdirSync(join(gateway.dataDir, 'files'))).toEqual([]);
  });
});
