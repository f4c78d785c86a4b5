import { TASKS, type Task } from '../../core/classes.ts';
import { messageOf } from '../../core/errors.ts';
import { DEGENERATION_PROBES } from '../../quality/degeneration-probes.ts';
import { EVAL_ITEMS } from '../../quality/items.ts';
import type { Journal } from '../journal.ts';
import { measureQuality } from '../quality/measure-quality.ts';
import type { BenchSample } from '../samples.ts';
import { policyWith, type TrialRun } from './measure-trial.ts';
import type { TuneSettings } from './settings.ts';
import type { TuneJournal } from './steps.ts';

/** Items per task, and every which probe: a check takes minutes on a slow board, and all items hours. */
const ITEMS_PER_TASK = 2;
const PROBE_EVERY = 3;
/** What a cache of fewer bits damages first is what lies far back: a fact hidden in the middle of a long text. */
const NEEDLE = 'needle-50';

const CHECKED: ReadonlySet<string> = new Set([
  ...TASKS.flatMap((task: Task) => EVAL_ITEMS.filter((item) => item.task === task).slice(0, ITEMS_PER_TASK)).map(
    ({ id }) => id,
  ),
  NEEDLE,
  ...DEGENERATION_PROBES.filter((_, index) => index % PROBE_EVERY === 0).map(({ id }) => id),
]);

/** Questions of one check. */
export const CHECK_STEPS = CHECKED.size;

/** Right answers that may be lost in the balance before a cache counts as worse, and answers that may fall apart more. */
const LOST_MAX = 2;
const BROKEN_MAX = 1;

/** The cache every other one is compared with. */
export const WHOLE_CACHE = 'f16/f16';

/** What a check needs beside a trial. */
export type CacheCheck = TrialRun & { readonly journal: TuneJournal; readonly onStep: (step: string) => void };

/**
 * Puts a part of the quality items to the model with a 16-bit KV cache and with the one of these settings, and judges:
 * worse where it gives more than two right answers fewer in the balance, or more than one broken answer more. What was
 * asked before is not asked again. A cache that cannot be checked does not pass. Rejects on abort only.
 */
export async function checkCache(
  run: CacheCheck,
  cache: string,
  settings: TuneSettings,
): Promise<{ readonly passed: boolean; readonly text: string }> {
  try {
    await answer(run, WHOLE_CACHE, { ...settings, cacheTypeK: 'f16', cacheTypeV: 'f16' });
    await answer(run, cache, settings);
  } catch (error) {
    if (run.signal.aborted) throw run.signal.reason;
    return { passed: false, text: `its answers could not be checked: ${messageOf(error)}` };
  }
  return judgeCache(answersOf(run.journal, WHOLE_CACHE), answersOf(run.journal, cache));
}

async function answer(run: CacheCheck, cache: string, settings: TuneSettings): Promise<void> {
  const { model, target, clock, signal } = run;
  const asked = cacheJournal(run, cache);
  await target.applyPolicy(policyWith(run.policy, model, settings));
  const onStep = (step: string) => run.onStep(`${step}, kv ${cache}`);
  const { contextTokens } = run;
  await measureQuality({ model: model.id, clock, signal, target, contextTokens, onStep, journal: asked }, (id) =>
    CHECKED.has(id),
  );
}

/** The journal as the quality measurement wants it, of one cache. */
function cacheJournal({ journal, clock }: CacheCheck, cache: string): Journal {
  let beforeMs = clock.monotonicMs();
  return {
    id: cache,
    has: (_, step) => journal.all().some((one) => one.kind === 'answer' && one.cache === cache && one.step === step),
    add: (_, step, samples) => {
      const nowMs = clock.monotonicMs();
      journal.add({ kind: 'answer', cache, step, samples: [...samples], tookMs: nowMs - beforeMs });
      beforeMs = nowMs;
    },
    samples: () => answersOf(journal, cache),
    end: () => undefined,
  };
}

const answersOf = (journal: TuneJournal, cache: string): readonly BenchSample[] =>
  journal.all().flatMap((step) => (step.kind === 'answer' && step.cache === cache ? step.samples : []));

/** Compares the answers with a cache to those with a 16-bit one, item by item; see {@link checkCache} for the rule. */
export function judgeCache(
  whole: readonly BenchSample[],
  other: readonly BenchSample[],
): { readonly passed: boolean; readonly text: string } {
  const before = answers(whole);
  const after = answers(other);
  const lost = before.right.filter((item) => !after.right.includes(item));
  const gained = after.right.filter((item) => !before.right.includes(item));
  const balance = lost.length - gained.length;
  const counts = `${after.right.length} of ${after.asked} right (${before.right.length} with f16), ${after.broken} answers broken (${before.broken} with f16)`;
  if (balance > LOST_MAX) return { passed: false, text: `${counts}: it lost ${lost.join(', ')}` };
  if (after.broken - before.broken > BROKEN_MAX) return { passed: false, text: `${counts}: its answers fall apart` };
  return { passed: true, text: counts };
}

function answers(samples: readonly BenchSample[]) {
  const given = samples.flatMap((sample) => (sample.kind === 'answer' ? [sample] : []));
  return {
    right: given.flatMap(({ item, right }) => (right === true ? [item] : [])),
    asked: given.filter(({ right }) => right !== undefined).length,
    broken: given.filter(({ sign }) => sign !== undefined).length,
  };
}
