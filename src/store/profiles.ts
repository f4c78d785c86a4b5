import type { CancelTimer, Clock } from '../core/clock.ts';
import type { ModelId } from '../core/ids.ts';
import type { ModelPolicy } from '../core/policy.ts';
import { type ModelFacts, type Profile, type ProfileMetric, provenanceRank, resolveProfile } from '../core/profile.ts';
import type { ProfileRow } from './bench-tables.ts';
import { type Anchor, estimatedRows, fitSizeLaw, type SizeLaw } from './estimate.ts';
import { modelKey } from './model-key.ts';
import { OBSERVATIONS_KEPT, type Observation } from './observation-table.ts';
import { observedRows } from './observed.ts';
import type { Store } from './open-store.ts';
import { loadReference, type ReferenceTable, referenceRows } from './reference.ts';

/** Gap between two looks for benchmark runs of another process. */
const REFRESH_EVERY_MS = 5_000;
/**
 * Figures from live traffic are worked out at most this often per model: each time costs some 30 µs, which thousands of
 * requests per second would feel and a median over 50 would not.
 */
const RESOLVE_EVERY_MS = 100;

/**
 * Best known figures of every model, in memory for the hot path. What live traffic shows counts within 100 ms and goes
 * to SQLite in the background; what `sluice bench` of another process measured is picked up within five seconds.
 */
export interface Profiles {
  /**
   * Resolved figures of a model. The same object as long as nothing changed, so callers may compare and cache by it.
   * `facts` are the supervisor's; a new facts object means the file was looked at again, and its key is made anew.
   * Without facts the last ones given hold.
   */
  profileOf(model: ModelPolicy, facts?: ModelFacts): Profile;
  /** Takes in what one served request showed. Never throws, never touches the disk. */
  observe(model: ModelPolicy, observation: Omit<Observation, 'atMs'>): void;
  /** Has somebody told of a model whose rates were measured here anew. One listener. */
  onMeasured(listener: (model: ModelId) => void): void;
  /** Looks for figures of other processes now. */
  refresh(): void;
  /** Stops looking. The store is the caller's to close. */
  close(): void;
}

/** What is known of one model; `profile` is worked out of the rest when asked for. */
type Entry = {
  readonly model: ModelPolicy;
  readonly facts: ModelFacts | undefined;
  readonly key: string | undefined;
  /** Measured, imported and reference rows. */
  stored: readonly ProfileRow[];
  readonly observations: Observation[];
  profile: Profile;
  /** True when `profile` no longer follows from the rest. */
  stale: boolean;
  resolvedAtMs: number;
};

/** Makes {@link Profiles} over a store; `reference` defaults to the shipped tables. */
export function createProfiles(store: Store, clock: Clock, reference: ReferenceTable = loadReference()): Profiles {
  const entries = new Map<ModelId, Entry>();
  let law: SizeLaw | undefined;
  let dataVersion = store.dataVersion();
  let cancelTimer: CancelTimer | undefined;
  let told: (model: ModelId) => void = () => undefined;

  const everythingChanged = () => {
    law = undefined;
    for (const entry of entries.values()) {
      entry.stale = true;
      entry.resolvedAtMs = Number.NEGATIVE_INFINITY;
    }
  };

  const resolved = (entry: Entry): Profile => {
    const nowMs = clock.monotonicMs();
    if (!entry.stale || nowMs - entry.resolvedAtMs < RESOLVE_EVERY_MS) return entry.profile;
    law ??= fitSizeLaw(anchorsOf(entries.values()));
    const estimated = estimatedRows(entry.model, entry.facts, law);
    entry.profile = resolveProfile([...together(entry.stored, observedRows(entry.observations)), ...estimated]);
    entry.stale = false;
    entry.resolvedAtMs = nowMs;
    return entry.profile;
  };

  const storedRows = (model: ModelPolicy, key: string | undefined): readonly ProfileRow[] => {
    const siblings = key === undefined ? [] : store.siblingRows(key).flatMap(asEstimate);
    // The same file measured here under other settings says more than anybody's table about another machine.
    const isKnown = new Set(siblings.map(({ metric }) => metric));
    return [
      ...(key === undefined ? [] : store.profileRows(key)),
      ...siblings,
      ...referenceRows(model, reference).filter(({ metric }) => !isKnown.has(metric)),
    ];
  };

  const read = (model: ModelPolicy, facts: ModelFacts | undefined): Entry => {
    const previous = entries.get(model.id);
    const key = modelKey(model);
    // A policy reload makes new model objects; what was observed under the same key still holds and may not be on disk yet.
    const fromDisk = () => (key === undefined ? [] : [...store.observations(key, OBSERVATIONS_KEPT)]);
    const observations = previous !== undefined && previous.key === key ? previous.observations : fromDisk();
    return { model, facts, key, stored: storedRows(model, key), observations, ...UNRESOLVED };
  };

  const refresh = () => {
    const version = store.dataVersion();
    if (version === dataVersion) return;
    dataVersion = version;
    for (const entry of entries.values()) {
      const before = measuredAt(entry.stored);
      entry.stored = storedRows(entry.model, entry.key);
      if (measuredAt(entry.stored) > before) told(entry.model.id);
    }
    everythingChanged();
  };

  const poll = () => {
    cancelTimer = clock.after(REFRESH_EVERY_MS, () => {
      poll();
      try {
        refresh();
      } catch {
        // A damaged or unreadable file is reported where it is written; the figures in memory go on.
      }
    });
  };
  poll();

  return {
    profileOf: (model, facts) => {
      const known = entries.get(model.id);
      if (known?.model === model && (facts === undefined || known.facts === facts)) return resolved(known);
      const entry = read(model, facts ?? known?.facts);
      entries.set(model.id, entry);
      everythingChanged();
      return resolved(entry);
    },
    observe: (model, observation) => {
      const entry = entries.get(model.id);
      if (entry?.key === undefined) return;
      const seen = stamped(observation, clock.nowMs());
      store.recordObservation(entry.key, seen);
      // The first sight of a model may move the size law, and with it every estimate.
      if (entry.observations.length === 0) everythingChanged();
      entry.observations.push(seen);
      if (entry.observations.length > OBSERVATIONS_KEPT) entry.observations.shift();
      entry.stale = true;
    },
    onMeasured: (listener) => {
      told = listener;
    },
    refresh,
    close: () => cancelTimer?.(),
  };
}

