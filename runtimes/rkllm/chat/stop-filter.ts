/** Cuts a growing text at the first stop string. */
export interface StopFilter {
  /** Text that is safe to pass on; what could still become a stop string is held back. */
  push(text: string): string;
  /** What was held back, once nothing more comes. */
  end(): string;
  /** True once a stop string was seen; nothing is passed on after it. */
  readonly stopped: boolean;
}

/**
 * Cuts a text that comes in pieces before the stop string that is complete first; of two that end together, the
 * longer one. The stop string itself is not passed on. How the text is cut into pieces makes no difference.
 */
export function createStopFilter(stops: readonly string[]): StopFilter {
  const wanted = stops.filter((stop) => stop !== '');
  let held = '';
  let stopped = false;
  const release = (keep: number): string => {
    const text = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return text;
  };
  return {
    push: (text) => {
      if (stopped) return '';
      if (wanted.length === 0) return text;
      held += text;
      const cut = firstStop(held, wanted);
      if (cut === undefined) return release(heldBack(held, wanted));
      stopped = true;
      const passed = held.slice(0, cut);
      held = '';
      return passed;
    },
    end: () => release(0),
    get stopped() {
      return stopped;
    },
  };
}

/** Length of the longest end of `text` that one of `markers` starts with, without being the whole of it. */
export function heldBack(text: string, markers: readonly string[]): number {
  const longest = markers.reduce((most, marker) => Math.max(most, marker.length - 1), 0);
  for (let length = Math.min(longest, text.length); length > 0; length -= 1) {
    const end = text.slice(text.length - length);
    if (markers.some((marker) => marker.length > length && marker.startsWith(end))) return length;
  }
  return 0;
}

/** Where the stop string that ends first begins. */
function firstStop(text: string, stops: readonly string[]): number | undefined {
  let best: { start: number; end: number } | undefined;
  for (const stop of stops) {
    const start = text.indexOf(stop);
    if (start === -1) continue;
    const end = start + stop.length;
    if (best === undefined || end < best.end || (end === best.end && start < best.start)) best = { start, end };
  }
  return best?.start;
}
