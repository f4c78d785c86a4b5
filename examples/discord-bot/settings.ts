/** What the operator sets in the environment. */
export type Settings = {
  readonly discordToken: string;
  /** Base URL of the gateway, without `/v1`. */
  readonly sluiceUrl: string;
  /** Key of this bot among the gateway's clients; anything where the gateway has none. */
  readonly sluiceKey: string;
  /** `model` of requests from channels that have chosen none. */
  readonly model: string;
  /** First message of every request; empty = none. */
  readonly systemPrompt: string;
  /** Longest answer in tokens. */
  readonly maxTokens: number;
  /** Discord's REST interface; another one only for a proxy or a test. */
  readonly discordApi: string;
};

const SYSTEM_PROMPT =
  'You are a helpful assistant in a Discord channel. Answer briefly. Several people may write; their names stand before ' +
  'their messages. Use Markdown where it helps, and code blocks for code.';

/** Reads the environment. Throws an Error that names everything missing or wrong, for whoever starts the bot. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const faults: string[] = [];
  const text = (name: string, fallback?: string): string => {
    const value = environment[name] ?? fallback;
    if (value === undefined || (value === '' && fallback === undefined)) faults.push(`${name} is not set`);
    return value ?? '';
  };
  const url = (name: string, fallback?: string): string => {
    const value = text(name, fallback);
    if (value !== '' && !/^https?:\/\//.test(value)) faults.push(`${name} is no URL: ${value}`);
    return value.replace(/\/+$/, '');
  };
  const maxTokens = Number(environment['MAX_TOKENS'] ?? 1000);
  if (!Number.isInteger(maxTokens) || maxTokens < 1)
    faults.push(`MAX_TOKENS is no number: ${environment['MAX_TOKENS']}`);
  const settings: Settings = {
    discordToken: text('DISCORD_TOKEN'),
    sluiceUrl: url('SLUICE_URL', 'http://127.0.0.1:8080').replace(/\/v1$/, ''),
    sluiceKey: text('SLUICE_KEY', 'none'),
    model: text('SLUICE_MODEL', 'auto:interactive'),
    systemPrompt: text('SYSTEM_PROMPT', SYSTEM_PROMPT),
    maxTokens,
    discordApi: url('DISCORD_API', 'https://discord.com/api'),
  };
  if (faults.length > 0) throw new Error(`${faults.join('; ')}. README.md lists what can be set.`);
  return settings;
}
