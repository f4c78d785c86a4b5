import type { Clock } from '../../core/clock.ts';
import { FadingCount } from '../../core/fading-count.ts';
import type { EventBus } from '../../observe/event-bus.ts';
import type { Lanes } from '../../supervise/lane.ts';

/** Whether people are there, and how often they ask. */
export interface PeopleWatch {
  /** Time since a request of theirs ended, ms; 0 while one waits or runs, Infinity before the first. */
  quietMs(): number;
  /** Mean time between two of their requests while they were there last, ms; 0 before the first. */
  usualGapMs(): number;
  /** Stops listening. */
  close(): void;
}

/** Requests of the last hour or so say how often people ask: fewer would say little, since gaps differ so much. */
const FADE_MS = 1_800_000;
/** Who has asked once may be at the beginning of a conversation, in which a question follows on the other within minutes. */
const FIRST_GAP_MS = 120_000;

/** Watches the requests that are not of class batch; somebody is there while one waits, runs or has just ended. */
export function watchPeople(
  clock: Clock,
  events: Pick<EventBus, 'subscribe'>,
  lanes: Pick<Lanes, 'views'>,
): PeopleWatch {
  let lastMs = Number.NEGATIVE_INFINITY;
  let gapMs = 0;
  const lately = new FadingCount(FADE_MS);
  const stop = events.subscribe((event) => {
    if (event.kind !== 'request.finished' || event.record.class === 'batch') return;
    lastMs = clock.monotonicMs();
    // Those before this one: one is always there when somebody looks.
    const before = lately.at(lastMs);
    gapMs = before < 1 ? FIRST_GAP_MS : FADE_MS / before;
    lately.add(lastMs);
  });
  const isThere = () =>
    [...lanes.views().values()].some(({ running, waiting }) =>
      [...running, ...waiting].some((entry) => entry.class !== 'batch'),
    );
  return {
    usualGapMs: () => gapMs,
    quietMs: () => (isThere() ? 0 : clock.monotonicMs() - lastMs),
    close: stop,
  };
}
