import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import DatabaseFile from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  demoPolicy,
  type PolicyFile,
  question,
  startTestGateway,
  type TestGateway,
  until,
} from '../helpers/gateway.ts';

// Six requests through a real gateway, then two policies compared on what it remembers of them.

const CANARY = 'xylophone-canary-7741';
const CLI = join(import.meta.dirname, '../../src/cli.ts');

let gateway: TestGateway;
let policy: PolicyFile;

beforeAll(async () => {
  policy = demoPolicy(['demo-1.7b', 'demo-4b']);
  policy.classify = {
    rules: [{ when: { last_user_matches: 'nickname' }, class: 'route' }],
  };
  gateway = await startTestGateway(policy);
  for (const content of [`Explain ${CANARY} to me`, 'Give me a nickname', 'Who are you?']) {
    for (const stream of [true, false]) {
      await gateway.chat(question({ stream, messages: [{ role: 'user', content }] }));
    }
  }
  const { requestId } = gateway.records().at(-1) ?? {};
  const shown = await fetch(`${gateway.url}/router/decisions/${requestId}`);
  expect(await shown.json()).toMatchObject({ request_id: requestId, error: { e2e: expect.any(Number) } });
  // Rows reach the disk some hundred milliseconds later; the gateway goes on while its history is read.
  const database = new DatabaseFile(join(gateway.dataDir, 'sluice.db'), { readonly: true });
  const count = database.prepare<[], { n: number }>('SELECT count(*) AS n FROM requests');
  await until('six requests on disk', () => (count.get()?.n === 6 ? true : undefined));
  database.close();
});
afterAll(async () => {
  await gateway?.stop();
});

async function diff(next: PolicyFile, ...args: readonly string[]) {
  const file = join(dirname(gateway.policyFile), 'next.yaml');
  writeFileSync(file, JSON.stringify(next));
  const given = ['policy', 'diff', gateway.policyFile, file, '--data', gateway.dataDir, ...args];
  const child = spawn(process.execPath, ['--import', 'tsx', CLI, ...given], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { stdout, stderr, code };
}

const changed = (change: (copy: PolicyFile) => void): PolicyFile => {
  const copy = structuredClone(policy);
  change(copy);
  return copy;
};

describe('sluice policy diff', () => {
  it('says that nothing moves where nothing differs', async () => {
    const { stdout, code } = await diff(policy);
    expect(code).toBe(0);
    expect(stdout).toContain('the policies mean the same');
    expect(stdout).toContain('6 recorded requests');
    expect(stdout).toContain('0 would move, 6 would not');
  });

  it('shows which requests a changed preference moves, and what their class would see', async () => {
    const next = changed((copy) => {
      copy.classes['interactive'] = { min_quality: 0, prefer: 'demo-1.7b', e2e: '30s' };
    });
    const { stdout, code } = await diff(next, '--json');
    expect(code).toBe(0);
    const { changes, replay } = JSON.parse(stdout);
    expect(changes.map(({ path }: { path: string }) => path)).toContain('classes.interactive.prefer');
    expect(replay).toMatchObject({ requests: 6, uncertain: 0, withoutFeatures: 0 });
    expect(replay.comparison.moves).toEqual([
      { class: 'interactive', toClass: 'interactive', from: 'demo-4b', to: 'demo-1.7b', requests: 4 },
    ]);
    const { before, after } = replay.comparison.classes.interactive;
    expect(before.requests).toBe(4);
    expect(after.e2eMsP50).toBeLessThan(before.e2eMsP50);
    expect(replay.comparison.classes.route.before.requests).toBe(2);
  });

  it('counts requests whose text a new rule would have to know', async () => {
    const next = changed((copy) => {
      copy.classify = { rules: [{ when: { last_user_matches: 'explain' }, class: 'quality' }] };
    });
    const { stdout } = await diff(next);
    expect(stdout).toContain('are uncertain: a rule tests a text or header that nobody had tested');
  });

  it('shows requests for a model that is gone as refused', async () => {
    const next = changed((copy) => {
      delete copy.models['demo-4b'];
      copy.classes['interactive'] = { min_quality: 0.6, when_none: 'reject' };
    });
    const { stdout } = await diff(next, '--json');
    const { moves } = JSON.parse(stdout).replay.comparison;
    expect(moves).toContainEqual(expect.objectContaining({ from: 'demo-4b', to: 'refused', requests: 4 }));
  });

  it('says what to do where nothing was recorded', async () => {
    const { stdout, code } = await diff(policy, '--data', join(dirname(gateway.policyFile), 'empty'));
    expect(code).toBe(0);
    expect(stdout).toContain('no recorded requests');
    const short = await diff(policy, '--since', '1ms');
    expect(short.stdout).toContain('give a longer --since');
  });

  it('refuses a span or a number it cannot read, as a usage error', async () => {
    expect(await diff(policy, '--since', 'yesterday')).toMatchObject({ code: 2 });
    expect(await diff(policy, '--limit', '0')).toMatchObject({ code: 2 });
  });

  it('works on a history that holds no word of the prompts', () => {
    const bytes = ['sluice.db', 'sluice.db-wal'].map((file) => readFileSync(join(gateway.dataDir, file)));
    expect(bytes.some((part) => part.includes('last user /nickname/i'))).toBe(true);
    expect(bytes.some((part) => part.includes(CANARY))).toBe(false);
    expect(bytes.some((part) => part.includes('Give me a nickname'))).toBe(false);
  });
});
