import { describe, expect, it } from 'vitest';
import type { Decision } from '../../src/core/decision.ts';
import { modelId } from '../../src/core/ids.ts';
import { type Asked, type BoardState, board, decideOn, EVERYTHING, NPU, shippedPolicy } from './board.ts';
import { laneEntry, laneView, NOW_MS } from './small-policy.ts';

// The shipped policy on the reference board: what a request gets, with nothing measured yet.

const SHORT: Asked = { lastUserText: 'Write a function that reverses a list in Python, please.' };
const closed = new Map([['batch', { open: false, opensInMs: 7_200_000 }]] as const);
const textOf = (tokens: number): Asked => ({ promptChars: Math.round(tokens * 3.6), messageCount: 0 });

type Row = readonly [name: string, asked: Asked, state: BoardState, model: string, degraded: boolean];

const ROWS: readonly Row[] = [
  ['a short coding question', SHORT, {}, 'qwen3.5-4b', false],
  ['a short chat', { lastUserText: 'Good evening, how was your day?' }, {}, 'qwen3.5-4b', false],
  ['a short chat that is not streamed', { stream: false }, {}, 'qwen3.5-4b', false],
  ['a short question with NPU models there', SHORT, { available: EVERYTHING }, 'qwen3.5-4b', false],
  ['the same for quality', { ...SHORT, model: 'auto:quality' }, {}, 'qwen3.5-9b', false],
  [
    'the same for quality by header',
    { ...SHORT, classHint: { value: 'quality', source: 'x-router-class' } },
    {},
    'qwen3.5-9b',
    false,
  ],
  ['the same on the flex tier', { ...SHORT, serviceTier: 'flex' }, {}, 'qwen3.5-9b', false],
  [
    'the same for quality with 9B not loaded',
    { ...SHORT, model: 'auto:quality' },
    { stopped: ['qwen3.5-9b'] },
    'qwen3.5-9b',
    false,
  ],
  // 9B would need 600/6.48 + 300/1.62 = 278 s; 4B needs 183 s.
  ['quality with 600 prompt tokens', { ...textOf(600), model: 'auto:quality' }, {}, 'qwen3.5-4b', false],
  // 4B would need 1500/9.73 + 300/2.48 = 275 s > 240 s, 9B 417 s.
  ['quality with 1,500 prompt tokens', { ...textOf(1500), model: 'auto:quality' }, {}, 'qwen3.5-4b', true],
  ['a long prompt without a hint', textOf(1000), {}, 'qwen3.5-4b', true],
  [
    'a title with the NPU there',
    { lastUserText: 'Generate a title for this conversation: we spoke of bread.' },
    { available: EVERYTHING },
    'qwen3-1.7b',
    false,
  ],
  [
    'a title without NPU',
    { lastUserText: 'Generate a title for this conversation: bread.' },
    {},
    'qwen3.5-0.8b',
    false,
  ],
  ['a title prompt too long for 1.5 s', { ...textOf(200), maxTokens: 16 }, {}, 'qwen3.5-0.8b', true],
  [
    'a classification into 16 tokens with the NPU there',
    { ...textOf(60), maxTokens: 16 },
    { available: EVERYTHING },
    'qwen3-1.7b',
    false,
  ],
  ['a classification into 16 tokens without NPU', { ...textOf(25), maxTokens: 16 }, {}, 'qwen3.5-0.8b', false],
  [
    'a classification by JSON schema with the NPU there',
    { ...textOf(25), maxTokens: 16, responseFormat: 'json_schema' },
    { available: EVERYTHING },
    'qwen3.5-0.8b',
    false,
  ],
  ['a JSON schema', { responseFormat: 'json_schema' }, { available: EVERYTHING }, 'qwen3.5-4b', false],
  [
    'a JSON schema with only 2B left on the CPU',
    { responseFormat: 'json_schema' },
    { available: [...NPU, 'qwen3.5-2b'] },
    'qwen3.5-2b',
    true,
  ],
  [
    'a tool loop with the NPU there',
    { inToolLoop: true, maxTokens: 20 },
    { available: EVERYTHING },
    'qwen3.5-0.8b',
    false,
  ],
  ['logprobs with NPU models and 9B', { logprobs: true }, { available: [...NPU, 'qwen3.5-9b'] }, 'qwen3.5-9b', true],
  ['only small models for a chat', SHORT, { available: ['qwen3.5-0.8b', 'qwen3.5-2b'] }, 'qwen3.5-2b', true],
  ['batch in its window', { ...SHORT, model: 'auto:batch' }, {}, 'qwen3.5-27b', false],
  [
    'batch in its window without 27B',
    { ...SHORT, model: 'auto:batch' },
    { available: ['qwen3.5-0.8b', 'qwen3.5-4b', 'qwen3.5-9b'] },
    'qwen3.5-9b',
    false,
  ],
  ['4B by alias for a long answer', { ...textOf(500), model: 'default' }, {}, 'qwen3.5-4b', true],
  ['0.8B by friendly name for a chat', { model: 'Qwen3.5-0.8B' }, {}, 'qwen3.5-0.8b', false],
  ['9B by file name', { model: 'Qwen3.5-9B-Q4_K_M.gguf' }, {}, 'qwen3.5-9b', true],
  ['27B by name in the window', { model: 'qwen3.5-27b' }, {}, 'qwen3.5-27b', false],
  ['the NPU by alias', { model: 'fast' }, { available: EVERYTHING }, 'qwen3-1.7b', false],
];

