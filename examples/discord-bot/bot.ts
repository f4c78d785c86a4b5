import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  cleanContent,
  Events,
  GatewayIntentBits,
  type Message,
  MessageFlags,
  Partials,
  type SendableChannels,
} from 'discord.js';
import OpenAI from 'openai';
import { type AnswerParts, answer } from './answer.ts';
import { COMMANDS, runCommand } from './commands.ts';
import { createConversations } from './conversation.ts';
import type { Settings } from './settings.ts';
import type { Screen } from './stream-to-message.ts';
import { createTurns, DELETED, type Turn, type Turns } from './turns.ts';

/** A bot that is logged in. */
export interface Bot {
  /** Cancels what is under way, says so below it, and logs out. */
  stop(): Promise<void>;
}

const LIMITS = { channels: 500, messages: 40, characters: 24_000 };
/** Questions that wait in one channel; somebody who pastes twenty lines must not keep the model busy for an hour. */
const WAITING_MAX = 5;
/** Discord shows "is typing" for ten seconds. */
const TYPING_EVERY_MS = 8000;

/** Logs in and answers direct messages and mentions. Rejects where Discord does not accept the token. */
export async function startBot(settings: Settings): Promise<Bot> {
  const conversations = createConversations(LIMITS);
  // Without retries of its own: when to come back is said to people, who know better than a program whether it still matters.
  const openai = new OpenAI({ baseURL: `${settings.sluiceUrl}/v1`, apiKey: settings.sluiceKey, maxRetries: 0 });
  const turns = createTurns(WAITING_MAX);
  const client = new Client({
    // No privileged intent: the text of direct messages and mentions is delivered without.
    intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.DirectMessages],
    // Direct messages come from channels nobody has told us of, and deletions of messages from before the start.
    partials: [Partials.Channel, Partials.Message],
    // Whatever a model writes, nobody is pinged by it.
    allowedMentions: { parse: [], repliedUser: false },
    rest: { api: settings.discordApi },
  });
  const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
  client.on(Events.MessageCreate, (message) => {
    const question = questionOf(message);
    if (question !== undefined) ask({ openai, conversations, settings }, turns, { message, text: question });
  });
  client.on(Events.MessageDelete, ({ id }) => turns.cancel(id));
  client.on(Events.MessageBulkDelete, (messages) => {
    for (const id of messages.keys()) turns.cancel(id);
  });
  client.on(Events.InteractionCreate, (interaction) => {
    if (!interaction.isChatInputCommand()) return;
    runCommand({ openai, conversations, defaultModel: settings.model }, interaction).catch(report('a command'));
  });
  client.on(Events.Error, report('Discord'));
  await client.login(settings.discordToken);
  await ready;
  await client.application?.commands.set(COMMANDS);
  console.log(`logged in as ${client.user?.tag}, asking ${settings.sluiceUrl}`);
  return {
    stop: async () => {
      await turns.cancelAll('I am being restarted. Please ask again in a minute.');
      await client.destroy();
    },
  };
}

/** What a message asks of us; undefined where it is not for us. */
function questionOf(message: Message): string | undefined {
  const self = message.client.user;
  if (message.author.bot || message.webhookId !== null || message.system) return undefined;
  // Not `@everyone` and not our roles: only ourselves.
  if (message.inGuild() && !message.mentions.users.has(self.id)) return undefined;
  const text = cleanContent(message.content.replaceAll(new RegExp(`<@!?${self.id}>`, 'g'), ''), message.channel).trim();
  if (text === '') return undefined;
  return message.inGuild() ? `${message.member?.displayName ?? message.author.displayName}: ${text}` : text;
}

type Asked = { readonly message: Message; readonly text: string };

function ask(parts: AnswerParts, turns: Turns, { message, text }: Asked): void {
  const { channel } = message;
  if (!channel.isSendable()) return;
  const turn: Turn = { abort: new AbortController(), messages: new Set([message.id]) };
  const entered = turns.enter(channel.id, turn, async () => {
    const typed = new AbortController();
    const typing = keepTyping(channel, typed.signal);
    const replies: Message[] = [];
    const screen = replyScreen({ message, channel, turn, replies, onFirst: () => typed.abort() });
    const streamed = await answer(parts, { channel: channel.id, text, screen, abort: turn.abort });
    typed.abort();
    await typing;
    // Half an answer to nothing is not left behind.
    if (turn.abort.signal.reason === DELETED) await removeAll(replies);
    else if (streamed.kind === 'failed' && typeof turn.abort.signal.reason !== 'string')
      report(`answering (${streamed.failedBy})`)(streamed.failure);
  });
  if (!entered) {
    const refusal = '-# One after the other, please: too many questions wait in this channel.';
    message.reply({ content: refusal, failIfNotExists: false }).catch(report('refusing'));
  }
}

type Place = {
  readonly message: Message;
  readonly channel: SendableChannels;
  readonly turn: Turn;
  /** Grows with every message that is sent. */
  readonly replies: Message[];
  readonly onFirst: () => void;
};

/** Messages below a question: the first replies to it. Nothing is written any more once the turn has been cancelled. */
function replyScreen({ message, channel, turn, replies, onFirst }: Place): Screen {
  const isDeleted = () => turn.abort.signal.reason === DELETED;
  return {
    send: async (content) => {
      if (isDeleted()) return;
      onFirst();
      const isFirst = replies.length === 0;
      const flags = MessageFlags.SuppressEmbeds;
      const sent = await (isFirst
        ? message.reply({ content, flags, failIfNotExists: false })
        : channel.send({ content, flags }));
      replies.push(sent);
      turn.messages.add(sent.id);
    },
    edit: async (index, content) => {
      if (!isDeleted()) await replies[index]?.edit({ content });
    },
  };
}

async function keepTyping(channel: SendableChannels, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // Not being shown as typing is no reason not to answer.
    await channel.sendTyping().catch(() => undefined);
    await sleep(TYPING_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function removeAll(replies: readonly Message[]): Promise<void> {
  // One of them may be what was deleted.
  await Promise.all(replies.map((reply) => reply.delete().catch(() => undefined)));
}

const report =
  (what: string) =>
  (failure: unknown): void =>
    console.error(`${what}:`, failure instanceof Error ? failure.message : failure);
