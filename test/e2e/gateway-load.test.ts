import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import {
  contentOf,
  demoPolicy,
  type PolicyFile,
  postChat,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// Many requests at once: none is lost, none is counted twice, the lane holds, the bound holds, and a policy that changes
// under load fails nobody.

const classes = ['route', 'interactive', 'quality', 'batch'] as const;

describe('two hundred mixed requests at once', () => {
  let gateway: TestGateway;
  let policy: PolicyFile;
  beforeAll(async () => {
    policy = demoPolicy(['tiny', 'demo-1.7b', 'demo-4b']);
    policy.gateway['queue_depth'] = 200;
    const { settings } = policy.runtimes['llama'] as { settings: Record<string, unknown> };
    settings['threads'] = 1;
    policy.classes['quality'] = { prefer: 'tiny', min_quality: 0 };
    policy.classes['batch'] = { prefer: 'demo-1.7b', min_quality: 0 };
    gateway = await startTestGateway(policy);
  });
  afterAll(async () => {
    await gateway?.stop();
  });

  type Seen = 'answered' | 'aborted';

  async function ask(index: number): Promise<Seen> {
    const aborted = index % 10 === 3;
    const body = question({
      model: `auto:${classes[index % classes.length]}`,
      stream: index % 2 === 0,
      max_tokens: 8,
      ...(aborted ? { ignore_eos: true, max_tokens: 1500 } : {}),
    });
    const abort = new AbortController();
    const init = { headers: { 'x-request-id': `mixed-${index}` }, signal: abort.signal };
    const answer = postChat(gateway.url, body, init);
    if (!aborted) {
      const { status, text } = await answer;
      expect(status).toBe(200);
      expect(contentOf(text)).toMatch(/^I am the/);
      expect(text).toContain(`"request_id":"mixed-${index}"`);
      return 'answered';
    }
    // Some leave while they wait, others while they run.
    const gone = answer.then(() => 'answered' as const).catch(() => 'aborted' as const);
    await until('its turn to leave', () => gateway.records().length >= index / 3);
    abort.abort();
    return gone;
  }

  it('each get exactly one outcome, and the lane is never shared', async () => {
    let most = 0;
    let watching = true;
    const watch = async () => {
      while (watching) {
        const { lanes } = await gateway.json('/router/status');
        most = Math.max(most, lanes[0].running.length);
        // Asking without a pause would take a core from the models, whose threads then wait for each other.
        await systemClock.sleep(10);
      }
    };
    const watched = watch();
    const outcomes = await Promise.all(Array.from({ length: 200 }, (_, index) => ask(index)));
    watching = false;
    await watched;
    await gateway.idle();
    expect(outcomes.filter((outcome) => outcome === 'answered')).toHaveLength(180);
    expect(outcomes.filter((outcome) => outcome === 'aborted')).toHaveLength(20);
    expect(most).toBe(1);
    const { decisions } = await gateway.json('/router/decisions?limit=1000');
    expect(new Set(decisions.map((decision: { request_id: string }) => decision.request_id)).size).toBe(200);
    const counted = new Map<string, number>();
    for (const { outcome } of decisions) counted.set(outcome.kind, (counted.get(outcome.kind) ?? 0) + 1);
    expect(Object.fromEntries(counted)).toEqual({ ok: 180, cancelled: 20 });
    const restarts = gateway.events.filter((event) => event.kind === 'child.state' && event.to === 'draining');
    expect(restarts).toEqual([]);
  });

  it('lose nobody while the policy is broken, mended and changed under them', async () => {
    const from = gateway.events.length;
    let going = true;
    const statuses: number[] = [];
    const load = async () => {
      while (going)
        statuses.push(
          (
            await gateway.chat(
              question({ model: 'auto:interactive', max_tokens: 4, stream: statuses.length % 2 === 0 }),
            )
          ).status,
        );
    };
    const clients = Promise.all([load(), load(), load()]);
    expect((await gateway.chat(question())).headers.get('x-router-model')).toBe('demo-4b');

    gateway.writePolicy('version: 1\nmodels: [this is : no policy\n');
    await gateway.event('it is rejected', (event) => event.kind === 'policy.rejected', from);
    const broken = await gateway.json('/router/status');
    expect(broken.policy.error).toContain('policy.yaml');
    expect((await gateway.chat(question())).headers.get('x-router-model')).toBe('demo-4b');

    const changed = structuredClone(policy);
    changed.classes['interactive'] = { prefer: 'demo-1.7b', min_quality: 0 };
    gateway.writePolicy(changed);
    await gateway.event('it is loaded', (event) => event.kind === 'policy.loaded', from);
    const reply = await gateway.chat(question());
    expect(reply.headers.get('x-router-model')).toBe('demo-1.7b');
    expect(contentOf(reply.text)).toBe(sentenceOf('demo-1.7b'));
    const mended = await gateway.json('/router/status');
    expect(mended.policy.error).toBeNull();
    expect(mended.policy.revision).not.toBe(broken.policy.revision);

    going = false;
    await clients;
    expect(statuses.length).toBeGreaterThan(5);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });
});

describe('a full queue', () => {
  it('refuses one more with 429, when to come back, and that retrying at once is pointless', async () => {
    const policy = demoPolicy(['tiny', 'demo-4b']);
    policy.gateway['queue_depth'] = 2;
    const gateway = await startTestGateway(policy);
    try {
      const leave = new AbortController();
      const endless = question({ model: 'demo-4b', ignore_eos: true, max_tokens: 1900 });
      const held = gateway.chat(endless, { signal: leave.signal }).catch(() => undefined);
      await until('it runs', async () => (await gateway.json('/router/status')).lanes[0].running.length === 1);
      const waiting = [1, 2].map(() => gateway.chat(question({ model: 'tiny' })));
      await until('two wait', async () => (await gateway.json('/router/status')).lanes[0].waiting.length === 2);
      const refused = await gateway.chat(question({ model: 'tiny' }));
      expect(refused.status).toBe(429);
      expect(refused.headers.get('x-should-retry')).toBe('false');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(JSON.parse(refused.text).error).toMatchObject({ code: 'queue_full', type: 'rate_limit_error' });
      // The bound is per class: a request of another one still finds room.
      const other = gateway.chat(question({ model: 'auto:route' }));
      await until('three wait', async () => (await gateway.json('/router/status')).lanes[0].waiting.length === 3);
      leave.abort();
      await held;
      for (const reply of await Promise.all([...waiting, other])) expect(reply.status).toBe(200);
    } finally {
      await gateway.stop();
    }
  });

  it('lets a short class go first and the oldest deadline within it', async () => {
    const gateway = await startTestGateway(demoPolicy(['tiny', 'demo-4b']));
    try {
      const leave = new AbortController();
      const endless = question({ model: 'demo-4b', ignore_eos: true, max_tokens: 1900 });
      const held = gateway.chat(endless, { signal: leave.signal }).catch(() => undefined);
      await until('it runs', async () => (await gateway.json('/router/status')).lanes[0].running.length === 1);
      const answers: Promise<unknown>[] = [];
      for (const [index, modelClass] of (['batch', 'quality', 'interactive', 'route'] as const).entries()) {
        const init = { headers: { 'x-router-class': modelClass, 'x-request-id': modelClass } };
        answers.push(gateway.chat(question({ model: 'tiny' }), init));
        const queued = async () => (await gateway.json('/router/status')).lanes[0].waiting.length === index + 1;
        await until('it waits', queued);
      }
      leave.abort();
      await Promise.all([held, ...answers]);
      const served = gateway.records().filter(({ outcome }) => outcome.kind === 'ok');
      expect(served.map((record) => record.requestId)).toEqual(['route', 'interactive', 'quality', 'batch']);
    } finally {
      await gateway.stop();
    }
  });
});
