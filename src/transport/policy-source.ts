/**
 * The policy that is in force. A changed file is read and checked whole; only then does it take the old one's place,
 * in one assignment, so nobody ever sees half of it. A broken file changes nothing but `lastError`.
 *
 *   file changed ─┐
 *   reload() ─────┴─→ read → check ─┬─ valid ──→ swap → loaded
 *                                   └─ broken ─→ keep → rejected
 *
 * One reload runs at a time; changes that come meanwhile cause one more at its end.
 */
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import { type PolicyWithText, readPolicyText } from '../policy/load.ts';
import { parsePolicy } from '../policy/parse.ts';
import { type FileWatch, watchFile } from './watch-file.ts';

/** What became of a changed file. */
export type PolicyEvent =
  | {
      readonly kind: 'loaded';
      readonly policy: Policy;
      /** Changed settings that need a restart, e.g. `gateway.port 8080 -> 9090 takes effect after a restart`. */
      readonly notices: readonly string[];
    }
  | { readonly kind: 'rejected'; readonly message: string };

/** A policy with the text it was read from. */
export type PolicyVersion = PolicyWithText & { readonly sinceMs: number };

/** What stood in the file, newest last seen: for people who want to know what a change did. */
export type PolicyHistory = {
  readonly current: PolicyVersion;
  /** The version before; undefined until the first change. */
  readonly previous: PolicyVersion | undefined;
  /** The file as it is now where it is not in force; its text is undefined where it could not be read. */
  readonly rejected: { readonly message: string; readonly atMs: number; readonly text: string | undefined } | undefined;
};

/** The policy in force and the watch on its file. */
export interface PolicySource {
  /** The policy in force; the same object until a valid change. */
  current(): Policy;
  /** Why the file as it is now is not in force; undefined when it is. */
  lastError(): { readonly message: string; readonly atMs: number } | undefined;
  /** The version in force with the one before and the one that was rejected. */
  history(): PolicyHistory;
  /** Reads the file again, also when it looks unchanged (SIGHUP). Never rejects: the outcome is an event. */
  reload(): Promise<void>;
  /** Stops watching. No event comes after it. */
  close(): Promise<void>;
}

/** What a policy source needs. `onEvent` must not throw. */
export type PolicySourceDeps = {
  readonly clock: Clock;
  readonly onEvent: (event: PolicyEvent) => void;
  /** What was read of the same file a moment ago: where its text is still the same it is not checked again. */
  readonly known?: PolicyWithText | undefined;
};

/** Loads a policy file and follows its changes. Rejects with `invalid_config` when the first load fails. */
export async function openPolicySource(file: string, deps: PolicySourceDeps): Promise<PolicySource> {
  // Watched from before the first load, so that no change falls between the two.
  let changedEarly = false;
  let onChange = () => {
    changedEarly = true;
  };
  const watch = watchFile(file, deps.clock, () => onChange());
  const started = await loadFirst(file, watch, deps);
  let current = started;
  let previous: PolicyVersion | undefined;
  let lastError: PolicyHistory['rejected'];
  let closed = false;
  let running: Promise<void> | undefined;
  let again = false;

  const readOnce = async () => {
    const outcome = await attempt(file);
    if (closed) return;
    if (outcome.kind === 'rejected') {
      if (outcome.message === lastError?.message) return;
      const { message, text } = outcome;
      lastError = { message, text, atMs: deps.clock.nowMs() };
      deps.onEvent({ kind: 'rejected', message });
      return;
    }
    const unchanged = outcome.policy.revision === current.policy.revision;
    if (unchanged && lastError === undefined) return;
    lastError = undefined;
    if (!unchanged) {
      previous = current;
      current = { policy: outcome.policy, text: outcome.text, sinceMs: deps.clock.nowMs() };
    }
    const { policy } = current;
    deps.onEvent({ kind: 'loaded', policy, notices: restartNotices(started.policy, policy) });
  };
  const readUntilSettled = async () => {
    do {
      again = false;
      await readOnce();
    } while (again && !closed);
    running = undefined;
  };
  const reload = (): Promise<void> => {
    again = running !== undefined;
    running ??= readUntilSettled();
    return running;
  };

  onChange = () => void reload();
  if (changedEarly) await reload();
  return {
    current: () => current.policy,
    lastError: () => lastError,
    history: () => ({ current, previous, rejected: lastError }),
    reload,
    close: async () => {
      closed = true;
      watch.close();
      await running;
    },
  };
}

async function loadFirst(file: string, watch: FileWatch, { clock, known }: PolicySourceDeps): Promise<PolicyVersion> {
  try {
    const text = await readPolicyText(file);
    const policy = known?.text === text ? known.policy : parsePolicy(text, file);
    return { policy, text, sinceMs: clock.nowMs() };
  } catch (error) {
    watch.close();
    throw error;
  }
}

type Attempt =
  | { readonly kind: 'read'; readonly policy: Policy; readonly text: string }
  | { readonly kind: 'rejected'; readonly message: string; readonly text: string | undefined };

async function attempt(file: string): Promise<Attempt> {
  let text: string | undefined;
  try {
    text = await readPolicyText(file);
    return { kind: 'read', policy: parsePolicy(text, file), text };
  } catch (thrown) {
    return { kind: 'rejected', message: messageOf(thrown), text };
  }
}

/** One line per setting that only a restart brings into force, compared with what the gateway was started with. */
export function restartNotices(started: Policy, changed: Policy): string[] {
  const settings: readonly (readonly [string, (policy: Policy) => unknown])[] = [
    ['gateway.host', (policy) => policy.gateway.host],
    ['gateway.port', (policy) => policy.gateway.port],
    ['machine.node_heap', (policy) => policy.machine.nodeHeapBytes],
    ['machine.before_start', (policy) => policy.machine.beforeStart],
    ['observe.otlp.endpoint', (policy) => policy.observe.otlp.endpoint],
    ['observe.otlp.every', (policy) => policy.observe.otlp.everyMs],
    ['observe.otlp.trace_share', (policy) => policy.observe.otlp.traceShare],
  ];
  return settings.flatMap(([name, read]) => {
    const before = JSON.stringify(read(started));
    const after = JSON.stringify(read(changed));
    if (before === after) return [];
    const change = name === 'machine.before_start' ? '(changed)' : `${before ?? 'unset'} -> ${after ?? 'unset'}`;
    return [`${name} ${change} takes effect after a restart`];
  });
}
