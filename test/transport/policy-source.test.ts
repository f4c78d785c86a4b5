import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type PolicyWithText, readPolicy } from '../../src/policy/load.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import {
  openPolicySource,
  type PolicyEvent,
  type PolicySource,
  restartNotices,
} from '../../src/transport/policy-source.ts';

const clock = { ...systemClock, nowMs: () => 1_800_000_000_000 };
let folder = '';
let file = '';
let source: PolicySource | undefined;
let events: PolicyEvent[] = [];
let wake: () => void = () => undefined;

const nextEvent = () => new Promise<void>((resolve) => (wake = resolve));

async function opened(text: string, known?: PolicyWithText): Promise<PolicySource> {
  await writeFile(file, text);
  source = await openPolicySource(file, {
    clock,
    known,
    onEvent: (event) => {
      events.push(event);
      wake();
    },
  });
  return source;
}

/** Saves like an editor and waits until the source has said what it makes of it. */
async function saved(text: string): Promise<void> {
  const event = nextEvent();
  await writeFile(`${file}~`, text);
  await rename(`${file}~`, file);
  await event;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-source-'));
  file = join(folder, 'p.yaml');
  events = [];
});
afterEach(async () => {
  await source?.close();
  source = undefined;
  await rm(folder, { recursive: true, force: true });
});

const withQueue = (depth: number) => `version: 1\ngateway: { queue_depth: ${depth} }\n`;

describe('openPolicySource', () => {
  it('rejects when the first load fails', async () => {
    await expect(opened('version: 2')).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('takes what was read a moment ago, unless the file has changed since', async () => {
    await writeFile(file, withQueue(1));
    const known = await readPolicy(file);
    const same = await opened(withQueue(1), known);
    expect(same.current()).toBe(known.policy);
    await same.close();
    const changed = await opened(withQueue(2), known);
    expect(changed.current().gateway.queueDepthMax).toBe(2);
  });

  it('swaps a changed file, keeps the old one on a broken file and recovers', async () => {
    const policies = await opened(withQueue(1));
    const first = policies.current();

    await saved(withQueue(2));
    expect(policies.current().gateway.queueDepthMax).toBe(2);
    expect(first.gateway.queueDepthMax).toBe(1);
    const second = policies.current();

    await saved('version: 1\ngateway: { queue_dept: 3 }\n');
    expect(policies.current()).toBe(second);
    expect(policies.lastError()).toMatchObject({
      message: `${file}:2:12 gateway.queue_dept: unknown key "queue_dept", did you mean "queue_depth"?`,
      atMs: 1_800_000_000_000,
    });

    await saved(withQueue(4));
    expect(policies.current().gateway.queueDepthMax).toBe(4);
    expect(policies.lastError()).toBeUndefined();
    expect(events.map((event) => event.kind)).toEqual(['loaded', 'rejected', 'loaded']);
  });

  it('recovers when the broken file becomes what it was, with the same policy object', async () => {
    const policies = await opened(withQueue(1));
    const first = policies.current();
    await saved('nonsense');
    await saved(withQueue(1));
    expect(policies.lastError()).toBeUndefined();
    expect(policies.current()).toBe(first);
  });

  it('keeps the old one when the file is removed', async () => {
    const policies = await opened(withQueue(1));
    const event = nextEvent();
    await rm(file);
    await event;
    expect(policies.current().gateway.queueDepthMax).toBe(1);
    expect(policies.lastError()?.message).toContain('no such file');
  });

  it('says nothing when a reload finds what is in force', async () => {
    const policies = await opened(withQueue(1));
    await policies.reload();
    expect(events).toEqual([]);
  });

  it('has the newest content in force once reload resolves, however many run at once', async () => {
    const policies = await opened(withQueue(1));
    const reloads: Promise<void>[] = [];
    for (let depth = 2; depth <= 6; depth += 1) {
      await writeFile(file, withQueue(depth));
      reloads.push(policies.reload());
    }
    await Promise.all(reloads);
    expect(policies.current().gateway.queueDepthMax).toBe(6);
  });

  it('names what needs a restart', async () => {
    await opened('version: 1\ngateway: { port: 8080 }\n');
    await saved('version: 1\ngateway: { port: 9090 }\n');
    expect(events).toMatchObject([
      { kind: 'loaded', notices: ['gateway.port 8080 -> 9090 takes effect after a restart'] },
    ]);
  });
});

describe('restartNotices', () => {
  it('is empty for what can change while serving', () => {
    const policy = (text: string) => parsePolicy(`version: 1\n${text}`, 'p.yaml');
    expect(restartNotices(policy(''), policy('gateway: { drain: 5s }'))).toEqual([]);
    expect(
      restartNotices(policy(''), policy('observe: { otlp: { endpoint: "http://a:4318", trace_share: 0.5 } }')),
    ).toEqual([
      'observe.otlp.endpoint unset -> "http://a:4318" takes effect after a restart',
      'observe.otlp.trace_share 1 -> 0.5 takes effect after a restart',
    ]);
    expect(restartNotices(policy(''), policy('machine: { node_heap: 64MB, before_start: [{ run: [x] }] }'))).toEqual([
      'machine.node_heap unset -> 64000000 takes effect after a restart',
      'machine.before_start (changed) takes effect after a restart',
    ]);
  });
});