describe('decide: the shipped policy with reference figures', () => {
  it.each(ROWS)('%s', (_name, asked, state, model, degraded) => {
    const decision = decideOn(asked, state);
    expect(decision).toMatchObject({ kind: 'chosen', model, degraded });
    expect(decision.candidates.find((candidate) => candidate.model === model)?.predicted?.basis).toMatch(
      /reference|estimated/,
    );
  });

  it('27B is never chosen outside of batch', () => {
    for (const modelClass of ['route', 'interactive', 'quality']) {
      for (const tokens of [10, 500, 2000, 5000]) {
        const decision = decideOn({ ...textOf(tokens), model: `auto:${modelClass}` }, { available: ['qwen3.5-27b'] });
        expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'no_usable_model' } });
        expect(candidate(decision, 'qwen3.5-27b').reason).toBe(`serves only class batch, not ${modelClass}`);
      }
    }
  });

  it('9B busy and 4B free with a tight deadline gives 4B', () => {
    const nine = laneEntry({
      class: 'quality',
      model: 'qwen3.5-9b',
      remainingMs: 150_000,
      deadlineMs: NOW_MS + 200_000,
    });
    const asked = { ...SHORT, model: 'auto:quality' };
    const state = { lanes: [laneView('cpu', { lanes: 2, running: [nine] })] };
    const decision = decideOn(asked, state);
    expect(decision).toMatchObject({ kind: 'chosen', model: 'qwen3.5-4b', degraded: false });
    expect(candidate(decision, 'qwen3.5-9b').reason).toContain('wait 150 s');
    expect(decideOn(asked, { lanes: [laneView('cpu', { lanes: 2 })] })).toMatchObject({ model: 'qwen3.5-9b' });
  });

  it('with one lane both wait, and only 4B still meets the deadline', () => {
    const nine = laneEntry({ class: 'quality', model: 'qwen3.5-9b', remainingMs: 60_000 });
    const decision = decideOn({ ...SHORT, model: 'auto:quality' }, { lanes: [laneView('cpu', { running: [nine] })] });
    expect(decision).toMatchObject({ kind: 'chosen', model: 'qwen3.5-4b', degraded: false });
    expect(decision.kind === 'chosen' && decision.predicted.waitMs).toBe(60_000);
  });

  it('waiting batch work does not delay an interactive request', () => {
    const batch = laneEntry({
      class: 'batch',
      model: 'qwen3.5-4b',
      remainingMs: 900_000,
      deadlineMs: Number.POSITIVE_INFINITY,
    });
    const running = laneEntry({ model: 'qwen3.5-4b', remainingMs: 3000 });
    const state = { lanes: [laneView('cpu', { running: [running], waiting: [batch] })] };
    expect(decideOn(SHORT, state)).toMatchObject({ model: 'qwen3.5-4b', degraded: false, predicted: { waitMs: 3000 } });
  });

  it('aged batch work does', () => {
    const arrivedMs = NOW_MS - 6 * 3_600_000;
    const batch = laneEntry({
      class: 'batch',
      model: 'qwen3.5-4b',
      remainingMs: 900_000,
      arrivedMs,
      deadlineMs: Number.POSITIVE_INFINITY,
    });
    const running = laneEntry({ model: 'qwen3.5-4b', remainingMs: 3000 });
    const state = { lanes: [laneView('cpu', { running: [running], waiting: [batch] })] };
    expect(decideOn(SHORT, state)).toMatchObject({ degraded: true, predicted: { waitMs: 903_000 } });
  });

  it('the reasons carry the figures of winner and losers', () => {
    const decision = decideOn(SHORT);
    expect(decision.kind === 'chosen' && decision.reason).toMatch(
      /^qwen3\.5-4b: e2e 3\d s <= 45 s \(prefill [\d.]+ s \+ decode 32 s, reference\); preferred; qwen3\.5-9b e2e 5\d s > 45 s \(/,
    );
    expect(candidate(decision, 'qwen3.5-2b').reason).toBe('quality 0.52 < 0.65');
    expect(candidate(decision, 'qwen3.5-27b').reason).toBe('serves only class batch, not interactive');
    expect(candidate(decision, 'qwen3-1.7b').reason).toContain('does not exist');
  });

  it('a degraded choice says by how much it misses', () => {
    const decision = decideOn({ ...textOf(1500), model: 'auto:quality' });
    expect(decision.kind === 'chosen' && decision.reason).toMatch(
      /^qwen3\.5-4b: degraded: e2e 275 s > 240 s \(prefill 154 s \+ decode 121 s, reference\); no model meets class quality/,
    );
  });
});

