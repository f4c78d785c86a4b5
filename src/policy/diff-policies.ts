import { formatBytes, formatDurationMs } from '../core/format.ts';
import type { Policy } from '../core/policy.ts';

/** One value that two policies differ in. */
export type PolicyChange = {
  /** Where it stands, e.g. `classes.interactive.e2eMs` or `models.qwen3.5-4b.settings.threads`. */
  readonly path: string;
  /** Values for people, units included; undefined = not there in that policy. */
  readonly before: string | undefined;
  readonly after: string | undefined;
};

/**
 * Every value in which two policies differ after defaults and units are resolved, in the order of the policy's parts, so
 * that comments, key order and `60s` against `1m` are no difference. Models, runtimes and devices are compared by id,
 * clients by name, rules by position; a part that exists in one policy only is one change, not one per value. Empty for
 * policies that mean the same.
 */
export function diffPolicies(before: Policy, after: Policy): readonly PolicyChange[] {
  const changes: PolicyChange[] = [];
  compare('', withoutOrigin(before), withoutOrigin(after), changes);
  return changes;
}

type Branch = ReadonlyMap<string, unknown>;

function withoutOrigin({ file: _file, revision: _revision, ...rest }: Policy): Branch {
  return new Map(Object.entries(rest));
}

function compare(path: string, before: unknown, after: unknown, changes: PolicyChange[]): void {
  const [old, next] = [branchOf(before), branchOf(after)];
  if (old !== undefined && next !== undefined) {
    for (const key of new Set([...old.keys(), ...next.keys()])) {
      compare(path === '' ? key : `${path}.${key}`, old.get(key), next.get(key), changes);
    }
    return;
  }
  const [shownBefore, shownAfter] = [shown(path, before), shown(path, after)];
  if (shownBefore !== shownAfter) changes.push({ path, before: shownBefore, after: shownAfter });
}

/** The parts of a value that are compared one by one; undefined for one that is compared whole. */
function branchOf(value: unknown): Branch | undefined {
  if (value instanceof Map) return value as Branch;
  if (Array.isArray(value)) {
    const parts = value.map((item: unknown, index) => [nameOf(item) ?? String(index), item] as const);
    return value.every(isObject) ? new Map(parts) : undefined;
  }
  return isObject(value) ? new Map(Object.entries(value)) : undefined;
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !(value instanceof RegExp) && !Array.isArray(value);

function nameOf(item: unknown): string | undefined {
  const name = isObject(item) && 'name' in item ? item.name : undefined;
  return typeof name === 'string' ? name : undefined;
}

function shown(path: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value instanceof RegExp) return value.source;
  if (typeof value === 'number' && path.endsWith('Ms')) return formatDurationMs(value);
  if (typeof value === 'number' && path.endsWith('Bytes')) return formatBytes(value);
  if (typeof value === 'string') return value;
  return JSON.stringify(value, (_, part: unknown) => {
    if (part instanceof Map) return Object.fromEntries(part);
    return part instanceof RegExp ? part.source : part;
  });
}
