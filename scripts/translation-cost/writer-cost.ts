import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { modelId, requestId } from '../../src/core/ids.ts';
import { packageRoot } from '../../src/core/package-root.ts';
import { median } from '../../src/core/stats.ts';
import type { Endpoint } from './endpoints.ts';

/** What one codec's writer costs, by itself. */
export type WriterCost = {
  /** True where what comes from the engine goes to the client as it is. */
  readonly isPassThrough: boolean;
  /** CPU of this process per token, µs, the garbage collector's included. */
  readonly usPerToken: number;
};

const ROUNDS = 7;

/** Gives a writer a recorded engine's tokens, one event at a time as an engine sends them. */
export function measureWriter({ codec, body, recorded }: Endpoint, tokens: number): WriterCost {
  const decoded = codec.decode(Buffer.from(body), () => undefined);
  const events = tokenEvents(recorded);
  let isPassThrough = true;
  const round = (): number => {
    const writer = decoded.writer({
      requestId: requestId('req_0123456789ab'),
      receivedAtMs: 1_700_000_000_000,
      promptTokens: 20,
      nowMs: () => 1_700_000_000_500,
    });
    writer.begin(modelId('bench-1b'));
    const before = process.cpuUsage();
    for (let index = 0; index < tokens; index += 1) {
      const event = events[index % events.length] as Buffer;
      if (writer.events(event) !== event) isPassThrough = false;
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / tokens;
  };
  // The first one warms up.
  const costs = Array.from({ length: ROUNDS + 1 }, round).slice(1);
  return { isPassThrough, usPerToken: median(costs) ?? 0 };
}

/** The events of a recorded stream that carry a token. */
function tokenEvents(recorded: string): readonly Buffer[] {
  const stream = readFileSync(join(packageRoot(), 'test/fixtures/dialects', recorded), 'utf8');
  const tokens = stream.split(/(?<=\n\n)/).filter((event) => /"(content|text)":"[^"]/.test(event));
  return tokens.map((event) => Buffer.from(event));
}
