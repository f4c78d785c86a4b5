import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadChatTemplate, renderPrompt } from '../../runtimes/rkllm/chat/render.ts';
import { systemClock as clock } from '../../src/core/clock.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { ProbeFinding, ProbeSetup } from './probe-types.ts';
import { rawRun } from './raw-run.ts';
import { openSession, type Session, type SessionRun } from './session.ts';

/** A question to the library, asked in a process of its own. */
export type Probe = (setup: ProbeSetup) => Promise<ProbeFinding>;

const LONG_WORDS = 'The quick brown fox jumps over the lazy dog. ';
const QUESTION = 'Count from one to twenty in words.';
const STACK_BYTES = 16 * 2 ** 20;

const finding = (passes: boolean | undefined, values: ProbeFinding['values']): ProbeFinding => ({
  verdict: passes === undefined ? 'info' : passes ? 'pass' : 'fail',
  values,
});

const round = (value: number | undefined): number | string =>
  value === undefined ? 'none' : Math.round(value * 10) / 10;

/** What a run's figures are, ours and the library's side by side. */
const figures = ({ perf, firstMs, wholeMs, tokens, waits, code }: SessionRun): ProbeFinding['values'] => ({
  returned: code,
  ourFirstTokenMs: round(firstMs),
  ourWholeMs: round(wholeMs),
  ourTokens: tokens,
  waits,
  prefillMs: round(perf?.prefillMs),
  prefillTokens: perf?.prefillTokens ?? 'none',
  decodeTokensPerSec:
    perf === undefined || perf.generateMs === 0 ? 'none' : round((perf.generateTokens * 1000) / perf.generateMs),
  generateTokens: perf?.generateTokens ?? 'none',
  memoryMb: round(perf?.memoryMb),
});

