import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { modelId } from '../../src/core/ids.ts';
import type { FinishedRun } from '../../src/core/knowledge.ts';
import { createLearner } from '../../src/learn/learner.ts';
import { keepLearned } from '../../src/store/keep-learned.ts';
import { openStore } from '../../src/store/open-store.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const MODEL = modelId('qwen3.5-4b');
const RUN: FinishedRun = {
  nowMs: 1_000,
  device: 'cpu',
  model: MODEL,
  key: { class: 'interactive', task: 'chat', family: 'qwen3.5', thinking: false },
  service: {
    prefillFixedMs: 0,
    prefillMsPerToken: 10,
    prefillContextMs: 0,
    decodeMsPerToken: 100,
    decodeContextMs: 0,
    loadMs: 1_000,
    loadColdMs: undefined,
    unloadMs: 0,
  },
  promptTokens: 100,
  cachedTokens: 0,
  outputTokens: 50,
  prefillMs: 2_000,
  decodeMs: 10_000,
  endedByItself: true,
  quantile: 0.8,
  promisedTtftMs: 1_000,
  promisedE2eMs: 6_000,
  actualTtftMs: 2_000,
  actualE2eMs: 12_000,
  disturbed: false,
};

describe('keepLearned', () => {
  test('what was learned is on disk within three seconds, without anybody closing anything', () => {
    const file = join(temporaryFolder(), 'sluice.db');
    const clock = fakeClock();
    const store = openStore(file, { clock });
    const learner = createLearner();
    const kept = keepLearned(learner, store, clock);
    onTestFinished(() => {
      kept.close();
      store.close();
    });
    learner.observe(RUN);
    clock.advance(3_000);
    const reader = openStore(file, { clock: fakeClock() });
    onTestFinished(() => reader.close());
    const { knowledge } = createLearner({ state: reader.learnedState() });
    expect(knowledge.calibration('cpu', MODEL)).toEqual(learner.knowledge.calibration('cpu', MODEL));
    expect(knowledge.calibration('cpu', MODEL).decode.factor).toBeGreaterThan(1.8);
    expect(knowledge.outputTokens(RUN.key, 0.5)).toMatchObject({ tokens: 50, n: 1 });
    expect(knowledge.conformal('interactive')).toEqual(learner.knowledge.conformal('interactive'));
  });

  test('closing saves what the timer has not', () => {
    const clock = fakeClock();
    const store = openStore(':memory:', { clock });
    onTestFinished(() => store.close());
    const learner = createLearner();
    const kept = keepLearned(learner, store, clock);
    learner.observe(RUN);
    kept.close();
    store.flush();
    expect(createLearner({ state: store.learnedState() }).export()).toEqual(
      JSON.parse(JSON.stringify(learner.export())),
    );
  });

  test('an idle gateway writes nothing', () => {
    const clock = fakeClock();
    const saved: unknown[] = [];
    const kept = keepLearned(createLearner(), { recordLearned: (rows) => saved.push(rows) }, clock);
    clock.advance(60_000);
    kept.close();
    expect(saved).toEqual([]);
  });
});
