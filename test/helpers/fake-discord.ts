import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { until } from './until.ts';

// Discord as a bot sees it: its REST interface and its gateway, on 127.0.0.1. Only what the bot of examples/discord-bot
// needs, in the shapes of Discord's API v10 (https://discord.com/developers/docs/reference).

/** One REST call of the bot. */
export type RestCall = { readonly method: string; readonly path: string; readonly body: Body };
type Body = ReturnType<typeof JSON.parse>;

/** A message as it stands in the channel now. */
export type Posted = {
  readonly id: string;
  readonly channel: string;
  content: string;
  readonly replyTo: string | undefined;
  readonly body: Body;
};

/** A Discord with one server (`GUILD`), its channel (`CHANNEL`) and one person (`PERSON`). */
export interface FakeDiscord {
  /** For the bot's `DISCORD_API`. */
  readonly api: string;
  readonly calls: readonly RestCall[];
  /** Messages of the bot that have not been deleted, oldest first. */
  readonly posted: () => readonly Posted[];
  /** True while the bot is connected and logged in. */
  readonly isOnline: () => boolean;
  /** Somebody writes; returns the message's id. */
  say(content: string, given?: Said): string;
  /** Somebody deletes a message, theirs or the bot's. */
  remove(id: string, channel?: string): void;
  /** Somebody gives a slash command; resolves with the reply only they see. */
  command(name: string, options?: Record<string, string>, channel?: string): Promise<string>;
  /** The next edit is refused once with 429. */
  limitNextEdit(retryAfterSeconds: number): void;
  close(): Promise<void>;
}

/** Who writes, where, and in what way other than a person in the channel of the server. */
export type Said = {
  readonly channel?: string;
  readonly direct?: boolean;
  readonly bot?: boolean;
  readonly everyone?: boolean;
};

export const BOT = '1000';
export const GUILD = '2000';
export const CHANNEL = '3000';
export const OTHER_CHANNEL = '3001';
export const DIRECT_CHANNEL = '4000';
const PERSON = { id: '5000', username: 'anna', global_name: 'Anna', discriminator: '0', avatar: null };
const BOT_USER = { id: BOT, username: 'sluice', global_name: null, discriminator: '0', avatar: null, bot: true };

