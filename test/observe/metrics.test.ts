import { describe, expect, it } from 'vitest';
import type { GatewayEvent, RequestRecord } from '../../src/core/events.ts';
import { modelId, requestId } from '../../src/core/ids.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { SERIES_MAX } from '../../src/observe/registry.ts';
import { gatewayState } from '../helpers/gateway-state.ts';
import { requestRecord } from '../helpers/request-record.ts';

/** The lines of `text` that hold `part`, without the comments. */
const linesWith = (text: string, part: string): readonly string[] =>
  text.split('\n').filter((line) => !line.startsWith('#') && line.includes(part));

function textAfter(events: readonly GatewayEvent[], state = gatewayState()): string {
  const metrics = createMetrics(() => state);
  for (const event of events) metrics.observe(event);
  return metrics.text();
}

const finished = (given: Partial<RequestRecord> = {}): GatewayEvent => ({
  kind: 'request.finished',
  record: requestRecord(given),
});

const slo = { ttftMs: 1000, e2eMs: 20_000, source: 'class' };

describe('metrics of requests', () => {
  it('counts them by class, model, client, outcome and code', () => {
    const text = textAfter([
      finished(),
      finished(),
      finished({ model: undefined, actual: {}, outcome: { kind: 'refused', code: 'queue_full', message: 'full' } }),
      finished({ client: 'bot', outcome: { kind: 'cancelled' } }),
    ]);
    expect(linesWith(text, 'sluice_requests_total')).toEqual([
      'sluice_requests_total{class="interactive",model="qwen3.5-4b",client="editor",outcome="ok"} 2',
      'sluice_requests_total{class="interactive",model="none",client="editor",outcome="refused",code="queue_full"} 1',
      'sluice_requests_total{class="interactive",model="qwen3.5-4b",client="bot",outcome="cancelled"} 1',
    ]);
  });

  it('measures times and tokens under the names of the conventions for generative AI', () => {
    const actual = {
      ...{ queueMs: 20, loadMs: 3000, ttftMs: 900, e2eMs: 9_000, prefillMs: 500, decodeMs: 8000 },
      ...{ promptTokens: 100, cachedTokens: 40, outputTokens: 41 },
    };
    const text = textAfter([finished({ actual, operation: undefined })]);
    const labels =
      'gen_ai_operation_name="chat",gen_ai_provider_name="sluice",gen_ai_request_model="qwen3.5-4b",class="interactive"';
    expect(text).toContain(`gen_ai_server_time_to_first_token_seconds_sum{${labels}} 0.9\n`);
    expect(text).toContain(`gen_ai_server_time_per_output_token_seconds_sum{${labels}} 0.2\n`);
    expect(text).toContain(`gen_ai_server_request_duration_seconds_sum{${labels}} 9\n`);
    expect(text).toContain(`gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="input"} 100\n`);
    expect(text).toContain(`gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="output"} 41\n`);
    expect(text).toContain('sluice_queue_seconds_sum{class="interactive",model="qwen3.5-4b"} 0.02\n');
    expect(text).toContain('sluice_load_seconds_sum{class="interactive",model="qwen3.5-4b"} 3\n');
    expect(text).toContain('sluice_prefill_tokens_total{model="qwen3.5-4b"} 60\n');
    expect(text).toContain('sluice_prefill_seconds_total{model="qwen3.5-4b"} 0.5\n');
    expect(text).toContain('sluice_decode_tokens_total{model="qwen3.5-4b"} 40\n');
    expect(text).toContain('sluice_client_tokens_total{client="editor",type="cached"} 40\n');
  });

  it('says nothing of the speed of requests that were not answered', () => {
    const text = textAfter([finished({ outcome: { kind: 'failed', code: 'timeout', message: 'late' } })]);
    expect(linesWith(text, 'time_to_first_token')).toEqual([]);
    expect(linesWith(text, 'request_duration_seconds_count')).toEqual([
      expect.stringContaining('error_type="timeout"} 1'),
    ]);
  });

  it.each<[string, Partial<RequestRecord>, met: number, missed: number]>([
    ['in time', { slo, actual: { ttftMs: 900 } }, 1, 0],
    ['too late', { slo, actual: { ttftMs: 1100 } }, 0, 1],
    ['without a target', { actual: { ttftMs: 1100 } }, 0, 0],
    ['failed', { slo, actual: {}, outcome: { kind: 'failed', code: 'timeout', message: '' } }, 0, 1],
    ['refused for want of room', { slo, outcome: { kind: 'refused', code: 'queue_full', message: '' } }, 0, 1],
    [
      "refused by the client's fault",
      { slo, outcome: { kind: 'refused', code: 'invalid_request', message: '' } },
      0,
      0,
    ],
    ['left before it was late', { slo, actual: {}, outcome: { kind: 'cancelled' } }, 0, 0],
    ['left after it was late', { slo, actual: { ttftMs: 4000 }, outcome: { kind: 'cancelled' } }, 0, 1],
  ])('judges a request by its target: %s', (_, given, met, missed) => {
    const lines = linesWith(textAfter([finished(given)]), 'class="interactive",target="ttft"');
    expect(lines).toEqual([
      `sluice_slo_requests_total{class="interactive",target="ttft",result="met"} ${met}`,
      `sluice_slo_requests_total{class="interactive",target="ttft",result="missed"} ${missed}`,
    ]);
  });

  it('compares what was predicted with what came, unless a second attempt was needed', () => {
    const predicted = { ttftMs: 1000, e2eMs: 10_000, e2eMedianMs: 6_000 } as RequestRecord['predicted'];
    const once = textAfter([finished({ predicted })]);
    expect(once).toContain('sluice_prediction_ratio_sum{model="qwen3.5-4b",figure="ttft_promise"} 0.9\n');
    expect(once).toContain('sluice_prediction_ratio_sum{model="qwen3.5-4b",figure="e2e_expected"} 1.5\n');
    const twice = textAfter([finished({ predicted, actual: { ttftMs: 900, e2eMs: 9000, attempts: 2 } })]);
    expect(linesWith(twice, 'sluice_prediction_ratio')).toEqual([]);
  });

  it('has no more series than the policy has names, however much is asked', () => {
    const events = Array.from({ length: 500 }, (_, at) =>
      finished({ requestId: requestId(`r-${at}`), reason: `reason ${at}`, promptChars: at }),
    );
    expect(textAfter(events).split('\n').length).toBe(textAfter([finished()]).split('\n').length);
  });

  it('counts together what goes beyond thousands of names', () => {
    const names = Array.from({ length: 10_000 }, (_, at) => `name-${at}`);
    const text = textAfter(names.map((name) => finished({ client: name, model: modelId(`model-${name}`) })));
    const counts = linesWith(text, 'sluice_requests_total{').map((line) => Number(line.split(' ').at(-1)));
    expect(counts).toHaveLength(SERIES_MAX + 1);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(10_000);
    expect(text).toContain(
      'sluice_requests_total{class="other",model="other",client="other",outcome="other",code="other"} 5000\n',
    );
    expect(linesWith(text, 'gen_ai_server_time_to_first_token_seconds_count{')).toHaveLength(SERIES_MAX + 1);
  });

  it('counts everything else that happens', () => {
    const a = modelId('a');
    const text = textAfter([
      { kind: 'request.rejected', requestId: undefined, endpoint: 'GET /x', code: 'not_found', param: undefined },
      { kind: 'request.retried', requestId: requestId('r'), from: a, to: modelId('b'), cause: 'it died' },
      { kind: 'request.preempted', requestId: requestId('r'), model: a, by: 'interactive', spentMs: 1 },
      { kind: 'request.looped', requestId: requestId('r'), model: a, periodChars: 3, chars: 90 },
      { kind: 'child.state', model: a, from: 'ready', to: 'backoff', detail: '' },
      { kind: 'child.state', model: a, from: 'backoff', to: 'starting', detail: '' },
      { kind: 'child.log', model: a, line: 'hello' },
      { kind: 'child.evicted', model: a, for: modelId('b'), bytes: 7 },
      { kind: 'policy.rejected', file: '/p.yaml', message: 'no' },
      { kind: 'gateway.notice', level: 'warn', message: 'watch out' },
    ]);
    for (const line of [
      'sluice_requests_rejected_total{code="not_found"} 1',
      'sluice_requests_retried_total{model="a"} 1',
      'sluice_requests_preempted_total{model="a",by="interactive"} 1',
      'sluice_requests_looped_total{model="a"} 1',
      'sluice_child_failures_total{model="a"} 1',
      'sluice_child_evictions_total{model="a"} 1',
      'sluice_policy_changes_total{result="rejected"} 1',
      'sluice_notices_total{level="warn"} 1',
    ])
      expect(text.split('\n')).toContain(line);
  });
});

