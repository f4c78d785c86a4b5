import { describe, expect, it } from 'vitest';
import { createSlots, type TakenSlot } from '../../../runtimes/simulated/slots.ts';

describe('createSlots', () => {
  it('takes the free slot that holds most of the beginning, and reads the last token again', () => {
    const slots = createSlots(2);
    const taken: TakenSlot[] = [];
    slots.take(['a', 'b'], (slot) => taken.push(slot));
    slots.take(['x'], (slot) => taken.push(slot));
    for (const { slot } of taken.splice(0)) slots.give(slot, slot.id === 0 ? ['a', 'b', 'c'] : ['x', 'y']);
    slots.take(['x', 'y', 'z'], (slot) => taken.push(slot));
    expect(taken[0]).toMatchObject({ slot: { id: 1 }, cachedTokens: 2 });
    slots.take(['a', 'b', 'c'], (slot) => taken.push(slot));
    expect(taken[1]).toMatchObject({ slot: { id: 0 }, cachedTokens: 2 });
  });

  it('who finds no slot waits for the next one, in order, unless he leaves', () => {
    const slots = createSlots(1);
    const order: string[] = [];
    let first: TakenSlot | undefined;
    slots.take(['1'], (slot) => {
      first = slot;
      order.push('first');
    });
    const leave = slots.take(['2'], () => order.push('second'));
    slots.take(['3'], () => order.push('third'));
    expect(slots.waiting()).toBe(2);
    leave();
    if (first !== undefined) slots.give(first.slot, []);
    expect(order).toEqual(['first', 'third']);
    expect(slots.waiting()).toBe(0);
  });
});
