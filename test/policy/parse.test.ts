import { homedir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { modelId, runtimeId } from '../../src/core/ids.ts';
import { checkPolicy, POLICY_BYTES_MAX, parsePolicy } from '../../src/policy/parse.ts';

const valid = `version: 1
devices:
  cpu: { lanes: 1 }
runtimes:
  llama:
    kind: llama-server
    device: cpu
    settings: { threads: 6, cpus: 0-3, environment: { A: 1, B: 2 }, extra_args: [-t, 6] }
models:
  small:
    runtime: llama
    file: models/small.gguf
    aliases: [tiny]
  big:
    runtime: llama
    file: /models/big.gguf
    settings: { threads: 4, environment: { B: 3 } }
`;

function messagesOf(text: string): string[] {
  try {
    parsePolicy(text, 'p.yaml');
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(GatewayError);
    expect((thrown as GatewayError).code).toBe('invalid_config');
    return (thrown as GatewayError).message.split('\n');
  }
  return [];
}

/** The valid text with one line (by number) replaced. */
const withLine = (line: number, text: string): string =>
  valid
    .split('\n')
    .with(line - 1, text)
    .join('\n');

describe('parsePolicy, valid files', () => {
  it('fills every default from "version: 1" alone', () => {
    const policy = parsePolicy('version: 1', '/etc/sluice/p.yaml');
    expect(policy).toMatchObject({
      file: '/etc/sluice/p.yaml',
      gateway: {
        host: '127.0.0.1',
        port: 8080,
        unknownModel: 'reject',
        bodyBytesMax: 16e6,
        earlyHeadersMs: 2000,
        heartbeatMs: 15_000,
        statusHoldMs: 240_000,
        writeTimeoutMs: 60_000,
        drainMs: 30_000,
        queueDepthMax: 64,
      },
      machine: { memoryBytes: undefined, reserveBytes: 2e9, environment: {}, beforeStart: [] },
      classes: {
        route: { quantile: 0.8, outputTokens: 24, whenNone: 'degrade', minQuality: 0, yieldTo: [] },
        interactive: { quantile: 0.8, outputTokens: 80, whenNone: 'degrade' },
        quality: { quantile: 0.8, outputTokens: 300, whenNone: 'degrade' },
        batch: { quantile: 0.5, outputTokens: 600, whenNone: 'defer', yieldTo: ['route', 'interactive', 'quality'] },
      },
      classify: { rules: [], model: { kind: 'linear' }, confidence: 0.6, budgetMs: 300, allowBatch: false },
      clients: [],
    });
    expect([...policy.devices]).toEqual([['cpu', { id: 'cpu', lanes: 1 }]]);
    expect(policy.revision).toMatch(/^[0-9a-f]{12}$/);
  });

  it('lays a model over its runtime, key by key and variable by variable', () => {
    const policy = parsePolicy(valid, '/srv/p.yaml');
    expect(policy.models.get(modelId('small'))).toMatchObject({
      file: '/srv/models/small.gguf',
      keep: { kind: 'idle', idleMs: 900_000 },
      quality: 0.5,
      enabled: true,
      settings: { threads: 6, cpus: [0, 1, 2, 3], environment: { A: '1', B: '2' }, extraArgs: ['-t', '6'] },
    });
    expect(policy.models.get(modelId('big'))).toMatchObject({
      file: '/models/big.gguf',
      settings: { threads: 4, cpus: [0, 1, 2, 3], environment: { A: '1', B: '3' } },
    });
    expect(policy.runtimes.get(runtimeId('llama'))?.settings.threads).toBe(6);
  });

  it('expands ~ and keeps bare program names for PATH', () => {
    const text = withLine(
      7,
      '    device: cpu\n    binary: llama-server\n    bench_binary: ~/bin/bench\n    library: ./lib.so',
    );
    const runtime = parsePolicy(text, '/srv/p.yaml').runtimes.get(runtimeId('llama'));
    expect(runtime).toMatchObject({
      binary: 'llama-server',
      benchBinary: `${homedir()}/bin/bench`,
      library: '/srv/lib.so',
    });
  });

  it.each([
    ['resident', { kind: 'resident' }],
    ['never', { kind: 'never' }],
    ['{ idle: 90s }', { kind: 'idle', idleMs: 90_000 }],
  ])('reads keep: %s', (written, keep) => {
    const text = withLine(13, `    keep: ${written}`);
    expect(parsePolicy(text, 'p.yaml').models.get(modelId('small'))?.keep).toEqual(keep);
  });

  it.each([
    ['on', 'on'],
    ['true', 'on'],
    ['off', 'off'],
    ['false', 'off'],
    ['auto', 'auto'],
  ])('reads flash_attention: %s as %s', (written, flashAttention) => {
    const text = withLine(17, `    settings: { flash_attention: ${written} }`);
    expect(parsePolicy(text, 'p.yaml').models.get(modelId('big'))?.settings.flashAttention).toBe(flashAttention);
  });

  it('takes the window of a class with its time zone', () => {
    const text = `${valid}classes: { batch: { window: "22:00-07:00", timezone: Asia/Kolkata } }\n`;
    expect(parsePolicy(text, 'p.yaml').classes.batch.window).toEqual({
      startMinute: 1320,
      endMinute: 420,
      timezone: 'Asia/Kolkata',
      text: '22:00-07:00',
    });
  });

  it('reads rules, header names in lower case and patterns without regard to case', () => {
    const rule =
      '{ when: { header: { name: X-Purpose, matches: "^back" }, task: code, has_tools: false }, class: route }';
    const { rules } = parsePolicy(`${valid}classify:\n  rules:\n    - ${rule}\n`, 'p.yaml').classify;
    expect(rules).toEqual([
      {
        class: 'route',
        path: 'classify.rules[0]',
        when: { header: { name: 'x-purpose', matches: /^back/i }, task: 'code', hasTools: false },
      },
    ]);
  });

  it('reads every form of readiness', () => {
    const steps = [
      '{ run: [modprobe, x] }',
      '{ run: [d], ready: { tcp: "[::1]:7000" }, keep: true, timeout: 5s, env: { N: 1 } }',
      '{ run: [d], ready: { http: "http://127.0.0.1:7000/health" }, skip_when_ready: false }',
      '{ run: [d], ready: { file: run/d.pid } }',
    ];
    const text = `${valid}machine:\n  memory: 24GiB\n  before_start:\n${steps.map((step) => `    - ${step}\n`).join('')}`;
    const { machine } = parsePolicy(text, '/srv/p.yaml');
    expect(machine.memoryBytes).toBe(24 * 2 ** 30);
    expect(machine.beforeStart.map(({ ready, keep, skipWhenReady }) => ({ ready, keep, skipWhenReady }))).toEqual([
      { ready: { kind: 'exit' }, keep: false, skipWhenReady: false },
      { ready: { kind: 'tcp', host: '::1', port: 7000 }, keep: true, skipWhenReady: true },
      { ready: { kind: 'http', url: 'http://127.0.0.1:7000/health' }, keep: false, skipWhenReady: false },
      { ready: { kind: 'file', path: '/srv/run/d.pid' }, keep: false, skipWhenReady: true },
    ]);
    expect(machine.beforeStart[1]).toMatchObject({ timeoutMs: 5000, environment: { N: '1' } });
  });

  it('follows anchors and merge keys', () => {
    const text = `version: 1
runtimes: { llama: { kind: llama-server, device: cpu } }
models:
  a: &base { runtime: llama, file: a.gguf, quality: 0.7 }
  b: { <<: *base, file: b.gguf }
`;
    expect(parsePolicy(text, '/p.yaml').models.get(modelId('b'))).toMatchObject({ file: '/b.gguf', quality: 0.7 });
  });

  it('is frozen through and through', () => {
    const policy = parsePolicy(valid, 'p.yaml');
    expect(() => Object.assign(policy.gateway, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(policy.models.get(modelId('small'))!.settings, { threads: 1 })).toThrow(TypeError);
    expect(() => (policy.models as Map<unknown, unknown>).clear()).toThrow('frozen');
  });

  it('gives the same revision for the same text only', () => {
    expect(parsePolicy(valid, 'a').revision).toBe(parsePolicy(valid, 'b').revision);
    expect(parsePolicy(`${valid} `, 'a').revision).not.toBe(parsePolicy(valid, 'a').revision);
  });
});

describe('parsePolicy, faults', () => {
  it.each([
    [1, 'version: 2', 'p.yaml:1:10 version: expected 1, got 2'],
    [3, '  cpu: { lanes: 0 }', 'p.yaml:3:17 devices.cpu.lanes: expected at least 1, got 0'],
    [3, '  cpu: { lanes: 1.5 }', 'p.yaml:3:17 devices.cpu.lanes: expected a whole number, got 1.5'],
    [7, '    device: npu', 'p.yaml:7:13 runtimes.llama.device: no device is called "npu", did you mean "cpu"?'],
    [11, '    runtime: lama', 'p.yaml:11:14 models.small.runtime: no runtime is called "lama", did you mean "llama"?'],
    [11, '    runtime: xyz', 'p.yaml:11:14 models.small.runtime: no runtime is called "xyz"; known: llama'],
    [12, '    file:', 'p.yaml:12:5 models.small.file: expected text, got nothing: give it a value or remove the key'],
    [12, '', 'p.yaml:10:3 models.small.file: expected text, got nothing: the key is missing'],
    [13, '    aliases: tiny', 'p.yaml:13:14 models.small.aliases: expected a list, got "tiny"'],
    [
      13,
      '    aliases: [auto]',
      'p.yaml:13:15 models.small.aliases[0]: expected a name other than auto, which means routing, got "auto"',
    ],
    [
      13,
      '    aliases: [Small.gguf]',
      'p.yaml:13:15 models.small.aliases[0]: the name "Small.gguf" is taken by models.small on line 10',
    ],
    [
      13,
      '    aliases: [x, x]',
      'p.yaml:13:18 models.small.aliases[1]: the name "x" is taken by models.small.aliases[0] on line 13',
    ],
    [
      13,
      '    keep: forever',
      'p.yaml:13:11 models.small.keep: expected resident, never or { idle: 15m }, got "forever"',
    ],
    [
      13,
      '    keep: { idle: 15 }',
      'p.yaml:13:19 models.small.keep.idle: expected a duration such as 250ms, 20s, 15m, 2h or 1d, got 15',
    ],
    [13, '    keep: { idle: 0s }', 'p.yaml:13:19 models.small.keep.idle: expected a duration above zero, got "0s"'],
    [13, '    quality: 1.1', 'p.yaml:13:14 models.small.quality: expected at most 1, got 1.1'],
    [
      13,
      '    classes: [batsh]',
      'p.yaml:13:15 models.small.classes[0]: expected route, interactive, quality or batch, got "batsh"',
    ],
    [13, '    classes: []', 'p.yaml:13:14 models.small.classes: expected a list of at least 1 entries, got []'],
    [
      13,
      '    sampling: { temprature: 1 }',
      'p.yaml:13:17 models.small.sampling.temprature: unknown key "temprature", did you mean "temperature"?',
    ],
    [
      17,
      '    settings: { cpus: 3-1 }',
      'p.yaml:17:23 models.big.settings.cpus: expected a list of CPUs with rising ranges (3-1 falls), got "3-1"',
    ],
    [
      17,
      '    settings: { cache_ram: 256 }',
      'p.yaml:17:28 models.big.settings.cache_ram: expected a size such as 256MB or 24GB, got 256',
    ],
    [
      17,
      '    settings: { flash_attention: maybe }',
      'p.yaml:17:34 models.big.settings.flash_attention: expected on, off or auto, got "maybe"',
    ],
    [
      18,
      'classes: { route: { prefer: smal } }',
      'p.yaml:18:29 classes.route.prefer: no model is called "smal", did you mean "small"?',
    ],
    [
      18,
      'classes: { batch: { yield_to: [batch] } }',
      'p.yaml:18:32 classes.batch.yield_to[0]: a class cannot yield to itself',
    ],
    [
      18,
      'classes: { batch: { window: 22-7 } }',
      'p.yaml:18:29 classes.batch.window: expected a daily window such as 22:00-07:00, got "22-7"',
    ],
    [
      18,
      'classes: { batch: { timezone: Mars } }',
      'p.yaml:18:31 classes.batch.timezone: expected an IANA time zone such as Europe/Berlin or UTC, got "Mars"',
    ],
    [18, 'classes: { route: { quantile: 1 } }', 'p.yaml:18:31 classes.route.quantile: expected less than 1, got 1'],
    [18, 'classes: { rout: {} }', 'p.yaml:18:12 classes.rout: unknown key "rout", did you mean "route"?'],
    [
      18,
      'classify: { rules: [{ when: {}, class: route }] }',
      'p.yaml:18:29 classify.rules[0].when: expected at least one condition; an empty rule would take every request, got {}',
    ],
    [
      18,
      'classify: { rules: [{ when: { client: bob }, class: route }] }',
      'p.yaml:18:39 classify.rules[0].when.client: no client is called "bob"; known: no client is declared',
    ],
    [
      18,
      'classify: { model: tiny }',
      'p.yaml:18:20 classify.model: no model is called "tiny"; known: linear, off, small, big',
    ],
    [
      18,
      'clients: [{ name: a, key_env: A B }]',
      'p.yaml:18:31 clients[0].key_env: expected the name of an environment variable, got "A B"',
    ],
    [
      18,
      'clients: [{ name: a, key_env: K }, { name: b, key_env: K }]',
      'p.yaml:18:56 clients[1].key_env: "K" is already the key_env of clients[0] on line 18',
    ],
    [18, 'machine: { memory: lots }', 'p.yaml:18:20 machine.memory: expected auto or a size such as 24GB, got "lots"'],
    [
      18,
      'machine: { environment: { A B: 1 } }',
      'p.yaml:18:27 machine.environment["A B"]: expected the name of an environment variable, got "A B"',
    ],
    [
      18,
      'machine: { before_start: [{ run: [] }] }',
      'p.yaml:18:34 machine.before_start[0].run: expected a list of at least 1 entries, got []',
    ],
    [
      18,
      'machine: { before_start: [{ run: [d], ready: { tcp: 7000 } }] }',
      'p.yaml:18:53 machine.before_start[0].ready.tcp: expected text, got 7000',
    ],
    [
      18,
      'machine: { before_start: [{ run: [d], ready: { tpc: x } }] }',
      'p.yaml:18:46 machine.before_start[0].ready: expected one of { exit: true }, { tcp: HOST:PORT }, { http: URL }, { file: PATH }, got {"tpc":"x"}',
    ],
    [18, 'gateway: { port: 70000 }', 'p.yaml:18:18 gateway.port: expected at most 65535, got 70000'],
    [18, 'gateway: 5', 'p.yaml:18:10 gateway: expected a map of keys to values, got 5'],
  ])('line %d as %j is named with its place', (line, text, message) => {
    expect(messagesOf(withLine(line, text))).toEqual([message]);
  });

  it('names a bad regular expression with what is wrong in it', () => {
    const [message] = messagesOf(`${valid}classify: { rules: [{ when: { system_matches: "a(" }, class: route }] }`);
    expect(message).toMatch(
      /^p\.yaml:18:47 classify\.rules\[0\]\.when\.system_matches: expected a regular expression \(.*\), got "a\("$/,
    );
  });

  it('refuses a process that is ready when it has ended and stays', () => {
    const [message] = messagesOf(`${valid}machine: { before_start: [{ run: [d], keep: true }] }`);
    expect(message).toMatch(/^p\.yaml:18:45 machine\.before_start\[0\]\.keep: expected false: /);
  });

  it('refuses a preferred model that is closed to the class', () => {
    const text = `${withLine(13, '    classes: [batch]')}classes: { route: { prefer: small } }`;
    expect(messagesOf(text)).toEqual([
      'p.yaml:18:29 classes.route.prefer: "small" is not open to this class: its classes are batch',
    ]);
  });

  it('refuses a runtime kind that the gateway does not have', () => {
    const text = 'version: 1\nruntimes: { llama: { kind: vllm, device: cpu } }\n';
    expect(messagesOf(text)).toEqual([
      'p.yaml:2:28 runtimes.llama.kind: expected one of llama-server, rkllm, simulated, got "vllm"',
    ]);
  });

  it('lists every fault at once, in the order of the file', () => {
    const text = `version: 1
gatway: {}
runtimes:
  llama: { kind: llama-server, device: gpu, settings: { treads: 4 } }
models:
  foo: { runtime: lama, file: 5, keep: x }
`;
    expect(messagesOf(text)).toEqual([
      'p.yaml:2:1 gatway: unknown key "gatway", did you mean "gateway"?',
      'p.yaml:4:40 runtimes.llama.device: no device is called "gpu", did you mean "cpu"?',
      'p.yaml:4:57 runtimes.llama.settings.treads: unknown key "treads", did you mean "threads"?',
      'p.yaml:6:19 models.foo.runtime: no runtime is called "lama", did you mean "llama"?',
      'p.yaml:6:31 models.foo.file: expected text, got 5',
      'p.yaml:6:40 models.foo.keep: expected resident, never or { idle: 15m }, got "x"',
    ]);
  });

  it('points into the anchor when the fault stands there', () => {
    const text = `version: 1
runtimes: { llama: { kind: llama-server, device: cpu } }
models:
  a: &base { runtime: llama, file: a.gguf, quality: 7 }
  b: { <<: *base, file: b.gguf }
`;
    expect(messagesOf(text)).toEqual([
      'p.yaml:4:53 models.a.quality: expected at most 1, got 7',
      'p.yaml:4:53 models.b.quality: expected at most 1, got 7',
    ]);
  });
});

describe('parsePolicy, text that is not usable as YAML', () => {
  it.each([
    ['an empty file', ' \n', 'p.yaml:1:1 the file is empty; a policy starts with "version: 1"'],
    [
      'a comment only',
      '# nothing\n',
      'p.yaml:1:1 expected a map of keys to values, got nothing: give it a value or remove the key',
    ],
    ['a list', '- 1\n', 'p.yaml:1:1 expected a map of keys to values, got [1]'],
    [
      'a repeated key',
      'version: 1\ngateway: {}\ngateway: {}\n',
      'p.yaml:3:1 gateway: key "gateway" stands twice, first on line 2',
    ],
    [
      'a repeated key inside',
      'version: 1\nclients:\n  - { name: a, name: b }\n',
      'p.yaml:3:16 clients[0].name: key "name" stands twice, first on line 3',
    ],
    ['an unknown alias', 'version: 1\nmodels: *x\n', 'p.yaml:2:9 no anchor &x stands before the alias *x'],
    [
      'a reserved key',
      'version: 1\nmodels:\n  __proto__: {}\n',
      'p.yaml:3:3 models.__proto__: expected a plain name as key',
    ],
  ])('%s is named with its place', (_, text, message) => {
    expect(messagesOf(text)).toEqual([message]);
  });

  it.each([
    ['an open bracket', 'version: 1\ngateway: {\n', /^p\.yaml:\d+:\d+ not valid YAML: /],
    ['a tab', 'version: 1\ngateway:\n\tport: 1\n', /^p\.yaml:3:1 not valid YAML: /],
    ['two documents', 'version: 1\n---\nversion: 1\n', /^p\.yaml:\d+:\d+ not valid YAML: .*multiple documents/],
    ['an unknown tag', 'version: !!js/function 1\n', /^p\.yaml:1:\d+ not valid YAML: Unresolved tag/],
  ])('%s is named with its place', (_, text, message) => {
    expect(messagesOf(text)[0]).toMatch(message);
  });

  it('refuses nesting, multiplication and size without falling over', () => {
    expect(messagesOf(`a: ${'['.repeat(20_000)}`)[0]).toMatch(/not usable as YAML|not valid YAML/);
    const levels = Array.from({ length: 12 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n},`.repeat(10)}]`);
    expect(messagesOf(`l0: &l0 [x]\n${levels.join('\n')}\n`)[0]).toMatch(/not usable as YAML: .*alias/i);
    expect(messagesOf('#'.repeat(POLICY_BYTES_MAX + 1))).toEqual([
      'p.yaml:1:1 the file has 1.00 MB; at most 1.00 MB are read',
    ]);
  });
});

describe('checkPolicy', () => {
  it('returns problems with line, column and path in place of throwing', () => {
    expect(checkPolicy('version: 3', 'p.yaml')).toEqual({
      kind: 'invalid',
      problems: [{ line: 1, column: 10, path: 'version', message: 'expected 1, got 3' }],
    });
  });
});
