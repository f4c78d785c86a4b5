import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MODEL_CLASSES } from '../../src/core/classes.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId } from '../../src/core/ids.ts';
import { createLanes, type Interruption, type LaneRequest, type LaneTicket } from '../../src/supervise/lane.ts';
import { type FakeClock, fakeClock } from '../helpers/fake-clock.ts';

type Wanted = Partial<Omit<LaneRequest, 'model'>> & { readonly model?: string };

function setUp(lanes = 1, queueDepthMax = 64, clock: FakeClock = fakeClock()) {
  const events: GatewayEvent[] = [];
  const queues = createLanes({ clock, emit: (event) => events.push(event) });
  queues.configure([{ id: 'cpu', lanes }], queueDepthMax);
  const request = ({ model = 'a', ...given }: Wanted = {}): LaneRequest => ({
    device: 'cpu',
    class: 'interactive',
    deadlineMs: clock.nowMs() + 45_000,
    predictedMs: 10_000,
    ...given,
    model: modelId(model),
  });
  return { clock, events, queues, request };
}

const forever = new AbortController().signal;
// Admission answers in promises; everything that has been granted or refused is known after the microtasks have run.
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

function track(promise: Promise<LaneTicket>) {
  const seen: { ticket?: LaneTicket; error?: unknown } = {};
  promise.then(
    (ticket) => {
      seen.ticket = ticket;
    },
    (error: unknown) => {
      seen.error = error;
    },
  );
  return seen;
}

describe('lanes: admission', () => {
  it('a free lane is given without waiting, a taken one is not', () => {
    const { queues, request } = setUp(2);
    expect(queues.tryAdmit(request())?.queueMs).toBe(0);
    expect(queues.tryAdmit(request())).toBeDefined();
    expect(queues.tryAdmit(request())).toBeUndefined();
    expect(queues.view('cpu')).toMatchObject({ lanes: 2, running: [{ model: 'a' }, { model: 'a' }], waiting: [] });
  });

  it('a released lane goes to the one who waits, with the time it waited', async () => {
    const { clock, queues, request } = setUp();
    const first = await queues.admit(request(), forever);
    const second = track(queues.admit(request({ model: 'b' }), forever));
    await settled();
    expect(second.ticket).toBeUndefined();
    clock.advance(3000);
    first.release();
    await settled();
    expect(second.ticket?.queueMs).toBe(3000);
    expect(queues.view('cpu')).toMatchObject({ running: [{ model: 'b' }], waiting: [] });
  });

  it('releasing twice frees one lane', async () => {
    const { queues, request } = setUp();
    const first = await queues.admit(request(), forever);
    first.release();
    const second = queues.tryAdmit(request());
    first.release();
    expect(second).toBeDefined();
    expect(queues.tryAdmit(request())).toBeUndefined();
  });

  it('class goes before deadline and deadline before arrival', async () => {
    const { clock, queues, request } = setUp();
    const held = await queues.admit(request(), forever);
    const order: string[] = [];
    const enter = (name: string, given: Wanted) =>
      queues.admit(request({ model: name, ...given }), forever).then((ticket) => {
        order.push(name);
        ticket.release();
      });
    const all = [
      enter('batch', { class: 'batch', deadlineMs: Number.POSITIVE_INFINITY }),
      enter('late', { deadlineMs: clock.nowMs() + 60_000 }),
      enter('soon', { deadlineMs: clock.nowMs() + 5000 }),
      enter('quality', { class: 'quality' }),
      enter('route', { class: 'route' }),
    ];
    held.release();
    await Promise.all(all);
    expect(order).toEqual(['route', 'soon', 'late', 'quality', 'batch']);
  });

  it('an entry that has waited twice its budget goes before a newer one of the class above', async () => {
    const { clock, queues, request } = setUp();
    const held = await queues.admit(request(), forever);
    const old = track(queues.admit(request({ class: 'quality', deadlineMs: clock.nowMs() + 60_000 }), forever));
    clock.advance(120_000);
    const fresh = track(queues.admit(request(), forever));
    held.release();
    await settled();
    expect(old.ticket).toBeDefined();
    expect(fresh.ticket).toBeUndefined();
  });

  it('a retried request keeps its age', async () => {
    const { clock, queues, request } = setUp();
    const held = await queues.admit(request(), forever);
    const deadlineMs = clock.nowMs() + 45_000;
    const newer = track(queues.admit(request({ deadlineMs }), forever));
    const retried = track(queues.admit(request({ deadlineMs, arrivedMs: clock.nowMs() - 5000 }), forever));
    held.release();
    await settled();
    expect(retried.ticket).toBeDefined();
    expect(newer.ticket).toBeUndefined();
  });

  it('a model without a free slot lets others of its lane go first', async () => {
    const { queues, request } = setUp(2);
    const nine = await queues.admit(request({ model: 'nine', slots: 1 }), forever);
    const second = track(queues.admit(request({ model: 'nine', slots: 1 }), forever));
    await settled();
    expect(second.ticket).toBeUndefined();
    expect(queues.tryAdmit(request({ model: 'nine', slots: 1 }))).toBeUndefined();
    expect(queues.tryAdmit(request({ model: 'four', slots: 1 }))).toBeDefined();
    nine.release();
    await settled();
    expect(second.ticket).toBeDefined();
  });

  it('an unknown device is refused by name', async () => {
    const { queues, request } = setUp();
    await expect(queues.admit(request({ device: 'gpu' }), forever)).rejects.toThrow(
      'device "gpu" is not in the policy',
    );
  });
});