describe('decide: refusals of the shipped policy', () => {
  it('a prompt longer than every context is refused with both numbers', () => {
    const decision = decideOn({ ...textOf(3000), maxTokens: 200 });
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'context_length_exceeded' } });
    expect(candidate(decision, 'qwen3.5-4b').reason).toBe('prompt 3000 + output 80 tokens > context 2048');
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('context 2048');
  });

  it('the largest usable context is the one named', () => {
    const decision = decideOn({ ...textOf(6000), model: 'auto:route' }, { available: EVERYTHING });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain(
      'qwen3-1.7b: prompt 6000 + output 24 tokens > context 4096',
    );
  });

  it('a prompt that fits the NPU only goes there', () => {
    const decision = decideOn({ ...textOf(3000), model: 'auto:route' }, { available: EVERYTHING });
    expect(decision).toMatchObject({ kind: 'chosen', model: 'qwen3-1.7b', degraded: true });
  });

  it('an image without a vision model is an unsupported feature', () => {
    const decision = decideOn({ imageCount: 1 }, { available: EVERYTHING });
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'unsupported_feature' } });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('cannot do images');
  });

  it('batch outside its window is told when it opens', () => {
    const decision = decideOn({ ...SHORT, model: 'auto:batch' }, { windows: closed });
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'outside_window', retryAfterMs: 7_200_000 } });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('22:00-07:00, which opens in 2 h');
  });

  it('27B by name outside the window is told the same', () => {
    const decision = decideOn({ model: 'qwen3.5-27b' }, { windows: closed });
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'outside_window', retryAfterMs: 7_200_000 } });
  });

  it('a closed batch window is no concern of other classes', () => {
    expect(decideOn(SHORT, { windows: closed })).toMatchObject({ kind: 'chosen', model: 'qwen3.5-4b' });
  });

  it('with nothing usable every reason and remedy is given', () => {
    const decision = decideOn(SHORT, { available: [] });
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'no_usable_model' } });
    const message = decision.kind === 'refused' ? decision.refusal.message : '';
    for (const id of shippedPolicy.models.keys()) expect(message).toContain(id);
    expect(message).toContain('put the file there');
  });

  it('a named model that cannot be used is refused with its own reason, though others could answer', () => {
    const decision = decideOn({ model: 'fast' });
    expect(decision).toMatchObject({
      kind: 'refused',
      refusal: { code: 'model_unavailable' },
      candidates: [{ model: 'qwen3-1.7b' }],
    });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('put the file there');
  });

  it('a named model that cannot do what is asked is refused, not replaced', () => {
    const decision = decideOn({ model: 'fast', responseFormat: 'json_schema' }, { available: EVERYTHING });
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'unsupported_feature' } });
  });

  it('a prompt too long for the named model is refused with both numbers', () => {
    const decision = decideOn({ ...textOf(3000), model: 'default' }, { available: EVERYTHING });
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'context_length_exceeded' } });
  });

  it('27B is out where the budget is smaller than it, with both sizes', () => {
    const memory = { budgetBytes: 14e9, pinnedBytes: 0, evictableBytes: 10e9 };
    const decision = decideOn({ model: 'qwen3.5-27b' }, { memory, stopped: ['qwen3.5-27b'] });
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'model_unavailable' } });
    expect(decision.kind === 'refused' && decision.refusal.message).toContain('needs 21.8 GB (reference) > 14.0 GB');
  });

  it('27B waits for a busy 9B and takes the place of an idle one', () => {
    const nine = laneEntry({ class: 'quality', model: 'qwen3.5-9b', remainingMs: 100_000 });
    const asked = { ...SHORT, model: 'auto:batch' };
    const stopped = ['qwen3.5-27b'];
    const busy = decideOn(asked, {
      stopped,
      memory: { budgetBytes: 22e9, pinnedBytes: 10.7e9, evictableBytes: 5.6e9 },
      lanes: [laneView('cpu', { lanes: 2, running: [nine] })],
    });
    expect(busy).toMatchObject({ kind: 'chosen', model: 'qwen3.5-27b', predicted: { waitMs: 100_000 } });
    const idle = decideOn(asked, { stopped, memory: { budgetBytes: 22e9, pinnedBytes: 0, evictableBytes: 16e9 } });
    expect(idle).toMatchObject({ kind: 'chosen', model: 'qwen3.5-27b', predicted: { waitMs: 0 } });
  });
});

describe('decide: as a function', () => {
  it('the same inputs give the same decision', () => {
    expect(decideOn(SHORT, { available: EVERYTHING })).toEqual(decideOn(SHORT, { available: EVERYTHING }));
  });

  it('every candidate has a prediction and a reason of one ASCII line', () => {
    const decision = decideOn(SHORT, { available: EVERYTHING });
    expect(decision.candidates).toHaveLength(shippedPolicy.models.size);
    for (const { predicted, reason } of decision.candidates) {
      expect(predicted?.e2eMs).toBeGreaterThan(0);
      expect(reason).toMatch(/^[ -~]+$/);
    }
  });

  it('a model that the snapshot has not seen yet is a candidate that cannot be used', () => {
    const snapshot = board();
    expect(snapshot.models.has(modelId('qwen3.5-4b'))).toBe(true);
    const { reason } = candidate(decideOn(SHORT, { available: [] }), 'qwen3.5-4b');
    expect(reason).toContain('does not exist');
  });
});

function candidate(decision: Decision, id: string) {
  const found = decision.candidates.find(({ model }) => model === id);
  if (found === undefined) throw new Error(`${id} is no candidate`);
  return found;
}
