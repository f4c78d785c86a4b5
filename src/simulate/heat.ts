/**
 * Heat of a small board: one thermal mass (RC), warmed by what is busy, that throttles everything above a limit.
 *
 *   dT/dt = (T_rest + sum of busy devices' heat - T) / 400 s        slowdown = 1 + 7 % per degree above 82, at most 1.7
 *
 * The figures are assumptions of the routing study, after field reports of RK3588 boards whose big cores fall from
 * 2,304 to 1,200 MHz. A board with a fan is cooler; the shape is what matters here: slow, shared, with memory.
 */
export interface Heat {
  /** A device begins or ends to work. */
  setBusy(device: string, busy: boolean): void;
  /** Factor on all service times now. */
  slowdown(): number;
  /** How long work takes that would take `workMs` on a cool board, when it starts now and nothing else changes. */
  durationMs(workMs: number): number;
}

/** How a board's surroundings behave: it never gets warm, it warms itself, or what makes benchmarks grow old as well. */
export type Climate = 'cool' | 'steady' | 'drift';

const TIME_CONSTANT_MS = 400_000;
const THROTTLE_FROM_C = 82;
const SLOWDOWN_PER_C = 0.07;
const SLOWDOWN_MAX = 1.7;
const REST_C = 44;
const HEAT_C: Readonly<Record<string, number>> = { cpu: 36, npu: 10 };
const HEAT_OTHER_C = 20;
/** Drift: the room is this much warmer in the middle of the afternoon than at night. */
const WARM_ROOM_C = 10;
/** Drift: from this moment on the clock is capped, as after a kernel update or by a thermal policy. */
const CAPPED_AFTER_MS = 6 * 3_600_000;
const CAPPED_FACTOR = 1.25;
const STEP_MS = 10_000;
const DAY_MS = 86_400_000;

/** Heat of a board that has rested before `nowMs() = 0`; `nowMs` counts from noon. */
export function createHeat(nowMs: () => number, climate: Climate): Heat {
  const busy = new Set<string>();
  let temperature = REST_C;
  let atMs = 0;

  const targetAt = (timeMs: number): number => {
    let target = REST_C;
    if (climate === 'drift') target += (WARM_ROOM_C / 2) * (1 + Math.cos(2 * Math.PI * (timeMs / DAY_MS - 3 / 24)));
    for (const device of busy) target += HEAT_C[device] ?? HEAT_OTHER_C;
    return target;
  };
  const approach = (from: number, target: number, overMs: number): number =>
    target + (from - target) * Math.exp(-overMs / TIME_CONSTANT_MS);
  const catchUp = (): void => {
    const now = nowMs();
    temperature = approach(temperature, targetAt(now), now - atMs);
    atMs = now;
  };
  const factorAt = (degrees: number, timeMs: number): number => {
    if (climate === 'cool') return 1;
    const throttled = Math.min(SLOWDOWN_MAX, 1 + SLOWDOWN_PER_C * Math.max(0, degrees - THROTTLE_FROM_C));
    return climate === 'drift' && timeMs >= CAPPED_AFTER_MS ? throttled * CAPPED_FACTOR : throttled;
  };
  return {
    setBusy: (device, isBusy) => {
      catchUp();
      if (isBusy) busy.add(device);
      else busy.delete(device);
    },
    slowdown: () => {
      catchUp();
      return factorAt(temperature, atMs);
    },
    durationMs: (workMs) => {
      catchUp();
      let [left, degrees, timeMs] = [workMs, temperature, atMs];
      for (;;) {
        const factor = factorAt(degrees, timeMs);
        if (left * factor <= STEP_MS) return timeMs - atMs + left * factor;
        left -= STEP_MS / factor;
        degrees = approach(degrees, targetAt(timeMs), STEP_MS);
        timeMs += STEP_MS;
      }
    },
  };
}