describe('lanes: leaving the queue', () => {
  it('an abort leaves at once with its reason, and nobody waits behind it', async () => {
    const { queues, request } = setUp();
    const held = await queues.admit(request(), forever);
    const cancel = new AbortController();
    const gone = track(queues.admit(request({ class: 'route' }), cancel.signal));
    const next = track(queues.admit(request(), forever));
    cancel.abort(new Error('client left'));
    await settled();
    expect(gone.error).toEqual(new Error('client left'));
    expect(queues.view('cpu')?.waiting).toHaveLength(1);
    held.release();
    await settled();
    expect(next.ticket).toBeDefined();
  });

  it('a request that was aborted before it came does not enter', async () => {
    const { queues, request } = setUp();
    await expect(queues.admit(request(), AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(queues.view('cpu')?.running).toEqual([]);
  });

  it('an abort after admission changes nothing: the ticket is still to be released', async () => {
    const { queues, request } = setUp();
    const cancel = new AbortController();
    const ticket = await queues.admit(request(), cancel.signal);
    cancel.abort();
    expect(queues.view('cpu')?.running).toHaveLength(1);
    ticket.release();
    expect(queues.view('cpu')?.running).toHaveLength(0);
  });

  it('one more than the bound of its class is refused with the predicted wait, other classes are not', async () => {
    const { queues, request } = setUp(1, 2);
    await queues.admit(request({ predictedMs: 20_000 }), forever);
    const waiting = [1, 2].map(() => track(queues.admit(request({ predictedMs: 5000 }), forever)));
    const refused = track(queues.admit(request(), forever));
    const other = track(queues.admit(request({ class: 'quality' }), forever));
    await settled();
    expect(refused.error).toBeInstanceOf(GatewayError);
    expect(refused.error).toMatchObject({ code: 'queue_full', details: { retryAfterMs: 30_000, shouldRetry: false } });
    expect([...waiting, other].map((seen) => seen.error)).toEqual([undefined, undefined, undefined]);
  });

  it('a wait that is too long ends by itself, and its timer goes with an earlier admission', async () => {
    const { clock, queues, request } = setUp();
    const held = await queues.admit(request(), forever);
    const impatient = track(queues.admit(request({ maxWaitMs: 2000 }), forever));
    const lucky = track(queues.admit(request({ maxWaitMs: 60_000 }), forever));
    clock.advance(2000);
    await settled();
    expect(impatient.error).toMatchObject({ code: 'timeout' });
    held.release();
    await settled();
    expect(lucky.ticket).toBeDefined();
    expect(clock.timers()).toBe(0);
  });

  it('closing refuses those who wait and those who come, and leaves the running alone', async () => {
    const { queues, request } = setUp();
    const held = await queues.admit(request(), forever);
    const waiting = track(queues.admit(request(), forever));
    queues.close(new GatewayError('shutting_down', 'the gateway stops'));
    await settled();
    expect(waiting.error).toMatchObject({ code: 'shutting_down' });
    await expect(queues.admit(request(), forever)).rejects.toMatchObject({ code: 'shutting_down' });
    expect(() => queues.tryAdmit(request())).toThrow('the gateway stops');
    expect(queues.view('cpu')?.running).toHaveLength(1);
    held.release();
  });
});

describe('lanes: reconfiguration', () => {
  it('more lanes admit those who wait at once', async () => {
    const { queues, request } = setUp(1);
    await queues.admit(request(), forever);
    const waiting = [1, 2].map(() => track(queues.admit(request(), forever)));
    queues.configure([{ id: 'cpu', lanes: 3 }], 64);
    await settled();
    expect(waiting.every((seen) => seen.ticket !== undefined)).toBe(true);
  });

  it('fewer lanes let the running finish and admit nobody until then', async () => {
    const { queues, request } = setUp(2);
    const [first, second] = [await queues.admit(request(), forever), await queues.admit(request(), forever)];
    const waiting = track(queues.admit(request(), forever));
    queues.configure([{ id: 'cpu', lanes: 1 }], 64);
    first.release();
    await settled();
    expect(waiting.ticket).toBeUndefined();
    second.release();
    await settled();
    expect(waiting.ticket).toBeDefined();
  });

  it('a device that leaves refuses those who wait and says so', async () => {
    const { events, queues, request } = setUp();
    const held = await queues.admit(request(), forever);
    const waiting = track(queues.admit(request(), forever));
    queues.configure([{ id: 'npu', lanes: 1 }], 64);
    await settled();
    expect(waiting.error).toMatchObject({ code: 'model_unavailable' });
    expect(events).toMatchObject([{ kind: 'gateway.notice', level: 'warn' }]);
    expect([...queues.views().keys()]).toEqual(['npu']);
    held.release();
  });
});

describe('lanes: view', () => {
  it('what is left of a run shrinks with time, follows updates, and never reaches zero', async () => {
    const { clock, queues, request } = setUp();
    const ticket = await queues.admit(request({ predictedMs: 10_000 }), forever);
    const left = () => queues.view('cpu')?.running[0]?.remainingMs;
    expect(left()).toBe(10_000);
    clock.advance(4000);
    expect(left()).toBe(6000);
    ticket.update(20_000);
    clock.advance(5000);
    expect(left()).toBe(15_000);
    clock.advance(60_000);
    expect(left()).toBe(2000);
  });

  it('those who wait stand in the order they will enter, and know their place', async () => {
    const { clock, queues, request } = setUp();
    await queues.admit(request(), forever);
    const late = request({ model: 'late', deadlineMs: clock.nowMs() + 90_000 });
    const soon = request({ model: 'soon' });
    void track(queues.admit(late, forever));
    void track(queues.admit(soon, forever));
    expect(
      queues
        .views()
        .get('cpu')
        ?.waiting.map((entry) => entry.model),
    ).toEqual(['soon', 'late']);
    expect([queues.queuePosition(soon), queues.queuePosition(late)]).toEqual([0, 1]);
    expect(queues.queuePosition(request())).toBeUndefined();
  });
});

describe('lanes: any course of events', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('arrive' as const),
      class: fc.constantFrom(...MODEL_CLASSES),
      budgetMs: fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.constant(Number.POSITIVE_INFINITY)),
      slots: fc.constantFrom(1, 2, undefined),
      model: fc.constantFrom('a', 'b'),
    }),
    fc.record({ kind: fc.constant('release' as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant('abort' as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant('resize' as const), lanes: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 200_000 }) }),
  );
  type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

  type Participant = { readonly seen: ReturnType<typeof track>; readonly cancel: AbortController; released: boolean };

  function startCourse(orderIsExact: boolean) {
    const { clock, queues, request } = setUp(1, 5);
    const course: Participant[] = [];
    const running = () => course.filter(({ seen, released }) => seen.ticket !== undefined && !released);
    const pick = (from: readonly Participant[], at: number) => from[at % Math.max(1, from.length)];
    const leave = (participant: Participant) => {
      participant.released = true;
      participant.seen.ticket?.release();
    };

    const releaseOne = (at: number) => {
      const chosen = pick(running(), at);
      if (chosen === undefined) return;
      const view = queues.view('cpu')!;
      const first = view.waiting[0];
      const frees = view.running.length <= view.lanes;
      leave(chosen);
      if (first !== undefined && frees && orderIsExact) expect(queues.view('cpu')?.running).toContain(first);
    };

    const apply = (one: Step) => {
      if (one.kind === 'release') releaseOne(one.at);
      if (one.kind === 'abort') pick(course, one.at)?.cancel.abort();
      if (one.kind === 'resize') queues.configure([{ id: 'cpu', lanes: one.lanes }], 5);
      if (one.kind === 'pass') clock.advance(one.ms);
      if (one.kind !== 'arrive') return;
      const cancel = new AbortController();
      const { budgetMs, class: modelClass, model } = one;
      const slots = orderIsExact ? undefined : one.slots;
      const asked = request({ class: modelClass, deadlineMs: clock.nowMs() + budgetMs, slots, model });
      course.push({ seen: track(queues.admit(asked, cancel.signal)), cancel, released: false });
    };

    return { queues, course, running, leave, apply };
  }

  async function play(steps: readonly Step[], orderIsExact: boolean) {
    const { queues, course, running, leave, apply } = startCourse(orderIsExact);
    for (const one of steps) {
      const runningBefore = queues.view('cpu')!.running.length;
      apply(one);
      await settled();
      const view = queues.view('cpu')!;
      expect(view.running.length).toBeLessThanOrEqual(Math.max(view.lanes, runningBefore));
      expect(view.running.length).toBe(running().length);
      const undecided = course.filter(({ seen }) => seen.ticket === undefined && seen.error === undefined);
      expect(view.waiting.length).toBe(undecided.length);
    }
    queues.configure([{ id: 'cpu', lanes: 2 }], 5);
    for (let round = 0; round <= course.length; round += 1) {
      await settled();
      running().forEach(leave);
    }
    await settled();
    expect(queues.view('cpu')).toMatchObject({ running: [], waiting: [] });
    for (const { seen } of course) expect((seen.ticket === undefined) !== (seen.error === undefined)).toBe(true);
  }

  it('never runs more than its lanes, loses nobody, and ends every wait in one way', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) => play(steps, false));
    await fc.assert(property, { numRuns: 150 });
  });

  it('the first in the order shown is the one who enters, where no slots stand in the way', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) => play(steps, true));
    await fc.assert(property, { numRuns: 150 });
  });
});