// Field by field: see `withGuess` for what a spread costs here.
const stamped = (seen: Omit<Observation, 'atMs'>, atMs: number): Observation => ({
  atMs,
  promptTokens: seen.promptTokens,
  cachedTokens: seen.cachedTokens,
  outputTokens: seen.outputTokens,
  prefillMs: seen.prefillMs,
  decodeMs: seen.decodeMs,
  loadMs: seen.loadMs,
  promptChars: seen.promptChars,
  messageCount: seen.messageCount,
});

/**
 * What is stored and what was observed. Rates are trusted as measured, but how many characters a token has is a matter of the
 * text: a line through the users' own prompts says more of the next one than a benchmark's prose does. The template alone,
 * which short prompts show, says something only where no ratio is stored, which may hold its part already.
 */
function together(stored: readonly ProfileRow[], observed: readonly ProfileRow[]): readonly ProfileRow[] {
  const isText = ({ metric }: ProfileRow) => metric === 'templateTokens' || metric === 'charsPerToken';
  switch (observed.filter(isText).length) {
    case 2:
      return [...stored.filter((row) => !isText(row)), ...observed];
    case 1:
      return stored.some(({ metric }) => metric === 'charsPerToken')
        ? [...stored, ...observed.filter(({ metric }) => metric !== 'templateTokens')]
        : [...stored, ...observed];
    default:
      return [...stored, ...observed];
  }
}

const UNRESOLVED = { profile: {}, stale: true, resolvedAtMs: Number.NEGATIVE_INFINITY };

/** ISO time of the newest rate that was measured here; '' where none was. */
function measuredAt(rows: readonly ProfileRow[]): string {
  let newest = '';
  for (const { metric, figure } of rows) {
    const isRate = metric === 'prefillTokensPerSec' || metric === 'decodeTokensPerSec';
    if (isRate && figure.provenance === 'measured' && (figure.at ?? '') > newest) newest = figure.at ?? '';
  }
  return newest;
}

/** What is measured or observed here, of models whose size is known. */
function anchorsOf(entries: Iterable<Entry>): readonly Anchor[] {
  const observedRank = provenanceRank('observed');
  return [...entries].flatMap((entry) => {
    const parametersBillion = entry.facts?.parametersBillion;
    if (parametersBillion === undefined) return [];
    return [...entry.stored, ...observedRows(entry.observations)].flatMap(({ metric, figure }) =>
      provenanceRank(figure.provenance) <= observedRank ? [{ parametersBillion, metric, value: figure.value }] : [],
    );
  });
}

/** Metrics that other launch settings change by some tens of percent and not beyond recognition; memory and quality do. */
const CARRIED_OVER: ReadonlySet<ProfileMetric> = new Set([
  'prefillTokensPerSec',
  'prefillFixedMs',
  'prefillContextMs',
  'decodeTokensPerSec',
  'decodeContextMs',
  'loadMs',
  'loadColdMs',
  'unloadMs',
  'charsPerToken',
  'templateTokens',
]);

function asEstimate({ metric, figure }: ProfileRow): readonly ProfileRow[] {
  if (!CARRIED_OVER.has(metric)) return [];
  const { value, n, at, source } = figure;
  const carried = { value, n, provenance: 'estimated', source: `same file, other settings: ${source}` } as const;
  return [{ metric, figure: at === undefined ? carried : { ...carried, at } }];
}
