import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../src/core/events.ts';
import { modelId, requestId } from '../../src/core/ids.ts';
import { createEventBus } from '../../src/observe/event-bus.ts';
import { toLine } from '../../src/observe/event-log.ts';
import { requestRecord } from '../helpers/request-record.ts';

const events: readonly GatewayEvent[] = [
  { kind: 'request.finished', record: requestRecord() },
  { kind: 'request.retried', requestId: requestId('r'), from: modelId('a'), to: modelId('b'), cause: 'it died' },
  { kind: 'child.state', model: modelId('a'), from: 'ready', to: 'backoff', detail: 'ended by SIGKILL' },
  { kind: 'child.log', model: modelId('a'), line: 'loading' },
  { kind: 'child.evicted', model: modelId('a'), for: modelId('b'), bytes: 7 },
  { kind: 'policy.loaded', file: '/p.yaml', revision: 'abc' },
  { kind: 'policy.rejected', file: '/p.yaml', message: 'p.yaml:1:1 unknown key' },
  { kind: 'gateway.notice', level: 'warn', message: 'watch out' },
  { kind: 'request.preempted', requestId: requestId('r'), model: modelId('a'), by: 'interactive', spentMs: 4200 },
  {
    kind: 'request.rejected',
    requestId: requestId('r'),
    endpoint: 'POST /v1/chat/completions',
    code: 'invalid_request',
    param: 'messages[0].content',
  },
  { kind: 'request.rejected', requestId: undefined, endpoint: 'GET /x', code: 'not_found', param: undefined },
];

describe('toLine', () => {
  it.each(events.map((event) => [event.kind, event] as const))('writes %s as one message at a level', (_, event) => {
    const line = toLine(event);
    expect(line.message).not.toBe('');
    expect(line.message).not.toContain('undefined');
    expect(['debug', 'info', 'warn', 'error']).toContain(line.level);
  });

  it.each<[GatewayEvent, string, string]>([
    [events[2] as GatewayEvent, 'warn', 'a ready -> backoff: ended by SIGKILL'],
    [events[7] as GatewayEvent, 'warn', 'watch out'],
    [events[9] as GatewayEvent, 'info', 'r POST /v1/chat/completions rejected: invalid_request (messages[0].content)'],
    [events[10] as GatewayEvent, 'info', '- GET /x rejected: not_found'],
    [
      {
        kind: 'request.finished',
        record: requestRecord({ outcome: { kind: 'failed', code: 'timeout', message: 'late' } }),
      },
      'warn',
      'r-1 interactive -> qwen3.5-4b failed in 9 s: late',
    ],
    [
      {
        kind: 'request.finished',
        record: requestRecord({ outcome: { kind: 'ok', finishReason: 'stop', sloMet: false } }),
      },
      'info',
      'r-1 interactive -> qwen3.5-4b ok, target missed in 9 s',
    ],
    [
      {
        kind: 'request.finished',
        record: requestRecord({
          model: undefined,
          actual: {},
          outcome: { kind: 'refused', code: 'queue_full', message: 'full' },
        }),
      },
      'info',
      'r-1 interactive -> nobody refused: full',
    ],
  ])('says what matters', (event, level, message) => {
    expect(toLine(event)).toMatchObject({ level, message });
  });
});

describe('createEventBus', () => {
  it('tells every listener, also after one has thrown, and none that has left', () => {
    const bus = createEventBus();
    const heard: string[] = [];
    bus.subscribe(() => {
      throw new Error('a broken listener');
    });
    const leave = bus.subscribe((event) => heard.push(`first ${event.kind}`));
    bus.subscribe((event) => heard.push(`second ${event.kind}`));
    bus.emit(events[5] as GatewayEvent);
    leave();
    bus.emit(events[7] as GatewayEvent);
    expect(heard).toEqual(['first policy.loaded', 'second policy.loaded', 'second gateway.notice']);
  });
});
