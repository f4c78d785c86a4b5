import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSimulator } from '../../../runtimes/rkllm/simulator/build-simulator.ts';
import { writeStandIn } from '../../runtimes/rkllm/npu-bed.ts';
import { demoModel, demoPolicy, type Parsed, type PolicyFile, startTestGateway } from '../gateway.ts';
import { until } from '../until.ts';
import type { RuntimeName } from './grid.ts';

/** The key of every client that has one. */
export const KEY = 'sk-conformance-0123456789';
/** What the clients ask. */
export const QUESTION = 'Who are you?';
const AUTHORIZED = { headers: { authorization: `Bearer ${KEY}` } };

const CALL = '<tool_call>|\\n{"name": "get_|weather", "arguments": {"city": "Berlin"}}|\\n</tool_call>';

/** The models of a runtime: each has another part to play. */
export type Cast = {
  /** Says one sentence. */
  readonly speaker: string;
  readonly sentence: string;
  /** Calls a tool where it is offered one. */
  readonly caller: string;
  readonly vectors: string;
  /** Never end by themselves; several, so that one can come back from its death while others are killed. */
  readonly endless: readonly [string, ...string[]];
  /** Is not loaded until it is asked for. */
  readonly sleeper: string;
  /** Has no file. */
  readonly missing: string;
};

export const CASTS: Readonly<Record<RuntimeName, Cast>> = {
  'llama-server': {
    speaker: 'tiny',
    sentence: 'I am the tiny tier.',
    caller: 'tiny',
    vectors: 'vectors',
    endless: ['endless-1', 'endless-2', 'endless-3', 'endless-4'],
    sleeper: 'sleeper',
    missing: 'missing',
  },
  'RKLLM simulator': {
    speaker: 'npu',
    sentence: 'I am on the NPU.',
    caller: 'npu-caller',
    vectors: 'npu-vectors',
    endless: ['npu-endless-1', 'npu-endless-2', 'npu-endless-3', 'npu-endless-4'],
    sleeper: 'npu-sleeper',
    missing: 'npu-missing',
  },
};

/** A gateway with models of both runtimes and what the suite does behind the clients' backs. */
export type Bed = Awaited<ReturnType<typeof startBed>>;

/** Starts it, with the stand-ins of NPU models in `folder`. */
export async function startBed(folder: string) {
  const environment = { ...process.env, SLUICE_TEST_KEY: KEY };
  const gateway = await startTestGateway(await policyIn(folder), { environment });
  const { url } = gateway;
  const call = async (path: string, init: RequestInit = {}): Promise<Parsed> =>
    (await fetch(`${url}${path}`, { ...AUTHORIZED, ...init })).json();
  const rowOf = async (model: string): Promise<Parsed> =>
    (await call('/router/models')).models.find(({ id }: { id: string }) => id === model);
  const lanes = async (): Promise<Parsed[]> => (await call('/router/status')).lanes;
  const count = async (kind: 'running' | 'waiting'): Promise<number> =>
    (await lanes()).reduce((sum, lane) => sum + lane[kind].length, 0);
  return {
    ...gateway,
    call,
    pidOf: async (model: string): Promise<number> => (await rowOf(model)).pid,
    /** Call it before a request: what it returns resolves when the model's engine has begun to work on that one. */
    engineWorks: (model: string): (() => Promise<void>) => {
      const runs = runsOf(folder, model);
      return async () => {
        await until('the engine works', async () =>
          RKLLM_ENDLESS.includes(model) ? runsOf(folder, model) > runs : slotWorks((await rowOf(model)).pid),
        );
      };
    },
    stateOf: async (model: string): Promise<string> => (await rowOf(model)).state.kind,
    stateChanges: (model: string, state: string, from: number) =>
      gateway.event(
        `${model} is ${state}`,
        (event) => event.kind === 'child.state' && event.model === model && event.to === state,
        from,
      ),
    running: () => until('it runs', async () => (await count('running')) === 1),
    waiting: (wanted: number) => until(`${wanted} wait`, async () => (await count('waiting')) === wanted),
    /** Resolves when nothing runs or waits. */
    quiet: async () => {
      await until('every lane is empty', async () => (await count('running')) + (await count('waiting')) === 0);
      await until('nothing is under way', async () => (await call('/router/status')).requests_active === 0);
    },
    /** A request past the clients' libraries, to see that a model works. */
    ask: (model: string) => gateway.chat(body(model, 'Well?', { max_tokens: 1 }), AUTHORIZED),
    /** The same until the signal comes; of the class of what the clients ask, whose queue it is to fill. */
    hold: (model: string, signal: AbortSignal) =>
      gateway.chat(body(model, QUESTION, { stream: true }), { ...AUTHORIZED, signal }),
  };
}