describe('metrics of the state', () => {
  it('leaves out what goes beyond thousands of names, and shows others once there is room', () => {
    const clients = Array.from({ length: 10_000 }, (_, at) => ({
      ...{ client: `client-${at}`, running: 1, tokensToday: 2, dailyTokens: undefined },
    }));
    let state = gatewayState({ clients });
    const metrics = createMetrics(() => state);
    expect(linesWith(metrics.text(), 'sluice_client_running{')).toHaveLength(SERIES_MAX);
    state = gatewayState({ clients: clients.slice(-2) });
    expect(linesWith(metrics.text(), 'sluice_client_running{')).toEqual([
      'sluice_client_running{client="client-9998"} 1',
      'sluice_client_running{client="client-9999"} 1',
    ]);
  });

  it('shows lanes, children, batches, clients and sensors', () => {
    const waiting = { route: 0, interactive: 2, quality: 0, batch: 0 };
    const text = textAfter(
      [],
      gatewayState({
        policyValid: false,
        lanes: [{ device: 'npu', lanes: 1, running: 1, waiting }],
        models: [
          {
            ...{ model: 'a', device: 'npu', available: true, residency: 'busy', restarts: 3, running: 1, slots: 2 },
            ...{ rssBytes: 5, cpuSeconds: 1.25, stale: true, quarantined: false },
          },
        ],
        batches: { running: 2, paused: 1, items: { open: 7, done: 2, failed: 1 } },
        clients: [{ client: 'bot', running: 1, tokensToday: 40, dailyTokens: 100 }],
        machine: {
          temperatures: [{ zone: 'soc-thermal', celsius: 61.5 }],
          cooling: [{ device: 'thermal-cpufreq-0', share: 0.25 }],
          npu: [{ core: '0', share: 0.4 }],
          cpuHertz: [{ cpus: '4 5 6 7', hertz: 2.4e9 }],
          memoryAvailableBytes: 9,
        },
      }),
    ).split('\n');
    for (const line of [
      'sluice_policy_valid 0',
      'sluice_lane_running{device="npu"} 1',
      'sluice_lane_waiting{device="npu",class="interactive"} 2',
      'sluice_child_state{model="a",state="busy"} 1',
      'sluice_child_state{model="a",state="ready"} 0',
      'sluice_child_restarts_total{model="a",device="npu"} 3',
      'sluice_child_cpu_seconds_total{model="a",device="npu"} 1.25',
      'sluice_model_stale{model="a",device="npu"} 1',
      'sluice_batches_paused 1',
      'sluice_batch_items{state="open"} 7',
      'sluice_client_tokens_today_limit{client="bot"} 100',
      'sluice_temperature_celsius{zone="soc-thermal"} 61.5',
      'sluice_cooling_ratio{device="thermal-cpufreq-0"} 0.25',
      'sluice_npu_load_ratio{core="0"} 0.4',
      'sluice_cpu_frequency_hertz{cpus="4 5 6 7"} 2400000000',
      'sluice_memory_available_bytes 9',
      'process_resident_memory_bytes 90000000',
    ])
      expect(text).toContain(line);
  });

  it('leaves out what is not known and what is gone', () => {
    let state = gatewayState({
      lanes: [{ device: 'cpu', lanes: 1, running: 0, waiting: { route: 0, interactive: 0, quality: 0, batch: 0 } }],
    });
    const metrics = createMetrics(() => state);
    expect(metrics.text()).toContain('sluice_lane_running{device="cpu"} 0');
    expect(linesWith(metrics.text(), 'sluice_memory_available_bytes')).toEqual([]);
    state = gatewayState();
    expect(linesWith(metrics.text(), 'sluice_lane_running')).toEqual([]);
  });
});
