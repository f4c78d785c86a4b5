import { describe, expect, it } from 'vitest';
import type { Prediction } from '../../src/core/decision.ts';
import type { LaneView } from '../../src/core/snapshot.ts';
import { progressOf, type RunState } from '../../src/serve/run-progress.ts';
import type { LaneRequest } from '../../src/supervise/lane.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

const predicted = { loadMs: 4_000, prefillMs: 1_000 } as Prediction;
const waiting = { device: 'cpu' } as LaneRequest;
const work = (remainingMs: number) => ({ remainingMs }) as LaneView['running'][number];

function progress(state: Partial<RunState>, { lane, ahead }: { lane?: Partial<LaneView>; ahead?: number } = {}) {
  const clock = fakeClock();
  clock.advance(10_000);
  const view = { device: 'cpu', lanes: 1, running: [], waiting: [], ...lane };
  const lanes = { queuePosition: () => ahead, view: () => view };
  return progressOf(
    { clock, lanes },
    {
      predicted,
      receivedMs: 7_000,
      waiting: undefined,
      admittedMs: 9_000,
      sentMs: undefined,
      ...state,
    },
  );
}

describe('progress of a request', () => {
  it('in the queue is what runs and who waits before it, then its own load and prompt', () => {
    const lane = { running: [work(20_000)], waiting: [work(3_000), work(5_000), work(7_000)] };
    expect(progress({ waiting }, { lane, ahead: 2 })).toEqual({
      phase: 'queue',
      ahead: 2,
      elapsedMs: 3_000,
      remainingMs: 20_000 + 3_000 + 5_000 + 4_000 + 1_000,
    });
  });

  it('shares several lanes with those before it', () => {
    const lane = { lanes: 2, running: [work(20_000), work(6_000)], waiting: [work(4_000), work(1)] };
    expect(progress({ waiting }, { lane, ahead: 1 }).remainingMs).toBe(6_000 + 2_000 + 5_000);
  });

  it('is that of a load once it has left the queue, also in the moment between', () => {
    expect(progress({ waiting }, {})).toMatchObject({ phase: 'load' });
    expect(progress({})).toEqual({ phase: 'load', ahead: undefined, elapsedMs: 3_000, remainingMs: 3_000 + 1_000 });
  });

  it('while the prompt is read counts down and never below nothing', () => {
    expect(progress({ sentMs: 9_600 })).toMatchObject({ phase: 'prefill', remainingMs: 600 });
    expect(progress({ sentMs: 1_000 })).toMatchObject({ phase: 'prefill', remainingMs: 0 });
  });
});
