import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ModelClass } from '../../src/core/classes.ts';
import type { Workload } from '../../src/core/decision.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { GatewayEvent, RequestRecord } from '../../src/core/events.ts';
import { type ModelId, modelId, requestId } from '../../src/core/ids.ts';
import { NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import type { ReplySink } from '../../src/core/runtime.ts';
import { decide } from '../../src/route/decide.ts';
import type { ReadPrompt, ServeJob, ServeSink } from '../../src/serve/job.ts';
import type { PrefixOutcome } from '../../src/serve/prefix-memory.ts';
import { startRequest } from '../../src/serve/request-run.ts';
import { createLanes } from '../../src/supervise/lane.ts';
import type { Lease, ReleaseKind } from '../../src/supervise/supervisor-types.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { modelPolicy } from '../helpers/policy-values.ts';
import { smallPolicy, snapshotOf, workload } from '../route/small-policy.ts';

// One run between a lane, a lease, an engine and a client, all of them played by the test.

const [FIRST, SECOND] = [modelId('first'), modelId('second')];
const policy = smallPolicy({
  models: [modelPolicy('first', { quality: 0.8 }), modelPolicy('second', { quality: 0.7 })],
});

const event = (value: object) => Buffer.from(`data: ${JSON.stringify(value)}\n\n`);
const token = event({ choices: [{ delta: { content: 'x' } }] });
const timings = { prompt_n: 4, prompt_ms: 8, predicted_n: 3, predicted_ms: 60 };
const finish = event({ choices: [{ finish_reason: 'stop', delta: {} }], timings });
const done = Buffer.from('data: [DONE]\n\n');

function play(
  given: {
    readonly contextOf?: Readonly<Record<string, number>>;
    readonly acquire?: (model: ModelId) => Promise<Lease> | undefined;
    readonly yieldsTo?: readonly ModelClass[];
    /** True: nobody waits for it, and it ends where it makes way. */
    readonly isItem?: boolean;
    /** True: its engine can stand still, and may. */
    readonly canPause?: boolean;
    readonly needs?: Workload['needs'];
  } = {},
) {
  const clock = fakeClock();
  const events: GatewayEvent[] = [];
  const emit = (happened: GatewayEvent) => events.push(happened);
  const lanes = createLanes({ clock, emit });
  lanes.configure(policy.devices.values(), 4);
  const released: [ModelId, ReleaseKind][] = [];
  const engines: { readonly model: ModelId; readonly sink: ReplySink; aborted: boolean; resumed: number }[] = [];
  const paused: { giveUp?: () => void } = {};
  const told: string[] = [];
  const leaseOf = (model: ModelId): Lease => ({
    model,
    loadMs: 0,
    cold: false,
    connection: {
      ready: async () => undefined,
      canary: async () => undefined,
      idle: async () => undefined,
      close: () => undefined,
      exchange: (_, __, sink) => {
        const engine = { model, sink, aborted: false, resumed: 0 };
        engines.push(engine);
        return {
          abort: () => {
            engine.aborted = true;
          },
          resume: () => {
            engine.resumed += 1;
          },
        };
      },
    },
    release: async (how) => {
      released.push([model, how]);
    },
    pausable: given.canPause === true,
    pause: (giveUp) => {
      if (given.canPause !== true) return false;
      told.push('paused');
      paused.giveUp = giveUp;
      return true;
    },
    resume: () => told.push('resumed'),
  });
  let text = '';
  const sink: ServeSink = {
    moved: (model) => told.push(`moved ${model}`),
    head: (model) => told.push(`head ${model}`),
    chunk: (bytes) => {
      text += bytes;
      return true;
    },
    end: (last) => {
      text += last;
      told.push('end');
    },
    failed: (error) => told.push(`failed ${error.code}`),
    ...(given.isItem === true && {
      madeWay: (spentMs) => {
        told.push(`made way after ${spentMs}`);
        return true;
      },
    }),
  };
  const asked = workload({ class: 'interactive', stream: true });
  const decision = decide(asked, snapshotOf({ first: {}, second: {} }), policy);
  if (decision.kind !== 'chosen') throw new Error('nobody was chosen');
  const job: ServeJob = {
    requestId: requestId('r'),
    client: 'anonymous',
    receivedMs: clock.monotonicMs(),
    receivedAtMs: clock.nowMs(),
    workload: given.needs === undefined ? asked : { ...asked, needs: given.needs },
    decision,
    yieldsTo: given.yieldsTo ?? [],
    ...(given.canPause === true && { mayPause: true }),
    features: undefined,
    path: '/v1/chat/completions',
    bodyFor: (model) => model,
  };
  const acquire = given.acquire ?? (() => undefined);
  const supervisor = {
    tryAcquire: () => undefined,
    acquire: (model: ModelId) => acquire(model) ?? Promise.resolve(leaseOf(model)),
    isLoaded: (model: ModelId) => model === 'urgent',
  };
  const observed: ModelId[] = [];
  const prompts: ({ readonly model: ModelId } & PrefixOutcome)[] = [];
  const read: [ModelId, ReadPrompt][] = [];
  const parts = {
    clock,
    emit,
    lanes,
    knowledge: NO_KNOWLEDGE,
    supervisor,
    placeOf: (model: ModelId) => ({ device: 'cpu', slots: 1, ubatch: 16, contextTokens: given.contextOf?.[model] }),
    prompts: {
      begin: (model: ModelId) => ({ end: (told: PrefixOutcome) => prompts.push({ model, ...told }) }),
    },
    promptRead: (model: ModelId, told: ReadPrompt) => read.push([model, told]),
    observe: (model: ModelId) => observed.push(model),
  };
  const run = startRequest(parts, job, sink);
  const records = (): RequestRecord[] =>
    events.flatMap((happened) => (happened.kind === 'request.finished' ? [happened.record] : []));
  const lane = () => lanes.view('cpu');
  const seen = { paused, released, engines, told, observed, events, prompts, read };
  return { run, clock, lanes, lane, text: () => text, records, leaseOf, ...seen };
}

/** Lets what has been promised happen. */
const settled = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

async function engineOf(played: ReturnType<typeof play>, attempt = 0) {
  await settled();
  const engine = played.engines[attempt];
  if (engine === undefined) throw new Error(`no attempt ${attempt}`);
  return engine;
}

const broken = new GatewayError('runtime_failed', 'it died');

type Played = ReturnType<typeof play>;
const newest = (played: Played) => played.engines.at(-1)?.sink;

/** Everything that can come from either side. An engine says nothing more once it has ended. */
const happenings = {
  head: (played: Played) => newest(played)?.head(200, 'text/event-stream'),
  head500: (played: Played) => newest(played)?.head(500, 'application/json'),
  token: (played: Played) => newest(played)?.chunk(token),
  finish: (played: Played) => newest(played)?.chunk(finish),
  done: (played: Played) => newest(played)?.chunk(done),
  end: (played: Played) => {
    newest(played)?.end();
    return settled();
  },
  failed: (played: Played) => {
    newest(played)?.failed(broken);
    return settled();
  },
  abort: (played: Played) => played.run.abort(),
  cancel: (played: Played) => played.run.cancel(),
  wait: () => settled(),
};

describe('startRequest', () => {
  it('passes a stream through, adds x_router, and gives lane and lease back once', async () => {
    const played = play();
    const { sink } = await engineOf(played);
    sink.head(200, 'text/event-stream');
    played.clock.advance(50);
    for (const part of [token, token, finish, done]) sink.chunk(part);
    sink.end();
    await settled();
    expect(played.told).toEqual([`head ${FIRST}`, 'end']);
    expect(played.text()).toContain(`${token}${token}`);
    expect(played.text()).toMatch(/"x_router":\{.*\}\}\n\ndata: \[DONE\]\n\n$/);
    expect(played.released).toEqual([[FIRST, 'ok']]);
    expect(played.lane()?.running).toHaveLength(0);
    expect(played.observed).toEqual([FIRST]);
    expect(played.records()).toHaveLength(1);
    expect(played.records()[0]).toMatchObject({
      outcome: { kind: 'ok', finishReason: 'stop' },
      actual: { ttftMs: 50, outputTokens: 3, promptTokens: 4, attempts: 1 },
    });
  });

  it('takes another candidate once when the engine dies before its first byte', async () => {
    const played = play();
    (await engineOf(played)).sink.failed(broken);
    const second = await engineOf(played, 1);
    expect(second.model).toBe(SECOND);
    expect(played.released).toEqual([[FIRST, 'failed']]);
    second.sink.failed(broken);
    await settled();
    expect(played.engines).toHaveLength(2);
    expect(played.told).toEqual([`moved ${SECOND}`, 'failed runtime_failed']);
    expect(played.records().map(({ outcome }) => outcome.kind)).toEqual(['failed']);
    expect(played.lane()?.running).toHaveLength(0);
  });

  const tooLongReply = {
    error: { type: 'exceed_context_size_error', message: 'too long', n_prompt_tokens: 5_000, n_ctx: 2_048 },
  };

  it('takes another model with a longer context when the prompt is too long, and learns the true length', async () => {
    const played = play({ contextOf: { first: 2_048, second: 8_192 } });
    const { sink } = await engineOf(played);
    sink.head(400, 'application/json');
    sink.chunk(Buffer.from(JSON.stringify(tooLongReply)));
    sink.end();
    expect((await engineOf(played, 1)).model).toBe(SECOND);
    expect(played.read).toMatchObject([[FIRST, { promptTokens: 5_000 }]]);
    expect(played.prompts).toEqual([{ model: FIRST, promptTokens: 5_000, promptRead: 0 }]);
    expect(played.told).toEqual([`moved ${SECOND}`]);
  });

  it('tells of texts that were embedded how long reading them took, and of no answer', async () => {
    const played = play({ needs: { embeddings: true } });
    const { sink } = await engineOf(played);
    played.clock.advance(40);
    sink.head(200, 'application/json');
    sink.chunk(Buffer.from('{"data":[],"usage":{"prompt_tokens":80,"total_tokens":80}}'));
    sink.end();
    expect(played.observed).toEqual([]);
    expect(played.read).toMatchObject([[FIRST, { promptTokens: 80, prefillMs: 40 }]]);
    expect(played.records()[0]?.actual).toMatchObject({ promptTokens: 80 });
  });

  it('does not try a model whose context is too short as well', async () => {
    const played = play({ contextOf: { first: 2_048, second: 4_096 } });
    const { sink } = await engineOf(played);
    sink.head(400, 'application/json');
    sink.chunk(Buffer.from(JSON.stringify(tooLongReply)));
    sink.end();
    await settled();
    expect(played.engines).toHaveLength(1);
    expect(played.told).toEqual(['failed context_length_exceeded']);
  });

  it('tells what an engine read of a prompt, whole or until it was given up', async () => {
    const whole = play();
    const { sink } = await engineOf(whole);
    sink.head(200, 'text/event-stream');
    for (const part of [token, finish, done]) sink.chunk(part);
    sink.end();
    expect(whole.prompts).toMatchObject([{ promptTokens: 4, outputTokens: 3, promptRead: 1 }]);
    const given = play();
    await engineOf(given);
    given.run.abort();
    expect(given.prompts).toEqual([{ model: FIRST, promptRead: 0 }]);
    const begun = play();
    const { sink: second } = await engineOf(begun);
    second.head(200, 'text/event-stream');
    second.chunk(token);
    begun.run.abort();
    expect(begun.prompts).toEqual([{ model: FIRST, promptRead: 1 }]);
  });

  it('does not try again once the client has seen a byte', async () => {
    const played = play();
    const { sink } = await engineOf(played);
    sink.head(200, 'text/event-stream');
    sink.chunk(token);
    sink.failed(broken);
    await settled();
    expect(played.engines).toHaveLength(1);
    expect(played.told).toEqual([`head ${FIRST}`, 'failed runtime_failed']);
    expect(played.released).toEqual([[FIRST, 'failed']]);
  });

  it('counts an engine that dies after its last word as having answered', async () => {
    const played = play();
    const { sink } = await engineOf(played);
    sink.head(200, 'text/event-stream');
    sink.chunk(token);
    sink.chunk(finish);
    sink.failed(broken);
    await settled();
    expect(played.told).toEqual([`head ${FIRST}`, 'end']);
    expect(played.text().endsWith('data: [DONE]\n\n')).toBe(true);
    expect(played.records()[0]?.outcome.kind).toBe('ok');
  });

  it("does not try again for the client's own mistake", async () => {
    const played = play();
    const { sink } = await engineOf(played);
    sink.head(400, 'application/json');
    sink.chunk(Buffer.from('{"error":{"message":"bad grammar"}}'));
    sink.end();
    await settled();
    expect(played.told).toEqual(['failed runtime_rejected']);
    expect(played.released).toEqual([[FIRST, 'ok']]);
    expect(played.engines).toHaveLength(1);
  });

  it.each([
    { code: 'queue_full', kind: 'refused' },
    { code: 'shutting_down', kind: 'refused' },
    { code: 'model_not_found', kind: 'refused' },
    { code: 'timeout', kind: 'failed' },
  ] as const)('records $code as $kind', async ({ code, kind }) => {
    const played = play({ acquire: () => Promise.reject(new GatewayError(code, 'not now')) });
    await settled();
    expect(played.told).toEqual([`failed ${code}`]);
    expect(played.records().map(({ outcome }) => outcome.kind)).toEqual([kind]);
  });

  it('gives the lane back when the client leaves while the model loads', async () => {
    const played = play({ acquire: () => new Promise(() => undefined) });
    await settled();
    expect(played.lane()?.running).toHaveLength(1);
    played.run.abort();
    expect(played.lane()?.running).toHaveLength(0);
    expect(played.told).toEqual([]);
    expect(played.records().map(({ outcome }) => outcome.kind)).toEqual(['cancelled']);
  });

  it('gives a lease back that comes after the client has left', async () => {
    let grant: (lease: Lease) => void = () => undefined;
    const played = play({
      acquire: () =>
        new Promise((resolve) => {
          grant = resolve;
        }),
    });
    await settled();
    played.run.abort();
    grant(played.leaseOf(FIRST));
    await settled();
    expect(played.released).toEqual([[FIRST, 'ok']]);
    expect(played.engines).toHaveLength(0);
  });

  it('keeps the lane after an abort until the engine has really stopped', async () => {
    const played = play();
    const engine = await engineOf(played);
    played.run.abort();
    expect(engine.aborted).toBe(true);
    expect(played.lane()?.running).toHaveLength(1);
    await settled();
    expect(played.released).toEqual([[FIRST, 'aborted']]);
    expect(played.lane()?.running).toHaveLength(0);
  });

  it('tells the client when somebody else cancels', async () => {
    const played = play();
    await engineOf(played);
    played.run.cancel();
    played.run.cancel();
    played.run.abort();
    await settled();
    expect(played.told).toEqual(['failed cancelled']);
    expect(played.records()).toHaveLength(1);
  });

  describe('interrupted for a more urgent request', () => {
    /** Somebody urgent asks for the lane: too late in a second. */
    const urgent = ({ lanes, clock }: Played) => {
      const nowMs = clock.nowMs();
      const asked = { device: 'cpu', model: modelId('urgent'), class: 'route', predictedMs: 1000 } as const;
      return lanes.admit({ ...asked, deadlineMs: nowMs + 5000, startByMs: nowMs + 1000 }, new AbortController().signal);
    };

    it('is not, for a class that it does not yield to', async () => {
      const played = play({ yieldsTo: ['quality'] });
      const first = await engineOf(played);
      const waits = urgent(played);
      expect(first.aborted).toBe(false);
      played.run.abort();
      await expect(waits).resolves.toBeDefined();
    });

    it('stops its engine, lets the other run, and then answers as if nothing had been', async () => {
      const played = play({ yieldsTo: ['route'] });
      const first = await engineOf(played);
      first.sink.head(200, 'application/json');
      first.sink.chunk(Buffer.from('{"half":'));
      played.clock.advance(4000);
      const admitted = urgent(played);
      await settled();
      expect(first.aborted).toBe(true);
      expect(played.released).toEqual([[FIRST, 'aborted']]);
      expect(played.lane()).toMatchObject({ running: [{ model: 'urgent' }], waiting: [{ model: FIRST }] });
      expect(played.events).toContainEqual({
        kind: 'request.preempted',
        requestId: 'r',
        model: FIRST,
        by: 'route',
        spentMs: 4000,
      });
      expect(played.told).toEqual([]);
      played.clock.advance(1500);
      (await admitted).release();
      const second = await engineOf(played, 1);
      expect(second.model).toBe(FIRST);
      for (const part of [token, finish, done]) {
        if (part === token) second.sink.head(200, 'text/event-stream');
        second.sink.chunk(part);
      }
      second.sink.end();
      expect(played.told).toEqual([`head ${FIRST}`, 'end']);
      expect(played.text()).not.toContain('half');
      expect(played.records()[0]).toMatchObject({
        outcome: { kind: 'ok' },
        actual: { attempts: 1, preempted: 1, lostMs: 4000, queueMs: 1500, e2eMs: 5500 },
      });
    });

    it('is not, once its client has seen a byte', async () => {
      const played = play({ yieldsTo: ['route'] });
      const first = await engineOf(played);
      first.sink.head(200, 'text/event-stream');
      first.sink.chunk(token);
      const waits = urgent(played);
      expect(first.aborted).toBe(false);
      played.run.abort();
      await expect(waits).resolves.toBeDefined();
    });

    it('is over where nobody waits for it: at once, whether or not the other could wait', async () => {
      const played = play({ yieldsTo: ['route'], isItem: true });
      const { aborted, sink } = await engineOf(played);
      expect(aborted).toBe(false);
      sink.head(200, 'text/event-stream');
      sink.chunk(token);
      played.clock.advance(4000);
      const asked = { device: 'cpu', model: modelId('urgent'), class: 'route', predictedMs: 1000 } as const;
      const ticket = await played.lanes.admit({ ...asked, deadlineMs: Infinity }, new AbortController().signal);
      expect(played.told).toEqual([`head ${FIRST}`, 'made way after 4000']);
      expect(played.released).toEqual([[FIRST, 'aborted']]);
      ticket.release();
    });

    it('is over already while its model loads, and waits for it no longer', async () => {
      const acquire = () => new Promise<Lease>(() => undefined);
      const played = play({ yieldsTo: ['route'], isItem: true, acquire });
      await settled();
      played.clock.advance(4000);
      expect(played.lane()).toMatchObject({ running: [{ preemptible: { atOnce: true, cancelMs: 0 } }] });
      const asked = { device: 'cpu', model: modelId('urgent'), class: 'route', predictedMs: 1000 } as const;
      const ticket = await played.lanes.admit({ ...asked, deadlineMs: Infinity }, new AbortController().signal);
      expect(played.told).toEqual(['made way after 0']);
      expect(played.records()[0]?.outcome).toEqual({ kind: 'cancelled' });
      ticket.release();
    });

    describe('whose engine may stand still', () => {
      const ask = ({ lanes }: Played, model: string) => {
        const asked = { device: 'cpu', model: modelId(model), class: 'route', predictedMs: 1000 } as const;
        return lanes.admit({ ...asked, deadlineMs: Infinity }, new AbortController().signal);
      };
      const standing = async () => {
        const played = play({ yieldsTo: ['route'], isItem: true, canPause: true });
        const engine = await engineOf(played);
        played.clock.advance(4000);
        return { played, engine, ticket: await ask(played, 'urgent') };
      };

      it('stands still for another model that is loaded, and goes on where it was', async () => {
        const { played, engine, ticket } = await standing();
        expect(played.told).toEqual(['paused']);
        expect(engine.aborted).toBe(false);
        expect(played.lane()).toMatchObject({ running: [{ model: 'urgent' }], waiting: [{ model: FIRST }] });
        played.clock.advance(9000);
        ticket.release();
        await settled();
        expect(played.told).toEqual(['paused', 'resumed']);
        expect(played.lane()).toMatchObject({
          running: [{ model: FIRST, preemptible: { atOnce: true } }],
          waiting: [],
        });
        engine.sink.head(200, 'text/event-stream');
        for (const part of [token, finish, done]) engine.sink.chunk(part);
        engine.sink.end();
        const { actual } = played.records()[0] ?? {};
        expect(actual).toMatchObject({ pausedMs: 9000, e2eMs: 13_000, outputTokens: 3 });
        expect([actual?.prefillMs, actual?.decodeMs, actual?.preempted]).toEqual([undefined, undefined, undefined]);
        expect(played.observed).toEqual([]);
      });

      it('stands aside again for the next one', async () => {
        const { played, ticket } = await standing();
        ticket.release();
        await settled();
        (await ask(played, 'urgent')).release();
        expect(played.told).toEqual(['paused', 'resumed', 'paused']);
      });

      it('is stopped for its own model, and for one that has to be loaded', async () => {
        for (const model of [FIRST, 'large']) {
          const played = play({ yieldsTo: ['route'], isItem: true, canPause: true });
          const { aborted } = await engineOf(played);
          expect(aborted).toBe(false);
          (await ask(played, model)).release();
          expect(played.told).toEqual(['made way after 0']);
          expect(played.engines[0]?.aborted).toBe(true);
        }
      });

      it('is stopped for good where its child is needed meanwhile', async () => {
        const { played, engine, ticket } = await standing();
        played.clock.advance(9000);
        played.paused.giveUp?.();
        expect(played.told).toEqual(['paused', 'made way after 4000']);
        expect(engine.aborted).toBe(true);
        expect(played.released).toEqual([[FIRST, 'aborted']]);
        ticket.release();
        await settled();
        expect(played.lane()).toMatchObject({ running: [], waiting: [] });
      });

      it('waits for its lane no longer once it is cancelled or its child has died', async () => {
        for (const end of ['abort', 'failed'] as const) {
          const { played, engine, ticket } = await standing();
          if (end === 'abort') played.run.abort();
          else engine.sink.failed(broken);
          ticket.release();
          await settled();
          const running = end === 'abort' ? [] : [{ model: 'second' }];
          expect(played.lane()).toMatchObject({ running, waiting: [] });
          expect(played.released).toHaveLength(1);
        }
      });
    });

    it('is left alone after the third time', async () => {
      const played = play({ yieldsTo: ['route'] });
      for (let time = 0; time < 3; time += 1) {
        await engineOf(played, time);
        const admitted = urgent(played);
        expect(played.engines[time]?.aborted).toBe(true);
        (await admitted).release();
      }
      const last = await engineOf(played, 3);
      const waits = urgent(played);
      expect(last.aborted).toBe(false);
      played.run.abort();
      await expect(waits).resolves.toBeDefined();
    });
  });

  it('ends exactly once and leaves nothing behind, whatever happens in whatever order', async () => {
    const step = fc.constantFrom(...(Object.keys(happenings) as (keyof typeof happenings)[]));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const played = play();
        await settled();
        for (const name of steps) {
          await happenings[name](played);
          if (played.records().length > 0) break;
        }
        await settled();
        played.run.abort();
        await settled();
        expect(played.records()).toHaveLength(1);
        expect(played.told.filter((word) => word === 'end' || word.startsWith('failed')).length).toBeLessThanOrEqual(1);
        expect(played.lane()?.running).toHaveLength(0);
        expect(played.lane()?.waiting).toHaveLength(0);
        expect(played.released).toHaveLength(played.engines.length);
      }),
      { numRuns: 300 },
    );
  });
});
