import type { KeepPolicy } from '../../core/policy.ts';
import { type Fields, invalid } from './fields.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const NUMBER = String.raw`(?:\d+\.?\d*|\.\d+)`;
/** What Go's time.ParseDuration takes. */
const DURATION = new RegExp(`^([+-]?)((?:${NUMBER}(?:ns|us|µs|ms|s|m|h))+)$`);
const PART = new RegExp(`(${NUMBER})(ns|us|µs|ms|s|m|h)`, 'g');
const EXPECTED = 'a number of seconds or a duration such as "5m" (0 = unload at once, negative = keep)';
/** Timers go no further; nobody who asks for more than 24 days means that it should end then. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * How long a request wants its model kept: a number of seconds, or a Go duration; negative means for good, 0 not at all.
 * A number in a string counts as seconds. Undefined where it does not say. Throws `invalid_request`.
 */
export function readKeepAlive(body: Fields): KeepPolicy | undefined {
  const value = body['keep_alive'];
  if (value === undefined || value === null) return undefined;
  const ms = typeof value === 'number' ? value * 1000 : typeof value === 'string' ? parseDuration(value.trim()) : NaN;
  if (Number.isNaN(ms)) throw invalid('keep_alive', EXPECTED, value);
  if (ms === 0) return { kind: 'never' };
  return ms < 0 || ms > TIMER_MAX_MS ? { kind: 'resident' } : { kind: 'idle', idleMs: ms };
}

function parseDuration(text: string): number {
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const [, sign, parts] = DURATION.exec(text) ?? [];
  if (parts === undefined) return Number.NaN;
  let ms = 0;
  for (const [, count, unit] of parts.matchAll(PART)) ms += Number(count) * (UNIT_MS[unit ?? ''] ?? 0);
  return sign === '-' ? -ms : ms;
}
