import { startBot } from '../../../examples/discord-bot/bot.ts';
import { readSettings } from '../../../examples/discord-bot/settings.ts';
import { BOT, startFakeDiscord } from '../fake-discord.ts';
import { until } from '../until.ts';
import type { ConformanceClient, Connection } from './client.ts';

/** Longest answer the bot asks for, in tokens; more than an endless model can write within its context. */
const TOKENS_MAX = 4096;
/** What the bot writes in small print tells people how an answer ended. */
const NOTE = /-# (.*)$/;

/**
 * The bot of examples/discord-bot on a Discord that the test plays: somebody chooses the model, asks, reads, and deletes
 * the question to leave. What the bot writes in small print counts as its error.
 */
export async function discordBot({ url, key }: Connection): Promise<ConformanceClient> {
  const discord = await startFakeDiscord();
  const settings = { DISCORD_TOKEN: 'a.fake.token', DISCORD_API: discord.api, SYSTEM_PROMPT: '' };
  const bot = await startBot(
    readSettings({ ...settings, SLUICE_URL: url, SLUICE_KEY: key, MAX_TOKENS: String(TOKENS_MAX) }),
  );
  const choose = async (model: string) => {
    const said = await discord.command('model', { name: model });
    if (!said.endsWith('from now on.')) throw new Error(said);
    await discord.command('forget');
  };
  return {
    list: async () => [...(await discord.command('model')).matchAll(/`([^`]+)`/g)].map(([, id = '']) => id),
    stream: async (model, text, { onText, signal } = {}) => {
      await choose(model);
      const id = discord.say(`<@${BOT}> ${text}`);
      const leave = () => discord.remove(id);
      if (signal?.aborted) leave();
      signal?.addEventListener('abort', leave);
      const posted = () => discord.posted().find(({ replyTo }) => replyTo === id);
      let told = false;
      const content = await until('the bot has answered', () => {
        signal?.throwIfAborted();
        const { content = '' } = posted() ?? {};
        if (content !== '' && !NOTE.test(content) && !told) {
          told = true;
          onText?.();
        }
        // Answers of the models here end with a full stop; one without an end has no end to wait for.
        return (NOTE.test(content) || (onText === undefined && content.endsWith('.'))) && content;
      });
      const note = NOTE.exec(content)?.[1];
      if (note !== undefined) throw new Error(note);
      return content;
    },
    failure: (thrown) => ({ status: undefined, code: undefined, message: (thrown as Error).message }),
    close: async () => {
      await bot.stop();
      await discord.close();
    },
  };
}
