import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../../src/core/events.ts';
import type { LaneView } from '../../../src/core/snapshot.ts';
import { createEventBus } from '../../../src/observe/event-bus.ts';
import { watchPeople } from '../../../src/serve/batch/people.ts';
import { fakeClock } from '../../helpers/fake-clock.ts';
import { laneEntry, laneView } from '../../route/small-policy.ts';

function setUp() {
  const clock = fakeClock();
  const events = createEventBus();
  const views = new Map<string, LaneView>();
  const people = watchPeople(clock, events, { views: () => views });
  // Of a record only the class is looked at.
  const ended = (name: string) =>
    events.emit({ kind: 'request.finished', record: { class: name } } as unknown as GatewayEvent);
  return { clock, views, people, ended };
}

describe('watchPeople', () => {
  it('counts the quiet since their last request, and none while one of theirs waits or runs', () => {
    const { clock, views, people, ended } = setUp();
    expect(people.quietMs()).toBe(Number.POSITIVE_INFINITY);
    ended('interactive');
    clock.advance(5000);
    ended('batch');
    expect(people.quietMs()).toBe(5000);
    views.set('cpu', laneView('cpu', { running: [laneEntry({ class: 'batch' })] }));
    expect(people.quietMs()).toBe(5000);
    views.set('cpu', laneView('cpu', { waiting: [laneEntry({ class: 'quality' })] }));
    expect(people.quietMs()).toBe(0);
  });

  it('takes the first request for the beginning of a conversation', () => {
    const { clock, people, ended } = setUp();
    expect(people.usualGapMs()).toBe(0);
    ended('interactive');
    expect(people.usualGapMs()).toBe(120_000);
    clock.advance(4 * 3_600_000);
    ended('interactive');
    expect(people.usualGapMs()).toBe(120_000);
  });

  it('learns the mean gap of a steady flow, batches left out', () => {
    const { clock, people, ended } = setUp();
    for (let count = 0; count < 60; count += 1) {
      clock.advance(150_000);
      ended('interactive');
      ended('batch');
    }
    expect(people.usualGapMs()).toBeGreaterThan(140_000);
    expect(people.usualGapMs()).toBeLessThan(160_000);
  });

  it('hears nothing any more once it is closed', () => {
    const { people, ended } = setUp();
    people.close();
    ended('interactive');
    expect(people.quietMs()).toBe(Number.POSITIVE_INFINITY);
  });
});
