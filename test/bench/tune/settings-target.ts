import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { newTuneRun, type TuneRequest } from '../../../src/bench/tune/begin-run.ts';
import type { TuneTarget } from '../../../src/bench/tune/measure-trial.ts';
import { QUICK } from '../../../src/bench/tune/next-step.ts';
import { runTune, type TuneOptions } from '../../../src/bench/tune/run-tune.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { modelId, runtimeId } from '../../../src/core/ids.ts';
import type { ModelPolicy, Policy, RuntimePolicy, RuntimeSettings } from '../../../src/core/policy.ts';
import type { ReplySink, RuntimeConnection } from '../../../src/core/runtime.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';
import { modelFacts, modelPolicy } from '../../helpers/policy-values.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

/** What a model does under some settings. */
export type Behaviour = {
  readonly promptMs: number;
  readonly tokenMs: number;
  readonly fails?: string;
  readonly memoryMb?: number;
  /** Its answer to a quality item. */
  readonly answer?: string;
};

type Question = { readonly messages: { content: string }[]; readonly max_tokens: number; readonly stream: boolean };

const PID = 77;

/** A supervisor of one model that takes exactly the time its settings say, on the test's clock. */
export function settingsTarget(
  clock: ReturnType<typeof fakeClock>,
  sysroot: string,
  behaviour: (settings: RuntimeSettings, started: number) => Behaviour,
) {
  mkdirSync(join(sysroot, `proc/${PID}`), { recursive: true });
  let now: Behaviour | undefined;
  let settings: RuntimeSettings = {};
  let isLoaded = false;
  const starts: RuntimeSettings[] = [];
  const questions: string[] = [];

  const answer = (given: Behaviour, question: Question, sink: ReplySink) => {
    const text = question.messages[0]?.content ?? '';
    const promptTokens = text.length / 4 + 10;
    const send = (json: string) => sink.chunk(Buffer.from(`data: ${json}\n\n`));
    if (!question.stream) {
      questions.push(text);
      sink.head(200, 'application/json');
      const content = given.answer ?? 'The cat sat on the mat and looked at the rain.';
      sink.chunk(Buffer.from(JSON.stringify({ choices: [{ message: { content }, finish_reason: 'stop' }] })));
      sink.end();
      return;
    }
    sink.head(200, 'text/event-stream');
    clock.advance(promptTokens * given.promptMs);
    for (let index = 0; index < question.max_tokens; index += 1) {
      if (index > 0) clock.advance(given.tokenMs);
      send('{"choices":[{"delta":{"content":"x"}}]}');
    }
    const timings = {
      prompt_n: promptTokens,
      predicted_n: question.max_tokens,
      prompt_ms: promptTokens * given.promptMs,
    };
    send(`{"choices":[{"finish_reason":"length","delta":{}}],"timings":${JSON.stringify(timings)}}`);
    sink.end();
  };
  const connection = (given: Behaviour): RuntimeConnection => ({
    ready: async () => {},
    canary: async () => {},
    idle: async () => {},
    close: () => {},
    exchange: (_, body, sink) => {
      let aborted = false;
      queueMicrotask(() => {
        if (!aborted) answer(given, JSON.parse(String(body)) as Question, sink);
      });
      return {
        abort: () => {
          aborted = true;
        },
        resume: () => {},
      };
    },
  });
  const target: TuneTarget = {
    applyPolicy: async (policy) => {
      expect(isLoaded).toBe(false);
      expect(policy.models.size).toBe(1);
      settings = [...policy.models.values()][0]?.settings ?? {};
    },
    views: () =>
      new Map([
        [
          modelId('small'),
          {
            ...{ availability: { kind: 'available' } as const, facts: modelFacts(), runtimeVersion: '1 (test)' },
            ...{ pid: PID, memoryBytes: 1e9 },
          },
        ],
      ]),
    load: async (_, signal) => {
      signal.throwIfAborted();
      starts.push(settings);
      now = behaviour(settings, starts.length);
      if (now.fails !== undefined) throw new GatewayError('start_failed', now.fails);
      clock.advance(500);
      isLoaded = true;
      writeFileSync(join(sysroot, `proc/${PID}/status`), `VmHWM:\t${(now.memoryMb ?? 100) * 1000} kB\n`);
    },
    unload: async () => {
      isLoaded = false;
    },
    memory: () => ({ budgetBytes: 8e9 }),
    acquire: async (_, signal) => {
      signal.throwIfAborted();
      if (now === undefined) throw new Error('nothing is loaded');
      return { connection: connection(now), release: async () => {} };
    },
  };
  return { target, starts, questions };
}

/** A run of `sluice tune` on such a target; `go` may be called again with the same store, as `--resume` does. */
export function tuneBed(
  behaviour: (settings: RuntimeSettings, started: number) => Behaviour,
  given: Partial<TuneRequest> & { readonly settings?: RuntimeSettings; readonly kind?: string } = {},
) {
  const folder = temporaryFolder();
  const fake = fakeClock();
  const clock: Clock = { ...fake, sleep: async (ms) => fake.advance(ms) };
  const store = openStore(':memory:', { clock });
  onTestFinished(() => store.close());
  const file = join(folder, 'small.gguf');
  writeFileSync(file, 'weights');
  const { settings = { threads: 2, batch: 64, ubatch: 64, flashAttention: 'on' }, ...request } = given;
  const model: ModelPolicy = modelPolicy('small', { file, settings });
  const kind = given.kind ?? 'llama-server';
  const runtime: RuntimePolicy = {
    ...{ id: runtimeId('llama'), kind, device: 'cpu' },
    ...{ binary: undefined, benchBinary: undefined, library: undefined, settings: {} },
  };
  const policy: Policy = {
    ...parsePolicy('version: 1\n', '<builtin>'),
    models: new Map([[model.id, model]]),
    runtimes: new Map([[runtime.id, runtime]]),
  };
  const sysroot = join(folder, 'root');
  mkdirSync(join(sysroot, 'sys/devices/system/cpu'), { recursive: true });
  writeFileSync(join(sysroot, 'sys/devices/system/cpu/online'), '0-3\n');
  const start = newTuneRun(
    {
      ...{ model, kind, sysroot, narrowed: {}, memoryBytesMax: undefined, budgetMs: undefined, settleMs: 100 },
      ...{
        objective: { kind: 'e2e', text: 'e2e:96/16', promptTokens: 96, outputTokens: 16 },
        sluiceVersion: '0.0.0-test',
      },
      ...QUICK,
      ...request,
    },
    clock,
  );
  const supervisor = settingsTarget(fake, sysroot, behaviour);
  const steps: string[] = [];
  const go = (added: Partial<TuneOptions> = {}) =>
    runTune({
      ...{ policy, model, start, store, clock, sysroot, target: supervisor.target },
      signal: new AbortController().signal,
      onProgress: ({ step }) => void steps.push(step),
      ...added,
    });
  return { ...supervisor, go, store, start, steps, model, policy, folder };
}
