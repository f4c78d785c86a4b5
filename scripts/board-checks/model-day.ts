import type { RkllmModelFile } from '../../runtimes/rkllm/files/model-file.ts';
import { systemClock as clock } from '../../src/core/clock.ts';
import type { Bench } from './machine.ts';
import type { ProbeOutcome, ProbeSetup } from './probe-types.ts';
import type { ProbeName } from './probes.ts';
import { holdModel, runProbe } from './run-probe.ts';

/** One answered question. */
export type DayEntry = {
  readonly model: string;
  readonly check: string;
  readonly question: string;
  readonly outcome: ProbeOutcome;
};

/** What each probe asks, in the order they run: what everything rests on first, what may upset the NPU last. */
export const QUESTIONS: Readonly<Record<ProbeName, string>> = {
  load: 'how long does a load take, and which lines does it print?',
  generate: 'is the answer sensible, and do our figures agree with the library’s?',
  'prefill-slope': 'how does the time to the first token grow with the prompt?',
  'callback-thread': 'do callbacks come on the thread that called rkllm_run? (a hang means: on another one)',
  'stack-16m': 'does a run live with a stack of 16 MiB?',
  'stack-1m': 'does a run live with a stack of 1 MiB?',
  'stack-128k': 'does a run live with the smallest stack? (a crash is the answer)',
  'special-tokens': 'is the text of a special token inside a prompt read as that token?',
  'abort-decode': 'how long does an abort take while tokens come, and what do the calls return?',
  'abort-prefill': 'how long does an abort take while the prompt is read?',
  'run-after-abort': 'is the next answer untouched by an abort?',
  'keep-history': 'does going on from the cache say what the whole text would?',
  embeddings: 'are hidden states the same the second time, and zero without clearing?',
  logits: 'are logits given, and for how many tokens?',
  'prompt-cache': 'is a prompt cache written, read, and worth it?',
  'prompt-too-long': 'how does a prompt longer than the context fail, and does the model answer afterwards?',
  'context-too-long': 'is a context above the file’s limit refused, and in which words?',
  'file-invalid': 'is a file that is no model refused, and in which words?',
  'domain-1': 'does a load into memory domain 1 work?',
  'load-twice': 'does one process load, destroy and load again?',
  'destroy-idle': 'how long does an idle model take to unload?',
  'destroy-running': 'what does a destroy do to a run that is under way?',
};

// The gateway's own load deadline, and the same again for the question itself.
const LOAD_FLOOR_MS = 60_000;
const LOAD_MS_PER_GB = 45_000;

/** Asks every question about one model. `limitMs` replaces the time limit of a probe where given. */
export async function askModel(
  model: RkllmModelFile,
  library: NonNullable<Bench['library']>,
  options: { readonly limitMs: number | undefined; readonly onEntry: (entry: DayEntry) => void },
): Promise<readonly DayEntry[]> {
  const limitMs = options.limitMs ?? 2 * Math.max(LOAD_FLOOR_MS, (LOAD_MS_PER_GB * model.sizeBytes) / 1e9);
  const setup: ProbeSetup = {
    library: library.path,
    profile: library.profile,
    modelFile: model.path,
    contextTokens: model.contextTokens,
    domainId: 0,
  };
  const entries: DayEntry[] = [];
  const note = (check: string, question: string, outcome: ProbeOutcome): void => {
    const entry = { model: model.path, check, question, outcome };
    entries.push(entry);
    options.onEntry(entry);
  };
  for (const name of Object.keys(QUESTIONS) as ProbeName[]) {
    note(name, QUESTIONS[name], await runProbe(name, setup, limitMs));
  }
  note('second-process', 'can a second process load while another holds the NPU?', await askSecond(setup, limitMs));
  note(
    'after-kill',
    'is the NPU free again after a process that held it was killed?',
    await askAfterKill(setup, limitMs),
  );
  return entries;
}

async function askSecond(setup: ProbeSetup, limitMs: number): Promise<ProbeOutcome> {
  const holder = await holdModel(setup, limitMs);
  try {
    return holder.failed ?? (await runProbe('generate', setup, limitMs));
  } finally {
    await holder.kill();
  }
}

async function askAfterKill(setup: ProbeSetup, limitMs: number): Promise<ProbeOutcome> {
  const holder = await holdModel(setup, limitMs);
  await holder.kill();
  if (holder.failed !== undefined) return holder.failed;
  const startMs = clock.monotonicMs();
  const outcome = await runProbe('load', setup, limitMs);
  if (outcome.kind !== 'done') return outcome;
  const values = { ...outcome.finding.values, wholeMs: Math.round(clock.monotonicMs() - startMs) };
  return { ...outcome, finding: { ...outcome.finding, values } };
}
