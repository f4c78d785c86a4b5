import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dashboardPanels } from '../helpers/dashboard-panels.ts';
import { demoPolicy, type Parsed, startTestGateway, type TestGateway, until } from '../helpers/gateway.ts';
import { type OtlpCollector, startOtlpCollector } from '../helpers/otlp-collector.ts';

// A real Prometheus reads a real gateway, and an OpenTelemetry collector's stand-in gets what is sent.

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const KEY = 'prometheus-test-key';

let programs: string;
let gateway: TestGateway;
let collector: OtlpCollector;
let folder: string;

beforeAll(async () => {
  const { stdout } = await run(join(root, 'scripts', 'install-prometheus'));
  programs = stdout.trim();
  folder = mkdtempSync(join(tmpdir(), 'sluice-metrics-'));
  collector = await startOtlpCollector();
  const policy = demoPolicy(['tiny']);
  gateway = await startTestGateway(
    {
      ...policy,
      classes: { ...policy.classes, interactive: { min_quality: 0, ttft: '60s' } },
      clients: [{ name: 'prometheus', key_env: 'SLUICE_KEY_PROMETHEUS' }],
      observe: { otlp: { endpoint: collector.url, every: '200ms' } },
    } as typeof policy,
    { environment: { ...process.env, SLUICE_KEY_PROMETHEUS: KEY } },
  );
});

afterAll(async () => {
  await gateway?.stop();
  await collector?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const chat = (headers: Record<string, string> = {}) =>
  gateway.chat(
    { model: 'auto:interactive', max_tokens: 8, messages: [{ role: 'user', content: 'Who are you?' }] },
    { headers: { authorization: `Bearer ${KEY}`, ...headers } },
  );

const scrape = async (key = KEY) => fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${key}` } });

describe('GET /metrics', () => {
  it('asks for a key where keys are configured', async () => {
    expect((await fetch(`${gateway.url}/metrics`)).status).toBe(401);
    expect((await scrape()).headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  it('counts what was asked, in a form promtool finds nothing wrong with', async () => {
    expect((await chat()).status).toBe(200);
    expect((await gateway.chat({ messages: [] }, { headers: { authorization: `Bearer ${KEY}` } })).status).toBe(400);
    const text = await (await scrape()).text();
    expect(text).toContain(
      'sluice_requests_total{class="interactive",model="tiny",client="prometheus",outcome="ok"} 1\n',
    );
    expect(text).toContain('sluice_requests_rejected_total{code="invalid_request"} 1\n');
    expect(text).toContain('sluice_slo_requests_total{class="interactive",target="ttft",result="met"} 1\n');
    expect(text).toContain('sluice_child_state{model="tiny",state="ready"} 1\n');
    expect(text).toMatch(/^sluice_child_cpu_seconds_total\{model="tiny",device="cpu"\} [\d.]+$/m);
    expect(text).not.toContain('Who are you');
    await promtool(['check', 'metrics'], text);
    // What is logged, stored and sent comes from these.
    expect(JSON.stringify(gateway.events.filter(({ kind }) => kind !== 'child.log'))).not.toContain('Who are you');
  });

  it('is read by Prometheus, with its key from a file', async () => {
    const prometheus = await startPrometheus();
    try {
      const up = await until('Prometheus has read it', async () => {
        const found = await query(prometheus.url, 'sluice_ready and on (instance) up == 1');
        return found[0];
      });
      expect(up.value[1]).toBe('1');
      const first = await query(prometheus.url, 'gen_ai_server_time_to_first_token_seconds_count');
      expect(first[0]).toMatchObject({ metric: { gen_ai_request_model: 'tiny', class: 'interactive', job: 'sluice' } });
      for (const expression of dashboardPanels().flatMap(({ expressions }) => expressions)) {
        const asked = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(expression)}`);
        expect(asked.status, `${expression}: ${await asked.text()}`).toBe(200);
      }
      const told = (await (await fetch(`${prometheus.url}/api/v1/rules`)).json()) as Parsed;
      const rules = told.data.groups.flatMap((group: Parsed) => group.rules);
      expect(rules.length).toBeGreaterThan(10);
      expect(rules.filter(({ health }: Parsed) => health === 'err')).toEqual([]);
    } finally {
      await prometheus.stop();
    }
  });
});

describe('alert rules', () => {
  it('are valid and do what their test says', async () => {
    const monitoring = join(root, 'docs', 'monitoring');
    await run(join(programs, 'promtool'), ['check', 'rules', join(monitoring, 'sluice-alerts.yml')]);
    await run(join(programs, 'promtool'), ['test', 'rules', join(monitoring, 'sluice-alerts.test.yml')]);
  });
});

describe('OpenTelemetry', () => {
  it("gets a trace of each request, within its caller's, and the metrics", async () => {
    const traceId = 'af7651916cd43dd8448eb211c80319c7';
    const reply = await chat({ traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    expect(reply.status).toBe(200);
    await until('the metrics have come', () =>
      collector.metrics.get('gen_ai.server.request.duration')?.points.find(({ count }) => count === 2),
    );
    await gateway.gateway.stop();
    const trace = collector.spans.filter((span) => span.traceId === traceId);
    const top = trace.find(({ parentId }) => parentId === 'b7ad6b7169203331');
    expect(top).toMatchObject({
      name: 'chat tiny',
      attributes: { 'sluice.request.id': reply.headers.get('x-request-id'), 'sluice.outcome': 'ok' },
    });
    const parts = trace.filter(({ parentId }) => parentId === top?.spanId);
    expect(parts.map(({ name }) => name)).toEqual(expect.arrayContaining(['prefill', 'decode']));
    for (const { startMs, endMs } of parts) {
      expect(startMs).toBeGreaterThanOrEqual((top?.startMs ?? Number.NaN) - 0.01);
      expect(endMs).toBeLessThanOrEqual((top?.endMs ?? Number.NaN) + 0.01);
    }
  });
});

async function promtool(args: readonly string[], input: string): Promise<void> {
  const running = run(join(programs, 'promtool'), [...args]);
  running.child.stdin?.end(input);
  await running;
}

async function query(url: string, expression: string): Promise<Parsed[]> {
  // It takes a moment until Prometheus listens.
  const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`).catch(() => undefined);
  return response?.ok ? ((await response.json()) as Parsed).data.result : [];
}

async function startPrometheus(): Promise<{ url: string; stop: () => Promise<void> }> {
  const port = await freePort();
  writeFileSync(join(folder, 'key'), KEY);
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(root, 'docs', 'monitoring', 'sluice-alerts.yml')],
    scrape_configs: [
      {
        job_name: 'sluice',
        static_configs: [{ targets: [new URL(gateway.url).host] }],
        authorization: { credentials_file: join(folder, 'key') },
      },
    ],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const child = spawn(
    join(programs, 'prometheus'),
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'tsdb')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'], cwd: folder },
  );
  return { url: `http://127.0.0.1:${port}`, stop: () => ended(child) };
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