/** The probes by name; the names stand in reports, so they stay. */
export const PROBES = {
  load: async (setup) => {
    const { loadMs } = await openSession(setup);
    return finding(true, { loadMs: round(loadMs), residentMb: Math.round(process.memoryUsage.rss() / 2 ** 20) });
  },
  generate: async (setup) => {
    const session = await openSession(setup);
    const run = await session.run(await questionPrompt(setup, session), { stopAfter: 64 });
    return finding(run.perf !== undefined && run.text.trim() !== '', { ...figures(run), text: run.text.slice(0, 200) });
  },
  'stack-128k': (setup) => rawRun(setup, { stackBytes: 128 * 1024, onMainThread: false }),
  'stack-1m': (setup) => rawRun(setup, { stackBytes: 2 ** 20, onMainThread: false }),
  'stack-16m': (setup) => rawRun(setup, { stackBytes: STACK_BYTES, onMainThread: false }),
  'callback-thread': (setup) => rawRun(setup, { stackBytes: STACK_BYTES, onMainThread: true }),
  'special-tokens': async (setup) => {
    const session = await openSession(setup);
    const token = (await templateOf(setup))?.eosToken || '<|im_end|>';
    await session.handle.setChatTemplate('', '', '');
    const marked = await session.run(token.repeat(20), { stopAfter: 1 });
    await session.handle.clearKvCache();
    const words = await session.run(' a'.repeat(20), { stopAfter: 1 });
    const prefill = marked.perf?.prefillTokens;
    // Twenty tokens where the text is read as special, and several times that where it is read letter by letter.
    const readAs = prefill === undefined ? 'unknown' : prefill <= 25 ? 'special tokens' : 'plain text';
    return finding(prefill === undefined ? false : undefined, {
      token,
      tokensForTwenty: prefill ?? 'none',
      tokensForTwentyWords: words.perf?.prefillTokens ?? 'none',
      readAs,
    });
  },
  'prefill-slope': async (setup) => {
    const session = await openSession(setup);
    const values: Record<string, number | string> = {};
    for (const words of [8, 32, 128, 512]) {
      const prompt = LONG_WORDS.repeat(words);
      if (words * 12 > setup.contextTokens) break;
      await session.handle.clearKvCache();
      const run = await session.run(prompt, { stopAfter: 1 });
      values[`ms at ${run.perf?.prefillTokens ?? `${words} sentences`} tokens`] = round(run.perf?.prefillMs);
    }
    return finding(
      Object.values(values).every((value) => typeof value === 'number'),
      values,
    );
  },
  'abort-decode': async (setup) => {
    const session = await openSession(setup);
    return abortedRun(session, QUESTION, (started) => untilTokens(started, 3));
  },
  'abort-prefill': async (setup) => {
    const session = await openSession(setup);
    const prompt = LONG_WORDS.repeat(Math.max(4, Math.floor(setup.contextTokens / 24)));
    return abortedRun(session, prompt, () => clock.sleep(50));
  },
  'run-after-abort': async (setup) => {
    const session = await openSession(setup);
    const before = await session.run(QUESTION, { stopAfter: 16 });
    await session.handle.clearKvCache();
    const after = await session.run(QUESTION, { stopAfter: 16 });
    // The abort takes effect some tokens late, so the common part counts.
    const length = Math.min(before.text.length, after.text.length);
    const same = before.text.slice(0, length) === after.text.slice(0, length);
    return finding(same && length > 0, { same, length, overrun: before.tokens - 16 });
  },
  // Going on from the cache must say what the whole text would: it does not where the last token is not in the cache.
  'keep-history': async (setup) => {
    const session = await openSession(setup);
    await session.handle.setChatTemplate('', '', '');
    const start = 'Colours: red, green, blue, yellow. Numbers:';
    const limit = setup.profile === '1.3' ? { maxNewTokens: 4 } : { stopAfter: 4 };
    const first = await session.run(start, { keepHistory: true, ...limit });
    const rest = ' And once more, the colours:';
    const appended = await session.run(rest, { keepHistory: true, stopAfter: 12 });
    await session.handle.clearKvCache();
    const whole = await session.run(`${start}${first.text}${rest}`, { stopAfter: 12 });
    return finding(undefined, {
      sameAnswer: appended.text.slice(0, 30) === whole.text.slice(0, 30),
      appended: appended.text.slice(0, 60),
      whole: whole.text.slice(0, 60),
      appendedPrefillTokens: appended.perf?.prefillTokens ?? 'none',
      wholePrefillTokens: whole.perf?.prefillTokens ?? 'none',
    });
  },
  embeddings: async (setup) => {
    const session = await openSession(setup);
    const row = async (clear: boolean): Promise<Float32Array> => {
      if (clear) await session.handle.clearKvCache();
      return (await session.run('A cat sits on a mat.', { mode: 'hidden' })).row ?? new Float32Array(0);
    };
    const [first, second, uncleared] = [await row(true), await row(true), await row(false)];
    const isZero = (values: Float32Array) => values.every((value) => value === 0);
    const same = first.length > 0 && first.every((value, index) => Math.abs(value - (second[index] ?? 0)) < 1e-3);
    return finding(same && !isZero(first), {
      dimensions: first.length,
      same,
      firstIsZero: isZero(first),
      secondIsZero: isZero(second),
      zeroWithoutClear: isZero(uncleared),
    });
  },
  logits: async (setup) => {
    const session = await openSession(setup);
    const { row } = await session.run('The capital of France is', { mode: 'logits' });
    return finding(row !== undefined && row.length > 0, { vocabulary: row?.length ?? 0 });
  },
  'prompt-cache': async (setup) => {
    const session = await openSession(setup);
    const folder = await mkdtemp(join(tmpdir(), 'sluice-board-'));
    try {
      const file = join(folder, 'prompt.cache');
      const prefix = LONG_WORDS.repeat(20);
      const cold = await session.run(prefix, { savePromptCache: file, stopAfter: 1 });
      const bytes = await stat(file).then(
        ({ size }) => size,
        () => 0,
      );
      await session.handle.clearKvCache();
      const loaded = await session.handle.loadPromptCache(file);
      const warm = await session.run(`${prefix}And then?`, { stopAfter: 1 });
      return finding(bytes > 0 && loaded === 0, {
        bytes,
        loadReturned: loaded,
        coldPrefillMs: round(cold.perf?.prefillMs),
        warmPrefillMs: round(warm.perf?.prefillMs),
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  'prompt-too-long': async (setup) => {
    const session = await openSession(setup);
    const run = await session.run(LONG_WORDS.repeat(Math.ceil(setup.contextTokens / 4)), { stopAfter: 1 });
    const refused = run.code !== 0 || run.errors > 0;
    await session.handle.clearKvCache();
    const after = await session.run(QUESTION, { stopAfter: 4 });
    return finding(refused && after.tokens > 0, { returned: run.code, errors: run.errors, tokensAfter: after.tokens });
  },
  'context-too-long': (setup) => refusedLoad({ ...setup, contextTokens: 1_048_576 }),
  'file-invalid': async (setup) => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-board-'));
    try {
      const modelFile = join(folder, 'garbage.rkllm');
      await writeFile(modelFile, Buffer.alloc(65_536, 0x5a));
      return await refusedLoad({ ...setup, modelFile });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  'domain-1': async (setup) => {
    const session = await openSession({ ...setup, domainId: 1 });
    const run = await session.run(QUESTION, { stopAfter: 4 });
    return finding(run.tokens > 0, figures(run));
  },
  'destroy-idle': async (setup) => {
    const session = await openSession(setup);
    const startMs = clock.monotonicMs();
    const code = await session.handle.destroy();
    return finding(code === 0, { returned: code, destroyMs: round(clock.monotonicMs() - startMs) });
  },
  'destroy-running': async (setup) => {
    const session = await openSession(setup);
    const running = session.run(QUESTION, {});
    await clock.sleep(300);
    const startMs = clock.monotonicMs();
    const code = await session.handle.destroy();
    const destroyMs = round(clock.monotonicMs() - startMs);
    const run = await running;
    return finding(undefined, { returned: code, destroyMs, runReturned: run.code, finished: run.perf !== undefined });
  },
  'load-twice': async (setup) => {
    const first = await openSession(setup);
    const firstMs = first.loadMs;
    await first.handle.destroy();
    const second = await openSession(setup);
    return finding(true, { firstMs: round(firstMs), secondMs: round(second.loadMs) });
  },
} as const satisfies Readonly<Record<string, Probe>>;

/** Name of a probe. */
export type ProbeName = keyof typeof PROBES;

async function templateOf(setup: ProbeSetup) {
  // A model without a known template is still worth its other answers.
  return loadChatTemplate(setup.modelFile).catch(() => undefined);
}

/** The question as the model's template writes it; bare, in the library's own template, where none is known. */
async function questionPrompt(setup: ProbeSetup, session: Session): Promise<string> {
  const template = await templateOf(setup);
  if (template === undefined) return QUESTION;
  await session.handle.setChatTemplate('', '', '');
  return renderPrompt(template, { messages: [{ role: 'user', content: QUESTION }], thinking: false }).prompt;
}

type Started = { readonly tokens: () => number };

async function untilTokens(started: Started, count: number): Promise<void> {
  for (let tries = 0; started.tokens() < count && tries < 6000; tries += 1) await clock.sleep(10);
}

async function abortedRun(
  session: Session,
  prompt: string,
  wait: (started: Started) => Promise<void>,
): Promise<ProbeFinding> {
  let tokens = 0;
  let finishMs: number | undefined;
  const running = session.handle.run(
    {
      mode: 'generate',
      prompt,
      role: 'user',
      enableThinking: false,
      keepHistory: false,
      lora: undefined,
      savePromptCache: undefined,
      sampling: undefined,
      maxNewTokens: undefined,
    },
    (event) => {
      if (event.kind === 'text') tokens += 1;
      if (event.kind === 'finish') finishMs = clock.monotonicMs();
    },
  );
  await wait({ tokens: () => tokens });
  const abortMs = clock.monotonicMs();
  const tokensBefore = tokens;
  const aborted = await session.handle.abort();
  const code = await running;
  return finding(finishMs !== undefined, {
    abortReturned: aborted,
    runReturned: code,
    abortToFinishMs: finishMs === undefined ? 'no FINISH' : round(Math.max(0, finishMs - abortMs)),
    abortToReturnMs: round(clock.monotonicMs() - abortMs),
    tokensBefore,
    tokensAfter: tokens - tokensBefore,
  });
}

/** Passes where the library refuses the load; its log lines say whether we know the reason. */
async function refusedLoad(setup: ProbeSetup): Promise<ProbeFinding> {
  try {
    const { loadMs } = await openSession(setup);
    return finding(false, { refused: false, loadMs: round(loadMs) });
  } catch (error) {
    return finding(true, { refused: true, said: messageOf(error) });
  }
}
