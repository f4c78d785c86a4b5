import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../examples/discord-bot/settings.ts';

describe('readSettings', () => {
  it('needs a token only', () => {
    expect(readSettings({ DISCORD_TOKEN: 'secret' })).toMatchObject({
      discordToken: 'secret',
      sluiceUrl: 'http://127.0.0.1:8080',
      model: 'auto:interactive',
      maxTokens: 1000,
      discordApi: 'https://discord.com/api',
    });
  });

  it('takes the base URL with and without its path', () => {
    const of = (url: string) => readSettings({ DISCORD_TOKEN: 'x', SLUICE_URL: url }).sluiceUrl;
    expect([of('http://board:8080'), of('http://board:8080/'), of('http://board:8080/v1/')]).toEqual(
      Array.from({ length: 3 }, () => 'http://board:8080'),
    );
  });

  it('names everything that is wrong at once', () => {
    expect(() => readSettings({ SLUICE_URL: 'board:8080', MAX_TOKENS: 'many' })).toThrow(
      'MAX_TOKENS is no number: many; DISCORD_TOKEN is not set; SLUICE_URL is no URL: board:8080. README.md lists what can be set.',
    );
  });
});
