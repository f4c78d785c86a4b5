import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStreamTap } from '../../../src/dialects/openai/stream-tap.ts';

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const token = (content: string | null) => event({ choices: [{ finish_reason: null, index: 0, delta: { content } }] });
const role = event({ choices: [{ finish_reason: null, index: 0, delta: { role: 'assistant', content: null } }] });
const timings = { cache_n: 3, prompt_n: 7, prompt_ms: 12.5, predicted_n: 2, predicted_ms: 30 };
const finish = event({ choices: [{ finish_reason: 'stop', index: 0, delta: {} }], timings });
const usage = event({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 2 } });
const done = 'data: [DONE]\n\n';
const X = '{"model":"demo"}';

function run(stream: string, cuts: readonly number[]) {
  const bytes = Buffer.from(stream);
  const tap = createStreamTap();
  const points = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].sort((a, b) => a - b);
  const out: Buffer[] = [];
  for (let index = 1; index < points.length; index += 1)
    out.push(tap.push(bytes.subarray(points[index - 1], points[index])));
  out.push(tap.finish(X));
  return { text: Buffer.concat(out).toString(), tap };
}

describe('createStreamTap', () => {
  it('changes only the last event before [DONE], however the bytes are cut', () => {
    const content = fc.oneof(fc.string(), fc.constantFrom('"finish_reason":"stop"', 'data: [DONE]\n\n', 'ä€𝄞', '}'));
    fc.assert(
      fc.property(
        fc.array(content, { maxLength: 6 }),
        fc.boolean(),
        fc.array(fc.nat(5000), { maxLength: 30 }),
        (texts, withUsage, cuts) => {
          const last = withUsage ? usage : finish;
          const stream = role + texts.map(token).join('') + finish + (withUsage ? usage : '') + done;
          const expected = stream.replace(last + done, `${last.slice(0, -3)},"x_router":${X}}\n\n${done}`);
          expect(run(stream, cuts).text).toBe(expected);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('reads the timings that stand before the usage event', () => {
    const { tap } = run(role + token('hi') + finish + usage + done, [40, 41, 300]);
    expect(tap.end()).toEqual({
      finishReason: 'stop',
      promptTokens: 10,
      cachedTokens: 3,
      outputTokens: 2,
      prefillMs: 12.5,
      decodeMs: 30,
    });
  });

  it('does not take the role chunk for content', () => {
    const tap = createStreamTap();
    tap.push(Buffer.from(role));
    expect(tap.hasContent).toBe(false);
    tap.push(Buffer.from(token('x')));
    expect(tap.hasContent).toBe(true);
  });

  it('ends a complete stream whose engine died before [DONE]', () => {
    const stream = role + token('a') + finish;
    expect(run(stream, [10, 200]).text).toBe(`${role}${token('a')}${finish.slice(0, -3)},"x_router":${X}}\n\n${done}`);
  });

  it('never passes on half an event', () => {
    const tap = createStreamTap();
    const cut = Buffer.from(role + token('abc'));
    expect(tap.push(cut.subarray(0, cut.length - 9)).toString()).toBe(role);
    expect(tap.isComplete).toBe(false);
  });

  it('passes other choices on after the first one has finished', () => {
    const tap = createStreamTap();
    const later = event({ choices: [{ finish_reason: null, index: 1, delta: { content: 'b' } }] });
    const passed =
      tap.push(Buffer.from(finish)).toString() +
      tap.push(Buffer.from(later)).toString() +
      tap.push(Buffer.from(later)).toString();
    expect(passed).toBe(finish + later);
  });
});
