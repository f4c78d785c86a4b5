import { describe, expect, it, onTestFinished } from 'vitest';
import type { GatewayError } from '../../src/core/errors.ts';
import type { Guess } from '../../src/core/guess.ts';
import { modelId } from '../../src/core/ids.ts';
import type { ClassifyPolicy } from '../../src/core/policy.ts';
import type { Profile } from '../../src/core/profile.ts';
import type { ReplySink } from '../../src/core/runtime.ts';
import { createClassifier } from '../../src/serve/classifier.ts';
import { createLanes } from '../../src/supervise/lane.ts';
import type { Lease, ReleaseKind } from '../../src/supervise/supervisor-types.ts';
import { requestFacts } from '../classify/request-facts.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { modelPolicy } from '../helpers/policy-values.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { measured, smallPolicy } from '../route/small-policy.ts';

// One model that may be asked; its engine is played by the test, the lane is the real one.

const TINY = modelId('tiny');
const facts = requestFacts({ lastUserText: 'Write a python function that reverses a list' });
const FAST = measured({ prefill: 4000, decode: 200 });

function play(given: {
  readonly loaded?: boolean;
  readonly profile?: Profile;
  readonly classify?: Partial<ClassifyPolicy>;
}) {
  const clock = fakeClock();
  const base = smallPolicy({ models: [modelPolicy('tiny')] });
  const classify = { ...base.classify, model: { kind: 'model', id: TINY } as const, ...given.classify };
  const policy = { ...base, classify };
  const lanes = createLanes({ clock });
  lanes.configure(policy.devices.values(), 4);
  const asked: { readonly body: string; readonly sink: ReplySink; aborted: boolean }[] = [];
  const released: ReleaseKind[] = [];
  const lease: Lease = {
    model: TINY,
    loadMs: 0,
    cold: false,
    connection: {
      ready: async () => undefined,
      canary: async () => undefined,
      idle: async () => undefined,
      close: () => undefined,
      exchange: (_, body, sink) => {
        const exchange = { body: String(body), sink, aborted: false };
        asked.push(exchange);
        return {
          abort: () => {
            exchange.aborted = true;
          },
          resume: () => undefined,
        };
      },
    },
    release: async (how) => void released.push(how),
    ...{ pausable: false, pause: () => false, resume: () => undefined },
  };
  const classifier = createClassifier({
    serve: {
      clock,
      emit: () => undefined,
      lanes,
      supervisor: {
        acquire: async () => lease,
        tryAcquire: () => (given.loaded === false ? undefined : lease),
        isLoaded: () => given.loaded !== false,
      },
      placeOf: () => ({ device: 'cpu', slots: 1, contextTokens: 4096 }),
    },
    policy: () => policy,
    dataDir: temporaryFolder(),
    profileOf: () => given.profile ?? FAST,
  });
  onTestFinished(() => classifier.close());
  const lane = () =>
    lanes.tryAdmit({ device: 'cpu', class: 'route', model: TINY, deadlineMs: Infinity, predictedMs: 1 });
  const reply = (content: string, status = 200) => {
    const sink = asked[0]?.sink;
    sink?.head(status, 'application/json');
    sink?.chunk(Buffer.from(JSON.stringify({ choices: [{ message: { content } }] })));
    sink?.end();
  };
  return { clock, classifier, asked, released, lane, reply };
}

const noteOf = (guess: Guess | undefined) => ({ by: guess?.by, note: guess?.note });

describe('createClassifier', () => {
  it('has the model of the policy name task and class, on its own lane, and gives the lane back', async () => {
    const { classifier, asked, released, lane, reply } = play({});
    const guess = classifier.guess(facts);
    expect(lane()).toBeUndefined();
    expect(JSON.parse(asked[0]?.body ?? '')).toMatchObject({ model: 'tiny', temperature: 0, stream: false });
    reply(' "Code", quality.\n');
    expect(await guess).toEqual({
      by: 'tiny',
      task: 'code',
      taskShare: undefined,
      class: 'quality',
      classShare: undefined,
    });
    expect(released).toEqual(['ok']);
    await Promise.resolve();
    expect(lane()).toBeDefined();
  });

  it('stops a model that is not done within the budget, and the built-in one answers', async () => {
    const { clock, classifier, asked, released } = play({});
    const guess = classifier.guess(facts);
    clock.advance(299);
    expect(asked[0]?.aborted).toBe(false);
    clock.advance(1);
    expect(noteOf(await guess)).toEqual({ by: 'linear', note: 'tiny did not answer within 300 ms' });
    expect(asked[0]?.aborted).toBe(true);
    expect(released).toEqual(['aborted']);
  });

  it('reads a long message’s ends only, so that the question costs the same', () => {
    const { classifier, asked } = play({});
    void classifier.guess(requestFacts({ lastUserText: `summarize ${'x'.repeat(100_000)} in French` }));
    expect(asked[0]?.body.length).toBeLessThan(2000);
    expect(asked[0]?.body).toMatch(/summarize x+ … x+ in French/);
  });

  it.each([
    ['is not loaded', { loaded: false }, 'tiny is not loaded'],
    ['has no measured speed', { profile: {} }, 'tiny has no measured speed'],
    ['would take too long', { profile: measured({ prefill: 100, decode: 5 }) }, /^tiny would need \d{4} ms of 300 ms$/],
  ])('does not ask a model that %s', (_, given, note) => {
    const { classifier, asked, lane } = play(given);
    const guess = classifier.guess(facts) as Guess;
    expect(guess).toMatchObject({ by: 'linear', task: 'code' });
    expect(guess.note).toMatch(note);
    expect(asked).toEqual([]);
    expect(lane()).toBeDefined();
  });

  it('does not wait for a busy lane', () => {
    const { classifier, lane } = play({});
    expect(lane()).toBeDefined();
    expect(noteOf(classifier.guess(facts) as Guess)).toEqual({ by: 'linear', note: 'tiny is busy' });
  });

  it('takes an answer that names nothing, a refusal and a failure for no guess', async () => {
    const vague = play({});
    const first = vague.classifier.guess(facts);
    vague.reply('I am the tiny model.');
    expect((await first)?.note).toBe('tiny named no task and class');
    const refused = play({});
    const second = refused.classifier.guess(facts);
    refused.reply('', 503);
    expect((await second)?.note).toBe('tiny answered with status 503');
    const broken = play({});
    const third = broken.classifier.guess(facts);
    broken.asked[0]?.sink.failed(Object.assign(new Error('socket hang up')) as GatewayError);
    expect((await third)?.note).toBe('tiny failed: socket hang up');
    expect(broken.released).toEqual(['failed']);
  });

  it('under linear answers at once, under off not at all', () => {
    expect(play({ classify: { model: { kind: 'linear' } } }).classifier.guess(facts)).toMatchObject({
      by: 'linear',
      task: 'code',
    });
    expect(play({ classify: { model: { kind: 'off' } } }).classifier.guess(facts)).toBeUndefined();
    expect(play({}).classifier.status()).toMatchObject({ model: 'tiny', source: 'package' });
  });
});
