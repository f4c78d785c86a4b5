import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { GatewayEvent, RequestRecord } from '../../src/core/events.ts';
import type { Policy } from '../../src/core/policy.ts';
import { createEventBus } from '../../src/observe/event-bus.ts';
import { phasesOf } from '../../src/observe/otel-traces.ts';
import { otlpTargets } from '../../src/observe/otlp.ts';
import { openTelemetry, type Telemetry } from '../../src/observe/telemetry.ts';
import { gatewayState } from '../helpers/gateway-state.ts';
import { type OtlpCollector, startOtlpCollector } from '../helpers/otlp-collector.ts';
import { requestRecord } from '../helpers/request-record.ts';
import { until } from '../helpers/until.ts';

const actual = {
  ...{ queueMs: 200, loadMs: 300, ttftMs: 1000, e2eMs: 9000, prefillMs: 400, decodeMs: 7900 },
  ...{ promptTokens: 100, cachedTokens: 40, outputTokens: 41, attempts: 1 },
};
const startedAtMs = Date.UTC(2026, 10, 20, 12);

async function collector(): Promise<OtlpCollector> {
  const started = await startOtlpCollector();
  onTestFinished(() => started.close());
  return started;
}

type Sender = { telemetry: Telemetry; notices: string[]; tell: (record: RequestRecord) => void };

async function sendTo(endpoint: string | undefined, environment: NodeJS.ProcessEnv = {}): Promise<Sender> {
  const events = createEventBus();
  const notices: string[] = [];
  events.subscribe((event: GatewayEvent) => {
    if (event.kind === 'gateway.notice') notices.push(event.message);
  });
  const telemetry = openTelemetry({
    clock: systemClock,
    events,
    environment,
    version: '1.2.3',
    policy: () => ({ observe: { otlp: { endpoint, everyMs: 50, traceShare: 1 } } }) as Policy,
    readState: () => gatewayState(),
  });
  telemetry.start();
  if (endpoint !== undefined)
    await until('it says where it sends', () => notices.find((text) => text.includes(endpoint)));
  return { telemetry, notices, tell: (record) => events.emit({ kind: 'request.finished', record }) };
}

describe('traces over OTLP', () => {
  it('are one per request, with the parts of its way below it', async () => {
    const to = await collector();
    const { telemetry, tell } = await sendTo(to.url);
    tell(requestRecord({ actual, receivedAtMs: startedAtMs }));
    await telemetry.close();
    const [root] = to.spans.filter(({ parentId }) => parentId === '');
    expect(root).toMatchObject({ name: 'chat qwen3.5-4b', kind: 2, startMs: startedAtMs, endMs: startedAtMs + 9000 });
    expect(root?.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
    expect(root?.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'qwen3.5-4b',
      'gen_ai.usage.input_tokens': 100,
      'gen_ai.usage.cache_read.input_tokens': 40,
      'gen_ai.usage.output_tokens': 41,
      'gen_ai.response.finish_reasons': ['stop'],
      'sluice.request.id': 'r-1',
      'sluice.class': 'interactive',
      'sluice.slo.met': true,
    });
    const parts = to.spans.filter(({ parentId }) => parentId === root?.spanId);
    expect(parts.map(({ name, startMs, endMs }) => [name, startMs - startedAtMs, endMs - startedAtMs])).toEqual([
      ['queue', 0, 200],
      ['load', 200, 500],
      ['prefill', 600, 1000],
      ['decode', 1000, 8900],
    ]);
    expect(parts.every(({ traceId }) => traceId === root?.traceId)).toBe(true);
    expect(to.resources[0]).toMatchObject({ 'service.name': 'sluice', 'service.version': '1.2.3' });
  });

  it("belong to the caller's trace where it named one, and are not sent where it is not sampled", async () => {
    const to = await collector();
    const { telemetry, tell } = await sendTo(to.url);
    const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
    tell(requestRecord({ actual, traceParent: `00-${traceId}-${spanId}-01` }));
    tell(requestRecord({ actual, traceParent: `00-${traceId}-${'0'.repeat(15)}1-00` }));
    await telemetry.close();
    expect(to.spans.find(({ name }) => name.startsWith('chat'))).toMatchObject({ traceId, parentId: spanId });
    expect(to.spans).toHaveLength(5);
  });

  it('say what failed', async () => {
    const to = await collector();
    const { telemetry, tell } = await sendTo(to.url);
    tell(requestRecord({ actual: { queueMs: 5 }, outcome: { kind: 'failed', code: 'timeout', message: 'late' } }));
    await telemetry.close();
    expect(to.spans.map(({ name }) => name).sort()).toEqual(['chat qwen3.5-4b', 'queue']);
    expect(to.spans.find(({ parentId }) => parentId === '')).toMatchObject({
      status: 2,
      attributes: { 'error.type': 'timeout' },
    });
  });
});

