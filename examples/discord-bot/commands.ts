import { type ChatInputCommandInteraction, MessageFlags, SlashCommandBuilder } from 'discord.js';
import type OpenAI from 'openai';
import type { Conversations } from './conversation.ts';
import { explainError } from './explain-error.ts';

const MODEL_CHARS_MAX = 100;
const LIST_CHARS_MAX = 1500;

/** The bot's slash commands, as Discord is told of them at every start. */
export const COMMANDS = [
  new SlashCommandBuilder()
    .setName('model')
    .setDescription('Which model answers in this channel')
    .addStringOption((option) =>
      option
        .setName('name')
        .setDescription('A model, auto, or default; without it: what there is')
        .setMaxLength(MODEL_CHARS_MAX),
    ),
  new SlashCommandBuilder().setName('forget').setDescription('Forget what was said in this channel'),
].map((command) => command.toJSON());

/** What the commands work on. */
export type CommandParts = {
  readonly openai: OpenAI;
  readonly conversations: Conversations;
  /** `model` where a channel has chosen none. */
  readonly defaultModel: string;
};

/** Carries out a slash command; the answer is seen by whoever gave it. */
export async function runCommand(parts: CommandParts, interaction: ChatInputCommandInteraction): Promise<void> {
  await interaction.deferReply({ flags: MessageFlags.Ephemeral });
  await interaction.editReply(await replyTo(parts, interaction));
}

async function replyTo(parts: CommandParts, { commandName, channelId, options }: ChatInputCommandInteraction) {
  const { conversations } = parts;
  if (commandName === 'forget') {
    conversations.forget(channelId);
    return 'Forgotten. The next question starts a new conversation.';
  }
  try {
    return await chooseModel(parts, channelId, options.getString('name')?.trim());
  } catch (failure) {
    return explainError(failure, Date.now());
  }
}

async function chooseModel({ openai, conversations, defaultModel }: CommandParts, channel: string, name?: string) {
  const { data } = await openai.models.list();
  const ids = data.map(({ id }) => id);
  const now = conversations.model(channel) ?? `${defaultModel} (the default)`;
  if (name === undefined || name === '') return `This channel uses **${now}**. There is: ${listOf(ids)}`;
  if (name === 'default') {
    conversations.choose(channel, undefined);
    return `This channel uses **${defaultModel}** (the default).`;
  }
  if (!ids.includes(name)) return `There is no model \`${name.replaceAll('`', '')}\`. There is: ${listOf(ids)}`;
  conversations.choose(channel, name);
  return `This channel uses **${name}** from now on.`;
}

function listOf(ids: readonly string[]): string {
  const list = ids.map((id) => `\`${id}\``).join(', ');
  return list.length > LIST_CHARS_MAX ? `${list.slice(0, list.lastIndexOf(',', LIST_CHARS_MAX))}, …` : `${list}.`;
}
