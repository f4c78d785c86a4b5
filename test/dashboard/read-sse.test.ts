import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSse, type SseMessage } from '../../src/dashboard/read-sse.ts';

/** A body that comes in these pieces, and whether it was cancelled. */
function bodyOf(pieces: readonly Uint8Array[]) {
  const left = [...pieces];
  const state = { isCancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const next = left.shift();
      if (next === undefined) controller.close();
      else controller.enqueue(next);
    },
    cancel: () => {
      state.isCancelled = true;
    },
  });
  return { body, state };
}

async function messagesOf(pieces: readonly Uint8Array[]): Promise<readonly SseMessage[]> {
  const messages: SseMessage[] = [];
  for await (const message of readSse(bodyOf(pieces).body)) messages.push(message);
  return messages;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('readSse', () => {
  it('reads events with and without a name, and passes over comments', async () => {
    const text = ': ping\n\nevent: child.state\ndata: {"a":1}\n\ndata: one\ndata: two\r\n\r\ndata: cut off';
    expect(await messagesOf([bytes(text)])).toEqual([
      { event: 'child.state', data: '{"a":1}' },
      { event: 'message', data: 'one\ntwo' },
    ]);
  });

  it('reads the same wherever the bytes are cut', async () => {
    const whole = bytes('event: x\r\ndata: größer\r\n\r\n: ping\n\ndata: 2\n\n');
    const expected = await messagesOf([whole]);
    expect(expected).toHaveLength(2);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 6 }), async (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
        const pieces = places.slice(1).map((end, index) => whole.slice(places[index], end));
        expect(await messagesOf(pieces)).toEqual(expected);
      }),
    );
  });

  it('lets go of the connection when nobody listens any more', async () => {
    const { body, state } = bodyOf([bytes('data: 1\n\n'), bytes('data: 2\n\n')]);
    for await (const { data } of readSse(body)) if (data === '1') break;
    expect(state.isCancelled).toBe(true);
  });
});