describe('lanes: interruption', () => {
  /** A lane on which a batch run of 100 s may be interrupted; its engine takes 400 ms to stop. */
  async function interruptible(lanes = 1, given: Wanted = {}) {
    const bed = setUp(lanes);
    const batch = { class: 'batch', deadlineMs: Number.POSITIVE_INFINITY, predictedMs: 100_000 } as const;
    const ticket = await bed.queues.admit(bed.request({ model: 'batch', ...batch, ...given }), forever);
    const by: string[] = [];
    const interruption: Interruption = {
      by: ['route', 'interactive'],
      cancelMs: () => 400,
      interrupt: (name) => by.push(name),
    };
    ticket.allowInterruption(interruption);
    const urgent = (withinMs: number, more: Wanted = {}) =>
      track(
        bed.queues.admit(bed.request({ model: 'urgent', startByMs: bed.clock.nowMs() + withinMs, ...more }), forever),
      );
    return { ...bed, ticket, by, urgent, interruption };
  }

  it('a request that would be late by waiting takes the place of batch work, once its engine has stopped', async () => {
    const { queues, ticket, by, urgent } = await interruptible();
    const newcomer = urgent(20_000);
    expect(by).toEqual(['interactive']);
    expect(queues.view('cpu')).toMatchObject({ running: [{ model: 'batch', remainingMs: 400 }] });
    await settled();
    expect(newcomer.ticket).toBeUndefined();
    ticket.release();
    await settled();
    expect(newcomer.ticket).toBeDefined();
    expect(queues.view('cpu')).toMatchObject({ running: [{ model: 'urgent' }], waiting: [] });
  });

  it('who made way is let wait again although the queue is full', async () => {
    const { queues, request } = setUp(1, 1);
    queues.tryAdmit(request({ model: 'urgent' }));
    const batch = { class: 'batch', deadlineMs: Number.POSITIVE_INFINITY } as const;
    const waiting = track(queues.admit(request(batch), forever));
    const refused = track(queues.admit(request(batch), forever));
    const returning = track(queues.admit(request({ ...batch, returning: true }), forever));
    await settled();
    expect(refused.error).toMatchObject({ code: 'queue_full' });
    expect([waiting.error, returning.error]).toEqual([undefined, undefined]);
    expect(queues.view('cpu')?.waiting).toHaveLength(2);
  });

  it('nobody is interrupted twice for two that wait', async () => {
    const { by, urgent } = await interruptible();
    urgent(20_000);
    urgent(20_000);
    expect(by).toHaveLength(1);
  });

  it('a request that can wait does not interrupt, unless the run turns out to be longer', async () => {
    const { clock, by, urgent } = await interruptible();
    urgent(150_000);
    expect(by).toEqual([]);
    clock.advance(149_000);
    expect(by).toEqual([]);
    clock.advance(700);
    expect(by).toEqual(['interactive']);
  });

  it('a look that is no longer needed is not taken', async () => {
    const { clock, ticket, by, urgent } = await interruptible();
    urgent(150_000);
    ticket.release();
    await settled();
    clock.advance(200_000);
    expect(by).toEqual([]);
    expect(clock.timers()).toBe(0);
  });

  it.each<[string, Wanted, number]>([
    ['of a class that it does not yield to', { class: 'quality' }, 0],
    ['without a target', { startByMs: Number.POSITIVE_INFINITY }, 0],
    ['of a class that it yields to', { class: 'route' }, 1],
  ])('a request %s interrupts %j: %d', async (_, more, times) => {
    const { by, urgent } = await interruptible();
    urgent(1000, more);
    expect(by).toHaveLength(times);
  });

  it('a run that is nearly done, or has let its answer begin, is left alone', async () => {
    const done = await interruptible();
    done.clock.advance(81_000);
    done.urgent(1000);
    expect(done.by).toEqual([]);
    const begun = await interruptible();
    begun.ticket.allowInterruption(undefined);
    begun.urgent(1000);
    expect(begun.by).toEqual([]);
  });

  it('batch work that has waited long enough to go first is not interrupted', async () => {
    const { clock, request, queues } = setUp();
    const arrivedMs = clock.nowMs() - 5 * 3_600_000;
    const ticket = queues.tryAdmit(
      request({ class: 'batch', arrivedMs, deadlineMs: Number.POSITIVE_INFINITY, predictedMs: 100_000 }),
    );
    const by: string[] = [];
    ticket?.allowInterruption({ by: ['interactive'], cancelMs: () => 400, interrupt: (name) => by.push(name) });
    track(queues.admit(request({ startByMs: clock.nowMs() + 1000 }), forever));
    expect(by).toEqual([]);
  });

  it('a run that makes way at once does so for whoever is more urgent, late or not, and at any age', async () => {
    const { clock, queues, by, ticket, urgent, interruption } = await interruptible();
    ticket.allowInterruption({ ...interruption, atOnce: true });
    const quality = urgent(0, { class: 'quality' });
    expect(by).toEqual([]);
    clock.advance(7 * 3_600_000);
    urgent(Number.POSITIVE_INFINITY, { class: 'interactive' });
    expect(by).toEqual(['interactive']);
    expect(queues.view('cpu')).toMatchObject({ running: [{ remainingMs: 400, preemptible: undefined }] });
    ticket.release();
    await settled();
    expect(quality.ticket === undefined).toBe(false);
  });

  it('of several runs the one with the most left makes way, and with a full child one of that child', async () => {
    const { queues, request, by, urgent, interruption } = await interruptible(2);
    const longer = queues.tryAdmit(request({ model: 'longer', class: 'batch', predictedMs: 900_000 }));
    const told: string[] = [];
    longer?.allowInterruption({ ...interruption, interrupt: () => told.push('longer') });
    urgent(1000, { model: 'batch', slots: 1 });
    expect([by, told]).toEqual([['interactive'], []]);
  });

  it('a full child makes a newcomer look again only once', async () => {
    const { clock, by, urgent } = await interruptible(2);
    urgent(150_000, { model: 'batch', slots: 1 });
    clock.advance(149_700);
    expect(by).toEqual(['interactive']);
  });

  it('whoever waits when a run becomes interruptible interrupts it then', async () => {
    const { queues, request, clock } = setUp();
    const ticket = queues.tryAdmit(
      request({ class: 'batch', predictedMs: 100_000, deadlineMs: Number.POSITIVE_INFINITY }),
    );
    track(queues.admit(request({ startByMs: clock.nowMs() + 1000 }), forever));
    const by: string[] = [];
    ticket?.allowInterruption({ by: ['interactive'], cancelMs: () => 400, interrupt: (name) => by.push(name) });
    expect(by).toEqual(['interactive']);
  });
});

describe('lanes: remaining work', () => {
  it('follows a function of the time since it was given', async () => {
    const { clock, queues, request } = setUp();
    const ticket = await queues.admit(request(), forever);
    ticket.update((elapsedMs) => 5000 - 2 * elapsedMs);
    clock.advance(1000);
    expect(queues.view('cpu')?.running[0]?.remainingMs).toBe(3000);
    clock.advance(9000);
    expect(queues.view('cpu')?.running[0]?.remainingMs).toBe(0);
  });
});
