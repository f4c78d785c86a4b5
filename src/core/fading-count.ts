/**
 * How often something happened lately: each event counts 1 at first and fades by e in every `fadeMs`. In a steady flow it
 * is the number of events per `fadeMs`. Two numbers, no list; times must not go back.
 */
export class FadingCount {
  readonly #fadeMs: number;
  #count = 0;
  #lastMs: number | undefined;

  constructor(fadeMs: number) {
    this.#fadeMs = fadeMs;
  }

  /** Counts one event. */
  add(nowMs: number): void {
    this.#count = this.at(nowMs) + 1;
    this.#lastMs = nowMs;
  }

  /** Time of the last event; undefined before the first. */
  get lastMs(): number | undefined {
    return this.#lastMs;
  }

  /** The count at a time, 0 where nothing ever happened. */
  at(nowMs: number): number {
    if (this.#lastMs === undefined) return 0;
    return this.#count * Math.exp(-Math.max(0, nowMs - this.#lastMs) / this.#fadeMs);
  }
}

/** Fade of the uses of a model, so that the count reads as uses per hour. */
export const USES_FADE_MS = 3_600_000;
/** Fade of swaps: what happened half an hour ago says little of the thrash of now. */
export const SWAPS_FADE_MS = 600_000;
