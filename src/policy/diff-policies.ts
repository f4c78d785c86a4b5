import { formatBytes, formatDurationMs } from '../core/format.ts';
import type { Policy } from '../core/policy.ts';

/** One value that two policies differ in. */
export type PolicyChange = {
  /** Where it stands, in the words of the file: `classes.interactive.e2e`, `models.qwen3.5-4b.settings.threads`. */
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
  compare({ path: [], key: '' }, withoutOrigin(before), withoutOrigin(after), changes);
  return changes;
}

type Branch = ReadonlyMap<string, unknown>;

function withoutOrigin({ file: _file, revision: _revision, ...rest }: Policy): Branch {
  return new Map(Object.entries(rest));
}

/** Where a value stands, and its key in the resolved policy, which says its unit. */
type Place = { readonly path: readonly string[]; readonly key: string };

function compare({ path, key: ownKey }: Place, before: unknown, after: unknown, changes: PolicyChange[]): void {
  const [old, next] = [branchOf(before), branchOf(after)];
  if (old !== undefined && next !== undefined) {
    const isNamed = path.length > 0 && (before instanceof Map || Array.isArray(before) || NAMED.has(ownKey));
    for (const key of new Set([...old.keys(), ...next.keys()])) {
      const part: Place = { path: [...path, isNamed ? key : writtenKey(key)], key };
      compare(part, old.get(key), next.get(key), changes);
    }
    return;
  }
  const [shownBefore, shownAfter] = [shown(ownKey, before), shown(ownKey, after)];
  if (shownBefore !== shownAfter) changes.push({ path: path.join('.'), before: shownBefore, after: shownAfter });
}

/** Objects whose keys are names that the operator gave, as those of maps and lists are; all others are ours. */
const NAMED: ReadonlySet<string> = new Set(['environment', 'lora']);

/** Keys that the file has other words for. */
const WRITTEN: Readonly<Record<string, string>> = {
  bodyBytesMax: 'body_limit',
  fileBytesMax: 'file_limit',
  corsOrigins: 'cors',
  recordFeatures: 'record',
  temperatureMaxCelsius: 'temperature_max',
  foreignLoadMax: 'load_max',
  queueDepthMax: 'queue_depth',
  linesMax: 'lines_max',
  crashesMax: 'crashes_max',
};

/** A key of the resolved policy as the file has it: `e2eMs` is `e2e` there, `minQuality` is `min_quality`. */
export const writtenKey = (key: string): string =>
  WRITTEN[key] ?? key.replace(/(Ms|Bytes|Max|Celsius)$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The parts of a value that are compared one by one; undefined for one that is compared whole. */
function branchOf(value: unknown): Branch | undefined {
  if (value instanceof Map) return value as Branch;
  if (Array.isArray(value)) {
    const parts = value.map((item: unknown, index) => [nameOf(item) ?? String(index), item] as const);
    return value.every(isObject) ? new Map(parts) : undefined;
  }
  return isObject(value) ? new Map(Object.entries(value)) : undefined;
}

// A window is one text in the file.
const isWindow = (value: object): value is { readonly text: string } => 'startMinute' in value && 'text' in value;

const isObject = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  !(value instanceof RegExp) &&
  !Array.isArray(value) &&
  !isWindow(value);

function nameOf(item: unknown): string | undefined {
  const name = isObject(item) && 'name' in item ? item.name : undefined;
  return typeof name === 'string' ? name : undefined;
}

function shown(key: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value instanceof RegExp) return value.source;
  if (typeof value === 'object' && value !== null && isWindow(value)) return value.text;
  if (typeof value === 'number' && key.endsWith('Ms')) return formatDurationMs(value);
  if (typeof value === 'number' && /Bytes(Max)?$/.test(key)) return formatBytes(value);
  if (typeof value === 'string') return value;
  return JSON.stringify(value, (_, part: unknown) => {
    if (part instanceof Map) return Object.fromEntries(part);
    if (typeof part === 'object' && part !== null && isWindow(part)) return part.text;
    return part instanceof RegExp ? part.source : part;
  });
}