describe('metrics over OTLP', () => {
  it('are the same instruments, the conventional ones under their own names', async () => {
    const to = await collector();
    const { telemetry, tell } = await sendTo(to.url);
    tell(requestRecord({ actual }));
    await until('they have come', () => to.metrics.get('gen_ai.server.time_to_first_token'));
    await telemetry.close();
    const first = to.metrics.get('gen_ai.server.time_to_first_token');
    expect(first).toMatchObject({ unit: 's', kind: 'histogram', cumulative: true });
    expect(first?.points).toMatchObject([
      {
        attributes: { 'gen_ai.request.model': 'qwen3.5-4b', 'gen_ai.operation.name': 'chat', class: 'interactive' },
        sum: 1,
        count: 1,
      },
    ]);
    const point = first?.points[0];
    expect(point?.bucketCounts).toHaveLength((point?.bounds?.length ?? 0) + 1);
    expect(point?.bucketCounts?.[point.bounds?.indexOf(1) ?? -1]).toBe(1);
    expect(point?.timeMs).toBeGreaterThan(point?.startMs ?? Number.NaN);
    expect(to.metrics.get('gen_ai.client.token.usage')?.unit).toBe('{token}');
    expect(to.metrics.get('gen_ai.server.request.duration')?.points[0]?.sum).toBe(9);
    expect(to.metrics.get('gen_ai.server.time_per_output_token')?.points[0]?.sum).toBeCloseTo(0.1975);
    expect(to.metrics.get('sluice_requests')).toMatchObject({ kind: 'sum', cumulative: true, points: [{ value: 1 }] });
    expect(to.metrics.get('sluice_ready')).toMatchObject({ kind: 'gauge', points: [{ value: 1 }] });
    expect(to.metrics.get('process_resident_memory_bytes')?.unit).toBe('By');
  });
});

describe('a collector that fails', () => {
  it('is told of once, and once more when it is back', async () => {
    const to = await collector();
    to.answer = 400;
    const { telemetry, notices, tell } = await sendTo(to.url);
    const cannot = () => notices.filter((text) => text.includes('metrics cannot be sent'));
    await until('it is told of', () => cannot()[0]);
    tell(requestRecord({ actual }));
    to.answer = 200;
    await until('it is back', () => notices.find((text) => text.includes('are sent to') && text.includes('again')));
    await telemetry.close();
    expect(cannot()).toHaveLength(1);
  });
});

describe("OpenTelemetry's own variables", () => {
  it('give headers, such as a key, and attributes of the resource', async () => {
    vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer%20abc');
    vi.stubEnv('OTEL_SERVICE_NAME', 'board-2');
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=attic');
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const to = await collector();
    const { telemetry, tell } = await sendTo(to.url);
    tell(requestRecord({ actual }));
    await telemetry.close();
    expect(to.headers.length).toBeGreaterThan(0);
    expect(to.headers.every(({ authorization }) => authorization === 'Bearer abc')).toBe(true);
    expect(to.resources[0]).toMatchObject({ 'service.name': 'board-2', 'deployment.environment.name': 'attic' });
  });
});

describe('a protocol that is not spoken', () => {
  it('is told of', async () => {
    const to = await collector();
    const { telemetry, notices } = await sendTo(to.url, { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' });
    await telemetry.close();
    expect(notices.at(-1)).toContain('only http/protobuf is spoken');
  });
});

describe('a collector that is gone', () => {
  it('does not keep the gateway from ending', async () => {
    const to = await collector();
    await to.close();
    const { telemetry, tell } = await sendTo(to.url);
    tell(requestRecord({ actual }));
    const beganMs = systemClock.monotonicMs();
    await telemetry.close();
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(4500);
  });
});

describe('otlpTargets', () => {
  const base = { tracesUrl: 'http://a:1/v1/traces', metricsUrl: 'http://a:1/v1/metrics' };
  it.each([
    ['nothing', undefined, {}, undefined],
    ['the policy', 'http://a:1/', {}, base],
    ['the variable', undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1' }, base],
    ['an empty variable', undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
    ['the policy before the variable', 'http://a:1', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://b:1' }, base],
    ['the switch of the SDK', 'http://a:1', { OTEL_SDK_DISABLED: 'true' }, undefined],
    [
      'one kind alone',
      undefined,
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/t' },
      { tracesUrl: 'http://c/t', metricsUrl: undefined },
    ],
  ])('follows %s', (_, endpoint, environment, expected) => {
    expect(otlpTargets({ endpoint }, environment)).toEqual(expected);
  });

  it('sends nothing and loads nothing where nobody asks', async () => {
    const { telemetry, notices } = await sendTo(undefined);
    await telemetry.close();
    expect(notices).toEqual([]);
  });
});

describe('phasesOf', () => {
  it('never goes beyond the end, and leaves out what took no time', () => {
    expect(phasesOf({ actual: { queueMs: 100, ttftMs: 50, prefillMs: 900, decodeMs: 10 } }, 100)).toEqual([
      { name: 'queue', fromMs: 0, toMs: 100 },
    ]);
    expect(phasesOf({ actual: {} }, 0)).toEqual([]);
  });
});
