import type { CancelTimer, Clock } from '../core/clock.ts';
import type { ModelId } from '../core/ids.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { Profile } from '../core/profile.ts';
import type { CoRun } from '../core/snapshot.ts';
import { median } from '../core/stats.ts';
import type { CoRunRow, Fingerprint } from '../store/bench-tables.ts';
import { modelKey } from '../store/model-key.ts';
import type { Store } from '../store/open-store.ts';
import { readMachine, readMachineState } from './fingerprint.ts';
import { factDifferences, machineFacts, type UsedDevices, usedDevices } from './row-fingerprint.ts';

/**
 * Compares the machine as it is with the states figures were measured in, and keeps what was measured of models running
 * side by side. `/sys` and `/proc` are read every half minute and never by a request: lookups are a map and three
 * comparisons as long as nothing has changed.
 */
export interface MachineWatch {
  /** Why a model's measured figures belong to another state of the machine, one line each; empty = they hold. */
  staleOf(model: WatchedModel): readonly string[];
  /** Its slowdown while other devices work, one row per device; empty where it was not measured. */
  coRunOf(model: ModelPolicy): readonly CoRun[];
  /** Hottest thermal zone at the last look, °C; undefined where the machine has none. */
  hottest(): number | undefined;
  /** Looks now. */
  look(): void;
  close(): void;
}

/** A model whose figures are looked at. */
export type WatchedModel = {
  readonly policy: ModelPolicy;
  /** Kind of its runtime. */
  readonly kind: string;
  readonly profile: Profile;
  readonly runtimeVersion: string | undefined;
};

const LOOK_EVERY_MS = 30_000;
const NONE: readonly never[] = [];

type Known = {
  readonly profile: Profile;
  readonly runtimeVersion: string | undefined;
  readonly revision: number;
  readonly reasons: readonly string[];
};

type KnownCoRuns = {
  readonly policy: ModelPolicy;
  readonly key: string | undefined;
  readonly revision: number;
  readonly rows: readonly CoRun[];
};

type Parts = {
  readonly store: Pick<Store, 'fingerprint' | 'coRuns'>;
  readonly clock: Clock;
  readonly sysroot?: string | undefined;
};

/** Starts watching; looks once before it returns. */
export function createMachineWatch({ store, clock, sysroot }: Parts): MachineWatch {
  const stale = new Map<ModelId, Known>();
  const coRuns = new Map<ModelId, KnownCoRuns>();
  const fingerprints = new Map<string, Fingerprint | undefined>();
  let seen = readNow(clock, sysroot);
  // Counts the looks that found something new, so that what was worked out before is known to be old.
  let revision = 0;
  let lookNumber = 0;
  let cancel: CancelTimer = () => {};

  const look = () => {
    lookNumber += 1;
    const now = readNow(clock, sysroot);
    if (now.digest !== seen.digest) revision += 1;
    seen = now;
  };
  const again = () => {
    cancel = clock.after(LOOK_EVERY_MS, () => {
      look();
      again();
    });
  };
  again();

  const fingerprintOf = (id: string): Fingerprint | undefined => {
    if (!fingerprints.has(id)) fingerprints.set(id, store.fingerprint(id));
    return fingerprints.get(id);
  };
  return {
    staleOf: ({ policy, kind, profile, runtimeVersion }) => {
      const known = stale.get(policy.id);
      const holds = known?.profile === profile && known.runtimeVersion === runtimeVersion;
      if (holds && known.revision === revision) return known.reasons;
      const now = { ...seen.facts(usedDevices(kind, policy.settings)), ...runtimeFact(runtimeVersion) };
      const reasons = fingerprintIds(profile).flatMap((id) => {
        const then = fingerprintOf(id)?.facts ?? {};
        // Model and settings are in the key by which the figures were found; what does not change at run time is the same.
        return factDifferences(then, now);
      });
      const unique = reasons.length === 0 ? NONE : [...new Set(reasons)];
      stale.set(policy.id, { profile, runtimeVersion, revision, reasons: unique });
      return unique;
    },
    coRunOf: (policy) => {
      const known = coRuns.get(policy.id);
      if (known?.policy === policy && known.revision === lookNumber) return known.rows;
      // Samples the file, so it is done once per policy; the rows may come from a run of another process.
      const key = known?.policy === policy ? known.key : modelKey(policy);
      const rows = key === undefined ? NONE : byDevice(store.coRuns(key));
      coRuns.set(policy.id, { policy, key, revision: lookNumber, rows });
      return rows;
    },
    hottest: () => seen.hottest,
    look,
    close: () => cancel(),
  };
}

const runtimeFact = (version: string | undefined): Readonly<Record<string, string>> =>
  version === undefined ? {} : { runtime: version };

/** States the rates were measured in. Loads and memory may be older without making a prediction wrong by much. */
function fingerprintIds(profile: Profile): readonly string[] {
  const ids = [profile.prefillTokensPerSec, profile.decodeTokensPerSec].flatMap((figure) =>
    figure?.provenance === 'measured' && figure.fingerprint !== undefined ? [figure.fingerprint] : [],
  );
  return [...new Set(ids)];
}

type Seen = {
  readonly facts: (uses: UsedDevices) => Readonly<Record<string, string>>;
  readonly hottest: number | undefined;
  /** Differs whenever a fact does. */
  readonly digest: string;
};

function readNow(clock: Clock, sysroot: string | undefined): Seen {
  const machine = readMachine(sysroot);
  const state = readMachineState(clock.nowMs(), sysroot);
  const zones = state.temperatures.map(({ celsius }) => celsius);
  return {
    facts: (uses) => machineFacts(machine, state, uses),
    hottest: zones.length === 0 ? undefined : Math.max(...zones),
    digest: JSON.stringify(machineFacts(machine, state, { npu: true, gpu: true })),
  };
}

/** One row per device: of several models measured there the one in the middle, because which of them runs is not known. */
function byDevice(rows: readonly CoRunRow[]): readonly CoRun[] {
  const devices = [...new Set(rows.map(({ withDevice }) => withDevice))];
  return devices.map((withDevice) => {
    const here = rows.filter((row) => row.withDevice === withDevice);
    return {
      withDevice,
      prefillFactor: median(here.map(({ prefillFactor }) => prefillFactor)) ?? 1,
      decodeFactor: median(here.map(({ decodeFactor }) => decodeFactor)) ?? 1,
      n: here.reduce((sum, { n }) => sum + n, 0),
    };
  });
}
