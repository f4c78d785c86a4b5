import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aiSdk } from '../helpers/conformance/ai-sdk.ts';
import { anthropic } from '../helpers/conformance/anthropic.ts';
import { type Bed, CASTS, type Cast, KEY, QUESTION, startBed } from '../helpers/conformance/bed.ts';
import type { ConformanceClient, Connection } from '../helpers/conformance/client.ts';
import { discordBot } from '../helpers/conformance/discord-bot.ts';
import { CLIENTS, type ClientName, type Column, columnsOf, type Feature } from '../helpers/conformance/grid.ts';
import { ollama } from '../helpers/conformance/ollama.ts';
import { openaiChat } from '../helpers/conformance/openai-chat.ts';
import { openaiResponses } from '../helpers/conformance/openai-responses.ts';
import { expectRefusal } from '../helpers/conformance/refusals.ts';
import { withGrid } from '../helpers/conformance/render-grid.ts';
import { until } from '../helpers/until.ts';

// Every client library, unchanged, with everything a client may want or run into, on models of both runtimes. What passes
// is the table in docs/api.md: the last test compares them, and `-u` writes the table anew. What is particular to one
// library is in the test of its name.

const CONNECT: Readonly<Record<ClientName, (to: Connection) => ConformanceClient | Promise<ConformanceClient>>> = {
  'OpenAI chat': openaiChat,
  'OpenAI responses': openaiResponses,
  Ollama: ollama,
  Anthropic: anthropic,
  'AI SDK': aiSdk,
  'Discord bot': discordBot,
};
const API_DOCUMENT = join(import.meta.dirname, '../../docs/api.md');

let bed: Bed;
let folder: string;
const clients = new Map<ClientName, ConformanceClient>();
const strangers: ConformanceClient[] = [];
const passed = new Set<string>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-conformance-'));
  bed = await startBed(folder);
  for (const name of CLIENTS) clients.set(name, await CONNECT[name]({ url: bed.url, key: KEY }));
});
afterAll(async () => {
  for (const client of [...clients.values(), ...strangers]) await client.close?.();
  await bed?.stop();
  rmSync(folder, { recursive: true, force: true });
});

type Given = Column & { readonly user: ConformanceClient; readonly cast: Cast; readonly feature: Feature };

const nameOf = (feature: Feature, { client, runtime }: Column): string => `${feature}: ${client} on ${runtime}`;

/** Shows a feature in each column that can have it; a column whose test fails has no mark in the table. */
function shows(feature: Feature, show: (given: Given) => Promise<void>): void {
  describe(`a client that ${feature}`, () => {
    it.for([...columnsOf(feature)])('is $client on $runtime', async (column) => {
      await show({ ...column, user: clients.get(column.client)!, cast: CASTS[column.runtime], feature });
      passed.add(nameOf(feature, column));
    });
  });
}

let asked = 0;
/** No two questions begin alike, so that none finds its prompt in a cache. */
function question(text = QUESTION): string {
  asked += 1;
  return `${asked}. ${text}`;
}
const longQuestion = () => question('Count the words. '.repeat(90));

/** A whole answer where the client can have one. */
const answer = ({ user }: Given, model: string, text = question()): Promise<string> =>
  user.whole?.(model, text) ?? user.stream(model, text);

async function expectRefused({ user, client, feature }: Given, tried: Promise<unknown>): Promise<void> {
  const thrown = await tried.then(
    (value) => value,
    (error: unknown) => error,
  );
  expectRefusal(feature, client, user.failure(thrown));
}

/** Starts to ask; `leave` resolves when the library has given up, `gone` too. */
function start({ user }: Given, model: string, text = question()) {
  const abort = new AbortController();
  let pieces = 0;
  let resolveBegan: () => void = () => undefined;
  const began = new Promise<void>((resolve) => {
    resolveBegan = resolve;
  });
  const onText = () => {
    pieces += 1;
    resolveBegan();
  };
  const gone = user.stream(model, text, { onText, signal: abort.signal }).catch((thrown: unknown) => thrown);
  const leave = () => {
    abort.abort();
    return gone;
  };
  return { began, gone, leave, pieces: () => pieces };
}

/** Fails unless the newest request was left by its client and nothing of it runs any more. */
async function expectLeft(model: string): Promise<void> {
  await bed.quiet();
  expect(bed.records().at(-1)).toMatchObject({ model, outcome: { kind: 'cancelled' } });
}

/** Keeps a lane busy while `meanwhile` is tried. */
async function whileHeld(model: string, meanwhile: () => Promise<void>): Promise<void> {
  const abort = new AbortController();
  const held = bed.hold(model, abort.signal).catch(() => undefined);
  try {
    await bed.running();
    await meanwhile();
  } finally {
    abort.abort();
    await held;
    await bed.quiet();
  }
}

shows('lists the models', async ({ user, cast }) => {
  const ids = await user.list!();
  for (const id of ['auto', 'auto:interactive', cast.speaker, cast.sleeper]) expect(ids).toContain(id);
});

shows('reads a whole answer', async ({ user, cast }) => {
  expect(await user.whole!(cast.speaker, question())).toBe(cast.sentence);
});

shows('reads a stream', async ({ user, cast, client }) => {
  let pieces = 0;
  const onText = () => {
    pieces += 1;
  };
  const stream = user.stream(cast.speaker, question(), client === 'Discord bot' ? {} : { onText });
  expect(await stream).toBe(cast.sentence);
  if (client !== 'Discord bot') expect(pieces).toBeGreaterThan(2);
});

shows('has a tool called', async ({ user, cast }) => {
  expect(await user.call!(cast.caller)).toMatchObject({ name: 'get_weather', input: { city: 'Berlin' } });
});