/** Starts a {@link FakeDiscord} on free ports. */
export async function startFakeDiscord(): Promise<FakeDiscord> {
  const calls: RestCall[] = [];
  const posted = new Map<string, Posted>();
  const replies = new Map<string, string>();
  let nextId = 10_000;
  let sequence = 0;
  let limitSeconds: number | undefined;
  let socket: WebSocket | undefined;
  let online = false;

  const newId = () => String(nextId++);
  const dispatch = (type: string, d: object) => {
    sequence += 1;
    socket?.send(JSON.stringify({ op: 0, s: sequence, t: type, d }));
  };
  const messageOf = (id: string, channel: string, content: string, given: object) => ({
    id,
    channel_id: channel,
    content,
    timestamp: new Date(0).toISOString(),
    edited_timestamp: null,
    tts: false,
    mention_everyone: false,
    mentions: mentionsIn(content),
    mention_roles: [],
    attachments: [],
    embeds: [],
    pinned: false,
    type: 0,
    ...(channel === DIRECT_CHANNEL ? { channel_type: 1 } : { channel_type: 0, guild_id: GUILD }),
    ...given,
  });
  const gone = (id: string, channel: string) => {
    posted.delete(id);
    dispatch('MESSAGE_DELETE', { id, channel_id: channel, ...(channel === DIRECT_CHANNEL ? {} : { guild_id: GUILD }) });
  };

  const rest: Route[] = [
    ['GET', /^\/gateway\/bot$/, () => ({ url: gatewayUrl, shards: 1, session_start_limit: SESSION_LIMIT })],
    [
      'PUT',
      /^\/applications\/\d+\/commands$/,
      ({ body }) => body.map((one: Body) => ({ ...one, id: newId(), application_id: BOT, version: '1' })),
    ],
    ['POST', /^\/channels\/(\d+)\/typing$/, () => undefined],
    [
      'POST',
      /^\/channels\/(\d+)\/messages$/,
      ({ body, found: [, channel = ''] }) => {
        const id = newId();
        const replyTo = body.message_reference?.message_id;
        posted.set(id, { id, channel, content: body.content, replyTo, body });
        const message = messageOf(id, channel, body.content, { author: BOT_USER });
        dispatch('MESSAGE_CREATE', message);
        return message;
      },
    ],
    [
      'PATCH',
      /^\/channels\/(\d+)\/messages\/(\d+)$/,
      ({ body, found: [, channel = '', id = ''] }) => {
        const message = posted.get(id);
        if (message === undefined) return new Refusal(404, { message: 'Unknown Message', code: 10008 });
        if (limitSeconds !== undefined) {
          const retryAfter = limitSeconds;
          limitSeconds = undefined;
          return new Refusal(
            429,
            { message: 'You are being rate limited.', retry_after: retryAfter, global: false },
            {
              'retry-after': String(retryAfter),
              'x-ratelimit-scope': 'user',
            },
          );
        }
        message.content = body.content;
        return messageOf(id, channel, body.content, { author: BOT_USER });
      },
    ],
    ['DELETE', /^\/channels\/(\d+)\/messages\/(\d+)$/, ({ found: [, channel = '', id = ''] }) => gone(id, channel)],
    ['POST', /^\/interactions\/\d+\/(\w+)\/callback$/, () => undefined],
    [
      'PATCH',
      /^\/webhooks\/\d+\/(\w+)\/messages\/@original$/,
      ({ body, found: [, token = ''] }) => {
        replies.set(token, body.content);
        return messageOf(newId(), CHANNEL, body.content, { author: BOT_USER });
      },
    ],
  ];
  const server = createServer((incoming, outgoing) => void answerRest({ rest, calls }, incoming, outgoing));
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (connected) => {
    socket = connected;
    connected.send(JSON.stringify({ op: 10, d: { heartbeat_interval: 45_000 } }));
    connected.on('message', (raw) => {
      const { op } = JSON.parse(String(raw)) as { op: number };
      if (op === 1) connected.send(JSON.stringify({ op: 11 }));
      if (op !== 2) return;
      dispatch('READY', { ...READY, resume_gateway_url: gatewayUrl });
      dispatch('GUILD_CREATE', SERVER);
      online = true;
    });
    connected.on('close', () => {
      online = false;
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const gatewayUrl = `ws://127.0.0.1:${port}`;

  return {
    api: `http://127.0.0.1:${port}`,
    calls,
    posted: () => [...posted.values()],
    isOnline: () => online,
    say: (content, { channel, direct = false, bot = false, everyone = false } = {}) => {
      const id = newId();
      const author = bot ? { ...PERSON, id: '5001', username: 'another bot', bot: true } : PERSON;
      const at = direct ? DIRECT_CHANNEL : (channel ?? CHANNEL);
      const member = direct
        ? {}
        : { member: { roles: [], nick: null, joined_at: JOINED, deaf: false, mute: false, flags: 0 } };
      dispatch('MESSAGE_CREATE', messageOf(id, at, content, { author, mention_everyone: everyone, ...member }));
      return id;
    },
    remove: (id, channel = CHANNEL) => gone(id, channel),
    command: async (name, options = {}, channel = CHANNEL) => {
      const token = `token${newId()}`;
      dispatch('INTERACTION_CREATE', {
        id: newId(),
        application_id: BOT,
        type: 2,
        token,
        version: 1,
        channel_id: channel,
        channel: { id: channel, type: 0 },
        guild_id: GUILD,
        member: {
          user: PERSON,
          roles: [],
          nick: null,
          joined_at: JOINED,
          deaf: false,
          mute: false,
          flags: 0,
          permissions: '0',
        },
        entitlements: [],
        authorizing_integration_owners: {},
        attachment_size_limit: 10_000_000,
        data: {
          id: newId(),
          name,
          type: 1,
          options: Object.entries(options).map(([key, value]) => ({ name: key, type: 3, value })),
        },
      });
      return until(`the reply to /${name}`, () => replies.get(token));
    },
    limitNextEdit: (retryAfterSeconds) => {
      limitSeconds = retryAfterSeconds;
    },
    close: async () => {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const JOINED = '2026-01-01T00:00:00.000Z';
const SESSION_LIMIT = { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 1 };
const READY = {
  v: 10,
  user: BOT_USER,
  guilds: [{ id: GUILD, unavailable: true }],
  session_id: 'session',
  application: { id: BOT, flags: 0 },
  shard: [0, 1],
};
const textChannel = (id: string) => ({
  id,
  type: 0,
  name: `channel-${id}`,
  position: 0,
  permission_overwrites: [],
  guild_id: GUILD,
});
const SERVER = {
  id: GUILD,
  name: 'a server',
  owner_id: PERSON.id,
  unavailable: false,
  member_count: 2,
  roles: [
    {
      id: GUILD,
      name: '@everyone',
      permissions: String(2n ** 40n - 1n),
      position: 0,
      color: 0,
      hoist: false,
      managed: false,
      mentionable: false,
      flags: 0,
    },
  ],
  channels: [textChannel(CHANNEL), textChannel(OTHER_CHANNEL)],
  members: [{ user: BOT_USER, roles: [], nick: null, joined_at: JOINED, deaf: false, mute: false, flags: 0 }],
  threads: [],
  emojis: [],
  stickers: [],
  features: [],
  voice_states: [],
  presences: [],
  stage_instances: [],
  guild_scheduled_events: [],
  soundboard_sounds: [],
};

const mentionsIn = (content: string) => (content.includes(`<@${BOT}>`) ? [BOT_USER] : []);

type Asked = { readonly body: Body; readonly found: RegExpExecArray };
type Route = readonly [method: string, path: RegExp, answer: (asked: Asked) => unknown];

class Refusal {
  readonly status: number;
  readonly body: object;
  readonly headers: Record<string, string>;
  constructor(status: number, body: object, headers: Record<string, string> = {}) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

async function answerRest(
  { rest, calls }: { rest: readonly Route[]; calls: RestCall[] },
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  let text = '';
  for await (const part of incoming) text += part;
  const method = incoming.method ?? '';
  const path = decodeURIComponent(incoming.url ?? '')
    .replace(/^\/v10/, '')
    .replace(/\?.*$/, '');
  const body: Body = text === '' ? undefined : JSON.parse(text);
  calls.push({ method, path, body });
  const send = (status: number, answer: unknown, headers: Record<string, string> = {}) => {
    outgoing.writeHead(status, answer === undefined ? headers : { 'content-type': 'application/json', ...headers });
    outgoing.end(answer === undefined ? undefined : JSON.stringify(answer));
  };
  for (const [wanted, pattern, answer] of rest) {
    const found = wanted === method ? pattern.exec(path) : null;
    if (found === null) continue;
    const given = answer({ body, found });
    if (given instanceof Refusal) send(given.status, given.body, given.headers);
    else send(given === undefined ? 204 : 200, given);
    return;
  }
  send(404, { message: `the fake has no ${method} ${path}`, code: 0 });
}