const body = (model: string, content: string, more: object) => ({
  model,
  messages: [{ role: 'user', content }],
  ...more,
});

const RKLLM_ENDLESS = CASTS['RKLLM simulator'].endless;
const traceOf = (folder: string, model: string): string => join(folder, `${model}.trace`);

/** How often the library was told to run a model. */
function runsOf(folder: string, model: string): number {
  const file = traceOf(folder, model);
  return existsSync(file) ? readFileSync(file, 'utf8').split('"call":"run"').length : 0;
}

async function slotWorks(pid: number): Promise<boolean> {
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  const key = /LLAMA_API_KEY=(\w+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1];
  const url = `http://127.0.0.1:${args[args.indexOf('--port') + 1]}/slots`;
  const [slot] = (await (await fetch(url, { headers: { authorization: `Bearer ${key}` } })).json()) as Parsed[];
  return slot.is_processing;
}

async function policyIn(folder: string): Promise<PolicyFile> {
  const policy = demoPolicy(['tiny']);
  const { settings } = policy.runtimes['llama'] as { settings: Record<string, unknown> };
  settings['threads'] = 1;
  const endless = { ...demoModel('demo-4b'), settings: { extra_args: ['--ignore-eos'] } };
  const npu = (name: string, standIn: Record<string, string | number>, more: object = {}) => ({
    runtime: 'npu',
    file: writeStandIn(join(folder, `${name}.rkllm`), { context: 2048, decode_ms: 1, ...standIn }),
    quality: 0.5,
    keep: 'resident',
    ...more,
  });
  const npuEndless = (name: string) =>
    npu(
      name,
      { answer: 'and| so| on| ', repeat: 1000, prefill_ms: 2, decode_ms: 5 },
      { settings: { environment: { RKLLM_SIM_TRACE: traceOf(folder, name) } } },
    );
  policy.gateway = { ...policy.gateway, queue_depth: 1, early_headers: '50ms', heartbeat: '100ms' };
  policy.devices['npu'] = { lanes: 1 };
  policy.runtimes['npu'] = { kind: 'rkllm', device: 'npu', library: await buildSimulator('1.3.0') };
  policy.models = {
    ...policy.models,
    vectors: { ...demoModel('tiny'), settings: { embeddings: true, pooling: 'mean' } },
    ...Object.fromEntries(CASTS['llama-server'].endless.map((id) => [id, endless])),
    ...Object.fromEntries(RKLLM_ENDLESS.map((id) => [id, npuEndless(id)])),
    sleeper: { ...demoModel('demo-1.7b'), keep: { idle: '1h' } },
    missing: { ...demoModel('demo-4b'), file: '/nowhere/missing.gguf' },
    npu: npu('npu', { answer: 'I am| on| the| NPU|.' }),
    'npu-caller': npu('npu-caller', { answer: CALL }),
    'npu-vectors': npu('npu-vectors', {}, { settings: { embeddings: true } }),
    'npu-sleeper': npu('npu-sleeper', { answer: 'Good morning|.', load_ms: 300 }, { keep: { idle: '1h' } }),
    'npu-missing': { ...npu('npu-missing', {}), file: '/nowhere/missing.rkllm' },
  };
  policy.classes = { interactive: { min_quality: 0 } };
  policy.clients = [{ name: 'everybody', key_env: 'SLUICE_TEST_KEY' }];
  return policy;
}
