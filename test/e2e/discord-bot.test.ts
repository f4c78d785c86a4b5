import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../examples/discord-bot/bot.ts';
import { readSettings } from '../../examples/discord-bot/settings.ts';
import {
  BOT,
  CHANNEL,
  DIRECT_CHANNEL,
  type FakeDiscord,
  OTHER_CHANNEL,
  startFakeDiscord,
} from '../helpers/fake-discord.ts';
import {
  demoModel,
  demoPolicy,
  type PolicyFile,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

// The bot of examples/discord-bot as it is: discord.js on a Discord that the test plays, the openai SDK on a real gateway
// with real llama-server children. `endless` never ends by itself, so that there is time to watch.

const ENDLESS_TOKENS = 1900;

function botPolicy(): PolicyFile {
  const policy = demoPolicy(['tiny', 'demo-4b', 'demo-9b']);
  const { settings } = policy.runtimes['llama'] as { settings: Record<string, unknown> };
  settings['threads'] = 1;
  policy.models['endless'] = { ...demoModel('demo-9b'), settings: { extra_args: ['--ignore-eos'] } };
  delete policy.models['demo-9b'];
  policy.classes['quality'] = { min_quality: 0 };
  policy.gateway['queue_depth'] = 1;
  return policy;
}

let gateway: TestGateway;
let discord: FakeDiscord;
let bot: Bot;

beforeAll(async () => {
  [gateway, discord] = await Promise.all([startTestGateway(botPolicy()), startFakeDiscord()]);
  bot = await startBot(
    readSettings({
      DISCORD_TOKEN: 'a.fake.token',
      DISCORD_API: discord.api,
      SLUICE_URL: gateway.url,
      MAX_TOKENS: String(ENDLESS_TOKENS),
    }),
  );
});
afterAll(async () => {
  await bot?.stop();
  await discord?.close();
  await gateway?.stop();
});

const edits = () => discord.calls.filter(({ method, path }) => method === 'PATCH' && path.startsWith('/channels/'));
const answerTo = (id: string) => discord.posted().find(({ replyTo }) => replyTo === id);
const lastRecord = () => gateway.records().at(-1);

describe('the Discord bot', () => {
  it('tells Discord its commands', () => {
    const told = discord.calls.find(({ method }) => method === 'PUT');
    expect(told?.body.map(({ name }: { name: string }) => name)).toEqual(['model', 'forget']);
  });

  it('answers a mention with a reply, typing before it and pinging nobody', async () => {
    discord.say('Who is there?');
    discord.say('Who is there, everyone?', { everyone: true });
    discord.say(`<@${BOT}> who is there?`, { bot: true });
    const from = discord.calls.length;
    const id = discord.say(`<@${BOT}> who are you?`);
    await until('the answer', () => answerTo(id)?.content === sentenceOf('demo-4b'));
    const [first, second] = discord.calls.slice(from);
    expect([first?.path, second?.path]).toEqual([`/channels/${CHANNEL}/typing`, `/channels/${CHANNEL}/messages`]);
    expect(answerTo(id)?.body.allowed_mentions).toEqual({ parse: [], replied_user: false });
    // The three before it were not for the bot.
    expect(discord.posted()).toHaveLength(1);
    expect(lastRecord()).toMatchObject({ class: 'interactive', model: 'demo-4b', messageCount: 2, stream: true });
  });

  it('remembers a channel until it is told to forget', async () => {
    const first = discord.say('Who are you?', { direct: true });
    await until('the first answer', () => answerTo(first)?.content === sentenceOf('demo-4b'));
    const second = discord.say('And who else?', { direct: true });
    await until('the second answer', () => answerTo(second) !== undefined);
    await gateway.idle();
    // The system's words, two questions and an answer.
    expect(lastRecord()?.messageCount).toBe(4);
    expect(await discord.command('forget', {}, DIRECT_CHANNEL)).toMatch(/^Forgotten/);
    const third = discord.say('Who are you?', { direct: true });
    await until('the third answer', () => answerTo(third) !== undefined);
    await gateway.idle();
    expect(lastRecord()?.messageCount).toBe(2);
  });

  it('changes the model of a channel', async () => {
    expect(await discord.command('model')).toMatch(/uses \*\*auto:interactive \(the default\)\*\*.*`demo-4b`/);
    expect(await discord.command('model', { name: 'gpt-9' })).toMatch(/^There is no model `gpt-9`\. There is: `auto`/);
    expect(await discord.command('model', { name: 'endless' })).toBe('This channel uses **endless** from now on.');
  });

  it('edits its message while the answer is written, also where Discord says too many', async () => {
    const before = edits().length;
    const id = discord.say(`<@${BOT}> tell me everything`);
    const began = await until('the answer begins', () => answerTo(id));
    const first = began.content;
    discord.limitNextEdit(0.2);
    // The first attempt was refused; discord.js tries again by itself.
    await until('it has been edited', () => edits().length >= before + 2 && began.content !== first);
    expect(began.content.startsWith(first)).toBe(true);

    // Whoever asked does not want it any more.
    discord.remove(id);
    await gateway.idle();
    expect((await gateway.slot('endless')).is_processing).toBe(false);
    expect(lastRecord()?.outcome).toEqual({ kind: 'cancelled' });
    await until('what was written is gone', () => !discord.posted().includes(began));
  });

  it('stops the model when its own answer is deleted, and forgets that it was asked', async () => {
    const id = discord.say(`<@${BOT}> tell me everything`);
    const began = await until('the answer begins', () => answerTo(id));
    expect(lastRecord()?.outcome.kind).toBe('cancelled');
    discord.remove(began.id);
    await gateway.idle();
    expect(lastRecord()).toMatchObject({ model: 'endless', messageCount: 4, outcome: { kind: 'cancelled' } });
    expect(answerTo(id)).toBeUndefined();
  });

  it('says in how long one may ask again when the queue is full', async () => {
    const leave = new AbortController();
    const endless = question({ model: 'endless', max_tokens: ENDLESS_TOKENS });
    const running = () =>
      gateway.json('/router/status').then(({ lanes: [lane] }) => [lane.running.length, lane.waiting.length].join());
    const held = gateway.chat(endless, { signal: leave.signal }).catch(() => undefined);
    await until('one runs', async () => (await running()) === '1,0');
    const waits = gateway.chat(question({ model: 'demo-4b' }), { signal: leave.signal }).catch(() => undefined);
    await until('one waits', async () => (await running()) === '1,1');
    const id = discord.say(`<@${BOT}> who are you?`, { channel: OTHER_CHANNEL });
    const { content } = await until('the refusal', () => answerTo(id));
    expect(content).toMatch(/^-# Too many are waiting already\. Try again <t:\d+:R>\.$/);
    leave.abort();
    await Promise.all([held, waits]);
    await gateway.idle();
  });

  it('says so below an unfinished answer when it is stopped, and logs out', async () => {
    const id = discord.say(`<@${BOT}> tell me everything`);
    const began = await until('the answer begins', () => answerTo(id));
    await bot.stop();
    expect(began.content).toMatch(/\n\n-# I am being restarted\. Please ask again in a minute\.$/);
    await until('it is logged out', () => !discord.isOnline());
    await gateway.idle();
    expect(lastRecord()?.outcome).toEqual({ kind: 'cancelled' });
  });
});
