import { GatewayError } from '../core/errors.ts';
import type { Window } from '../core/policy.ts';
import { parseWindowMinutes, WINDOW_PATTERN } from './units.ts';
import { isTimeZone, type WindowState, windowState } from './window.ts';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTES = new RegExp(WINDOW_PATTERN);

/**
 * Windows as people write them: `22:00-07:00`, `Mon-Fri 22:00-07:00 Europe/Berlin`, `Sat,Sun 00:00-24:00`; several are
 * separated by semicolons. A window without a time zone is in `timezone`; its days are those on which it begins.
 * Throws `invalid_config` naming the part that is wrong.
 */
export function parseWindows(text: string, timezone: string): readonly Window[] {
  const parts = text.split(';').map((part) => part.trim());
  return parts.map((part) => parseWindow(part, timezone));
}

function parseWindow(text: string, timezone: string): Window {
  const words = text.split(/\s+/);
  const at = words.findIndex((word) => MINUTES.test(word));
  const zone = words[at + 1] ?? timezone;
  if (at === -1 || at > 1 || words.length > at + 2)
    throw wrong('a window such as "Mon-Fri 22:00-07:00 Europe/Berlin"', text);
  if (!isTimeZone(zone)) throw wrong('a time zone such as Europe/Berlin or UTC', zone);
  const days = at === 0 ? undefined : parseDays(words[0] ?? '');
  return { ...parseWindowMinutes(words[at] ?? ''), ...(days !== undefined && { days }), timezone: zone, text };
}

function parseDays(text: string): readonly number[] {
  const days = new Set<number>();
  for (const part of text.toLowerCase().split(',')) {
    const [first = '', last = first] = part.split('-');
    const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)];
    if (from === -1 || to === -1 || part.split('-').length > 2) throw wrong('days such as Mon-Fri or Sat,Sun', text);
    // Fri-Mon goes over the end of the week.
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === to) break;
    }
  }
  return [...days].sort((a, b) => a - b);
}

const ALWAYS: WindowState = { open: true, opensInMs: 0, closesInMs: Number.POSITIVE_INFINITY };
// Windows that follow on one another are one: so many changes are looked past before the end is taken as it is.
const CHANGES_MAX = 100;

/** State of several windows together: open while one of them is. No window at all is always open. */
export function windowsState(windows: readonly Window[], nowMs: number): WindowState {
  if (windows.length === 0) return ALWAYS;
  const states = windows.map((window) => windowState(window, nowMs));
  if (!states.some(({ open }) => open)) {
    return { open: false, opensInMs: Math.min(...states.map(({ opensInMs }) => opensInMs)), closesInMs: 0 };
  }
  let untilMs = nowMs;
  for (let change = 0; change < CHANGES_MAX; change += 1) {
    const open = windows.map((window) => windowState(window, untilMs)).filter((state) => state.open);
    if (open.length === 0) break;
    untilMs += Math.max(...open.map(({ closesInMs }) => closesInMs));
    if (untilMs === Number.POSITIVE_INFINITY) break;
  }
  return { open: true, opensInMs: 0, closesInMs: untilMs - nowMs };
}

/** Time between two instants during which one of the windows is open, ms. */
export function openMsBetween(windows: readonly Window[], fromMs: number, toMs: number): number {
  let openMs = 0;
  let atMs = fromMs;
  while (atMs < toMs) {
    const state = windowsState(windows, atMs);
    const endMs = Math.min(toMs, atMs + (state.open ? state.closesInMs : state.opensInMs));
    if (state.open) openMs += endMs - atMs;
    atMs = endMs;
  }
  return openMs;
}

/** The instant at which `openMs` of open time have passed since `fromMs`; Infinity where the windows never open again. */
export function afterOpenMs(windows: readonly Window[], fromMs: number, openMs: number): number {
  let leftMs = openMs;
  let atMs = fromMs;
  for (let change = 0; change < CHANGES_MAX * 10; change += 1) {
    const state = windowsState(windows, atMs);
    if (!state.open) {
      atMs += state.opensInMs;
      continue;
    }
    if (leftMs <= state.closesInMs) return atMs + leftMs;
    leftMs -= state.closesInMs;
    atMs += state.closesInMs;
  }
  return Number.POSITIVE_INFINITY;
}

const wrong = (what: string, text: string): GatewayError =>
  new GatewayError('invalid_config', `expected ${what}, got ${JSON.stringify(text)}`);
