import { startBot } from './bot.ts';
import { readSettings } from './settings.ts';

try {
  const bot = await startBot(readSettings(process.env));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // A second signal ends the process at once, as it would without us.
    process.once(signal, () => void bot.stop());
  }
} catch (failure) {
  console.error(`The bot did not start: ${failure instanceof Error ? failure.message : failure}`);
  process.exitCode = 1;
}
