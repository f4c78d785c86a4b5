import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestId } from '../../src/core/ids.ts';
import { createOpenAnswers, type OpenAnswer } from '../../src/http/open-answers.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

type Counted = OpenAnswer & { beats: number; cancelled: number };

function answer(id: string): Counted {
  return {
    requestId: requestId(id),
    slot: -1,
    beats: 0,
    cancelled: 0,
    beat() {
      this.beats += 1;
    },
    cancel() {
      this.cancelled += 1;
    },
  };
}

describe('createOpenAnswers', () => {
  it('beats twice a second while an answer is open, with one timer for all', () => {
    const clock = fakeClock();
    const answers = createOpenAnswers(clock);
    const [first, second] = [answer('a'), answer('b')];
    answers.add(first);
    answers.add(second);
    expect(clock.timers()).toBe(1);
    clock.advance(1600);
    expect([first.beats, second.beats]).toEqual([3, 3]);
    answers.remove(first);
    clock.advance(500);
    expect([first.beats, second.beats]).toEqual([3, 4]);
  });

  it('tells when the last answer is gone', async () => {
    const answers = createOpenAnswers(fakeClock());
    await answers.idle();
    const [first, second] = [answer('a'), answer('b')];
    answers.add(first);
    answers.add(second);
    let idle = false;
    const waiting = answers.idle().then(() => {
      idle = true;
    });
    answers.remove(first);
    await Promise.resolve();
    expect(idle).toBe(false);
    answers.remove(second);
    await waiting;
  });

  it('keeps no timer once the last answer is gone', () => {
    const clock = fakeClock();
    const answers = createOpenAnswers(clock);
    const only = answer('a');
    answers.add(only);
    answers.remove(only);
    clock.advance(1000);
    expect(clock.timers()).toBe(0);
    expect(only.beats).toBe(0);
    answers.add(only);
    clock.advance(500);
    expect(only.beats).toBe(1);
  });

  it('cancels all, also those that leave while being cancelled', () => {
    const answers = createOpenAnswers(fakeClock());
    const all = ['a', 'b', 'c', 'd'].map(answer);
    for (const one of all) {
      one.cancel = () => {
        one.cancelled += 1;
        answers.remove(one);
      };
      answers.add(one);
    }
    answers.cancelAll();
    expect(all.map(({ cancelled }) => cancelled)).toEqual([1, 1, 1, 1]);
    expect(answers.size).toBe(0);
  });

  it('holds exactly those that were added and not removed, in any order of calls', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 60 }), (calls) => {
        const answers = createOpenAnswers(fakeClock());
        const all = Array.from({ length: 10 }, (_, index) => answer(`r${index}`));
        const open = new Set<number>();
        for (const [add, index] of calls) {
          const one = all[index] as Counted;
          if (add && !open.has(index)) answers.add(one);
          if (add) open.add(index);
          else {
            answers.remove(one);
            open.delete(index);
          }
        }
        expect(answers.size).toBe(open.size);
        for (const [index, one] of all.entries()) {
          expect(answers.find(one.requestId)).toBe(open.has(index) ? one : undefined);
        }
      }),
    );
  });
});