shows('gives the result of a tool', async ({ user, cast, runtime }) => {
  const { answer } = await user.call!(cast.caller);
  // The simulator plays one script, whatever it is told.
  expect(await answer('sunny')).toBe(runtime === 'llama-server' ? cast.sentence : 'get_weather');
});

shows('asks for JSON by a schema', async (given) => {
  const { user, cast, runtime } = given;
  if (runtime === 'RKLLM simulator') await expectRefused(given, user.fit!(cast.speaker));
  else
    expect(await user.fit!(cast.speaker)).toEqual({
      answer: expect.stringMatching(/^(yes|no)$/),
      sure: expect.any(Boolean),
    });
});

shows('sends an image to a model without eyes', (given) => expectRefused(given, given.user.look!(given.cast.speaker)));

shows('gets vectors', async ({ user, cast }) => {
  expect(await user.embed!(cast.vectors, ['one', 'two'])).toEqual([64, 64]);
});

shows('waits while a model loads', async (given) => {
  const { cast } = given;
  expect(await answer(given, cast.sleeper)).toMatch(/\.$/);
  await bed.quiet();
  expect(bed.records().at(-1)).toMatchObject({ model: cast.sleeper, actual: { loadMs: expect.any(Number) } });
  expect(bed.records().at(-1)?.actual.loadMs).toBeGreaterThan(20);
  await bed.call(`/router/models/${cast.sleeper}/unload`, { method: 'POST' });
});

shows('leaves the queue', async (given) => {
  const { cast } = given;
  await whileHeld(cast.endless[0], async () => {
    const asking = start(given, cast.speaker);
    await bed.waiting(1);
    await asking.leave();
    await bed.waiting(0);
    expect(bed.records().at(-1)).toMatchObject({ model: cast.speaker, outcome: { kind: 'cancelled' } });
  });
});

shows('leaves while the model loads', async (given) => {
  const { sleeper } = given.cast;
  const from = bed.events.length;
  const asking = start(given, sleeper);
  await bed.stateChanges(sleeper, 'loading', from);
  await asking.leave();
  await expectLeft(sleeper);
  expect(asking.pieces()).toBe(0);
  await bed.call(`/router/models/${sleeper}/unload`, { method: 'POST' });
});

shows('leaves while the prompt is read', async (given) => {
  const [model] = given.cast.endless;
  const works = bed.engineWorks(model);
  const asking = start(given, model, longQuestion());
  await works();
  await asking.leave();
  await expectLeft(model);
  expect(asking.pieces()).toBe(0);
});

shows('leaves while the answer is written', async (given) => {
  const [model] = given.cast.endless;
  const asking = start(given, model);
  await asking.began;
  await asking.leave();
  await expectLeft(model);
});

shows('finds the queue full', async (given) => {
  const { cast } = given;
  await whileHeld(cast.endless[0], async () => {
    const abort = new AbortController();
    const waits = bed.hold(cast.speaker, abort.signal).catch(() => undefined);
    await bed.waiting(1);
    await expectRefused(given, answer(given, cast.speaker));
    abort.abort();
    await waits;
  });
});

shows('names a model that cannot run', (given) => expectRefused(given, answer(given, given.cast.missing)));

shows('comes while the gateway drains', async (given) => {
  await bed.call('/router/drain?wait=false', { method: 'POST' });
  try {
    await expectRefused(given, answer(given, given.cast.speaker));
  } finally {
    await bed.call('/router/drain', { method: 'DELETE' });
  }
});

shows('sends a prompt beyond the context', (given) =>
  expectRefused(given, answer(given, given.cast.speaker, 'many words '.repeat(9000))),
);

shows('has a wrong key', async (given) => {
  const stranger = await CONNECT[given.client]({ url: bed.url, key: 'sk-wrong' });
  strangers.push(stranger);
  await expectRefused(given, answer({ ...given, user: stranger }, given.cast.speaker));
});

shows('sends what is no JSON', async (given) => {
  const damaged = await CONNECT[given.client]({ url: bed.url, key: KEY, damage: (body) => body.slice(0, -1) });
  await expectRefused(given, answer({ ...given, user: damaged }, given.cast.speaker));
});

shows('names an unknown model', (given) => expectRefused(given, answer(given, 'nobody')));

/** An endless model for this client; the others come back meanwhile from their last deaths. */
async function victimFor({ client, cast }: Given): Promise<{ readonly model: string; readonly pid: number }> {
  const model = cast.endless[CLIENTS.indexOf(client) % cast.endless.length]!;
  await until(`${model} is up`, async () => (await bed.stateOf(model)) === 'ready');
  // An answer that works clears its record: five deaths in a row would keep it down.
  expect((await bed.ask(model)).status).toBe(200);
  return { model, pid: await bed.pidOf(model) };
}

shows('loses the engine before the first byte', async (given) => {
  const { model, pid } = await victimFor(given);
  const works = bed.engineWorks(model);
  const refused = expectRefused(given, answer(given, model, longQuestion()));
  // One that is refused for another reason fails here and not at the end of the waiting.
  await Promise.race([works(), refused]);
  process.kill(pid, 'SIGKILL');
  await refused;
});

shows('loses the engine in the middle of the answer', async (given) => {
  const { model, pid } = await victimFor(given);
  const asking = start(given, model);
  await asking.began;
  process.kill(pid, 'SIGKILL');
  const thrown = await asking.gone;
  expectRefusal(given.feature, given.client, given.user.failure(thrown));
});

describe('docs/api.md', () => {
  it('says what has passed here', async () => {
    const document = readFileSync(API_DOCUMENT, 'utf8');
    const table = withGrid(document, (feature, column) => passed.has(nameOf(feature, column)));
    await expect(table).toMatchFileSnapshot(API_DOCUMENT);
  });
});
