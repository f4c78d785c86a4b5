import { describe, expect, it } from 'vitest';
import { FadingCount, USES_FADE_MS } from '../../src/core/fading-count.ts';
import { modelId } from '../../src/core/ids.ts';
import { NO_KNOWLEDGE } from '../../src/core/knowledge.ts';
import type { LaneView } from '../../src/core/snapshot.ts';
import { takeSnapshot } from '../../src/serve/snapshot.ts';
import type { SupervisedModel } from '../../src/supervise/supervisor-types.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { modelFacts, modelPolicy } from '../helpers/policy-values.ts';
import { laneEntry, laneView, NOW_MS, smallPolicy } from '../route/small-policy.ts';

const supervised = (given: Partial<SupervisedModel> = {}): SupervisedModel => ({
  availability: { kind: 'available' },
  facts: modelFacts(),
  runtimeVersion: undefined,
  residency: { kind: 'ready' },
  running: 0,
  parallel: 1,
  memoryBytes: 5e9,
  memoryBasis: 'measured',
  pid: undefined,
  port: undefined,
  startedAtMs: undefined,
  rssBytes: undefined,
  restarts: 0,
  lastLoadMs: undefined,
  uses: new FadingCount(USES_FADE_MS),
  ...given,
});

function snapshot(views: Record<string, SupervisedModel>, lanes: readonly LaneView[], startMs?: number) {
  const window = { startMinute: 22 * 60, endMinute: 7 * 60, timezone: 'Europe/Berlin', text: '22:00-07:00' };
  const policy = smallPolicy({
    models: [modelPolicy('a'), modelPolicy('b')],
    classes: { batch: { window } },
  });
  return takeSnapshot({
    clock: fakeClock(startMs),
    policy: () => policy,
    supervisor: {
      views: () => new Map(Object.entries(views).map(([id, view]) => [modelId(id), view])),
      recentSwaps: () => 2,
      memory: () => ({ budgetBytes: 22e9, pinnedBytes: 1e9, evictableBytes: 2e9 }),
    },
    lanes: { views: () => new Map(lanes.map((lane) => [lane.device, lane])) },
    profileOf: () => ({}),
    prefixCacheOf: () => undefined,
    watch: { staleOf: () => ['kernel: 1 then, 2 now'], coRunOf: () => [] },
    knowledge: NO_KNOWLEDGE,
  });
}

describe('takeSnapshot', () => {
  it('holds the models that have been looked at, and what they share', () => {
    const taken = snapshot({ a: supervised() }, [laneView('cpu')]);
    expect([...taken.models.keys()]).toEqual(['a']);
    expect(taken.models.get(modelId('a'))).toMatchObject({ memoryBytes: 5e9, slotWaitMs: 0, parallel: 1 });
    expect(taken.memory.budgetBytes).toBe(22e9);
    expect(taken.recentSwaps).toBe(2);
    expect([...taken.lanes.keys()]).toEqual(['cpu']);
  });

  it('puts a model together when it is looked at, and lists all of them in the order of the policy', () => {
    const { models } = snapshot({ b: supervised(), a: supervised() }, []);
    const b = models.get(modelId('b'));
    expect(models.get(modelId('b'))).toBe(b);
    expect([models.has(modelId('a')), models.has(modelId('c')), models.size]).toEqual([true, false, 2]);
    expect([...models]).toEqual([...models.entries()]);
    expect([...models.keys()]).toEqual(['a', 'b']);
    expect([...models.values()][1]).toBe(b);
    const visited: string[] = [];
    models.forEach((_, id) => void visited.push(id));
    expect(visited).toEqual(['a', 'b']);
  });

  it('knows how often a model is asked for, and whether its file is likely in memory still', () => {
    const used = (agoMs: number) => {
      const uses = new FadingCount(USES_FADE_MS);
      uses.add(NOW_MS - agoMs);
      return supervised({ uses, lastLoadMs: 800 });
    };
    const { models } = snapshot({ a: used(60_000), b: used(5 * 3_600_000) }, [], NOW_MS);
    const [a, b] = [models.get(modelId('a')), models.get(modelId('b'))];
    expect(a).toMatchObject({ lastUsedMs: NOW_MS - 60_000, fileWarm: true });
    expect(a?.usesPerHour).toBeCloseTo(Math.exp(-1 / 60), 10);
    expect(b).toMatchObject({ fileWarm: false });
    expect(snapshot({ a: supervised() }, []).models.get(modelId('a'))).toMatchObject({
      lastUsedMs: undefined,
      usesPerHour: 0,
      fileWarm: false,
    });
  });

  it('knows no model that the policy has dropped', () => {
    expect(snapshot({ gone: supervised() }, []).models.size).toBe(0);
  });

  it('says when the first slot of a full child is predicted to be free', () => {
    const running = [
      laneEntry({ model: 'a', remainingMs: 9000 }),
      laneEntry({ model: 'a', remainingMs: 4000 }),
      laneEntry({ model: 'b', remainingMs: 1000 }),
    ];
    const busy = supervised({ running: 2, parallel: 2, residency: { kind: 'busy' } });
    const taken = snapshot({ a: busy, b: supervised({ running: 1, parallel: 2 }) }, [laneView('cpu', { running })]);
    expect(taken.models.get(modelId('a'))?.slotWaitMs).toBe(4000);
    expect(taken.models.get(modelId('b'))?.slotWaitMs).toBe(0);
  });

  it.each([
    ['at noon', Date.UTC(2026, 10, 20, 11), { open: false, opensInMs: 10 * 3_600_000 }],
    ['at midnight', Date.UTC(2026, 10, 20, 23), { open: true, opensInMs: 0 }],
  ])('holds the state of windows %s', (_, startMs, expected) => {
    const { windows } = snapshot({}, [], startMs);
    expect([...windows.keys()]).toEqual(['batch']);
    expect(windows.get('batch')).toMatchObject(expected);
  });
});
