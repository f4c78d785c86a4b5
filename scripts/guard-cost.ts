/*
 * What `gateway.stream_guard: stop` costs: a token's event through the tap that every stream has, without and with the
 * guard, in turns within one process, median of the rounds. The text is prose of the reference (nothing repeats, so
 * nothing is stopped) and, for the worst case, a period just too long to be a loop.
 *
 *   npx tsx scripts/guard-cost.ts [--json]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../src/core/clock.ts';
import { modelId, requestId } from '../src/core/ids.ts';
import { packageRoot } from '../src/core/package-root.ts';
import type { ReplySink } from '../src/core/runtime.ts';
import { median, medianInterval } from '../src/core/stats.ts';
import { createStreamTap } from '../src/dialects/openai/stream-tap.ts';
import { createLoopGuard, openExchange } from '../src/serve/loop-guard.ts';

const ROUNDS = 11;
const TOKENS = 40_000;
/** Tokens of one answer; a watch is made for each. */
const ANSWER_TOKENS = 500;

const prose = readFileSync(join(packageRoot(), 'src/quality/reference-text.txt'), 'utf8').replace(/\s+/g, ' ');
const rows = [row('prose', prose), row('nearly a loop', `${prose.slice(0, 900)} `.repeat(60))];
if (process.argv.includes('--json')) console.log(JSON.stringify(rows, null, 2));
else {
  for (const { text, tapUs, guardedUs, ratio, low, high } of rows) {
    console.log(`${text}: ${tapUs.toFixed(2)} µs per token without, ${guardedUs.toFixed(2)} µs with the guard:`);
    console.log(
      `  ${ratio.toFixed(2)} times as long (95 % interval ${low.toFixed(2)} to ${high.toFixed(2)}, ${ROUNDS} rounds)`,
    );
  }
}

function row(text: string, source: string) {
  const events = eventsOf(source);
  // Once through both before anything counts, for the compiler.
  spendUs(events, false);
  spendUs(events, true);
  const rounds = Array.from({ length: ROUNDS }, () => ({
    tapUs: spendUs(events, false),
    guardedUs: spendUs(events, true),
  }));
  const ratios = rounds.map(({ tapUs, guardedUs }) => guardedUs / tapUs);
  const { low, high } = medianInterval(ratios) ?? { low: 0, high: 0 };
  const middle = (values: readonly number[]) => median(values) ?? 0;
  return {
    text,
    tapUs: middle(rounds.map(({ tapUs }) => tapUs)),
    guardedUs: middle(rounds.map(({ guardedUs }) => guardedUs)),
    ratio: middle(ratios),
    low,
    high,
  };
}

// Four characters each, as llama-server sends them.
function eventsOf(text: string): readonly Buffer[] {
  const head = '{"choices":[{"finish_reason":null,"index":0,"delta":{"content":';
  const rest =
    '}}],"created":1763726400,"id":"chatcmpl-vY8QnC3xJ2uK1b","model":"qwen3.5-4b","object":"chat.completion.chunk"}';
  return Array.from({ length: TOKENS }, (_, at) => {
    const from = (4 * at) % (text.length - 4);
    return Buffer.from(`data: ${head}${JSON.stringify(text.slice(from, from + 4))}${rest}\n\n`);
  });
}

/** Time of one token, µs: the tap, and before it the guard where it is on. */
function spendUs(events: readonly Buffer[], isOn: boolean): number {
  const guard = createLoopGuard({ isOn: () => isOn, emit: () => undefined });
  const startMs = systemClock.monotonicMs();
  for (let at = 0; at < events.length; at += ANSWER_TOKENS) {
    const engine = engineOf(guard);
    engine.head(200, 'text/event-stream');
    for (const event of events.slice(at, at + ANSWER_TOKENS)) engine.chunk(event);
    engine.end();
  }
  return ((systemClock.monotonicMs() - startMs) * 1000) / events.length;
}

// The client's end is a tap; what is returned takes the engine's bytes.
function engineOf(guard: ReturnType<typeof createLoopGuard>): ReplySink {
  const tap = createStreamTap();
  let engine: ReplySink | undefined;
  const connection = {
    exchange: (_path: string, _body: unknown, sink: ReplySink) => {
      engine = sink;
      return { abort: () => undefined, resume: () => undefined };
    },
  };
  const sink: ReplySink = {
    head: () => undefined,
    chunk: (bytes) => tap.push(bytes).length > 0,
    end: () => undefined,
    failed: (error) => {
      throw error;
    },
  };
  const job = { requestId: requestId('guard-cost'), path: '/v1/chat/completions', bodyFor: () => '' };
  openExchange(guard, connection, { job, model: modelId('qwen3.5-4b'), sink });
  if (engine === undefined) throw new Error('the guard has not passed the request on');
  return engine;
}
