import type OpenAI from 'openai';
import type { Conversations } from './conversation.ts';
import { explainError } from './explain-error.ts';
import type { Settings } from './settings.ts';
import { type Screen, type Sleep, type Streamed, streamToMessage } from './stream-to-message.ts';

/** What answering needs beside the question. */
export type AnswerParts = {
  readonly openai: OpenAI;
  readonly conversations: Conversations;
  readonly settings: Pick<Settings, 'model' | 'systemPrompt' | 'maxTokens'>;
  readonly sleep?: Sleep;
};

/** One question in one channel. */
export type Question = {
  readonly channel: string;
  readonly text: string;
  readonly screen: Screen;
  /** Aborting it ends the request, and with it the model's work. A reason that is a text is shown. */
  readonly abort: AbortController;
};

/**
 * Asks the gateway and shows the answer as it comes; what was said is remembered when it is complete. Never rejects: what
 * went wrong is shown, and returned for the log.
 */
export async function answer(parts: AnswerParts, question: Question): Promise<Streamed> {
  const { conversations, settings } = parts;
  const { channel, text, screen, abort } = question;
  const end: { reason?: string | null } = {};
  const streamed = await streamToMessage(askForWords(parts, question, end), {
    screen,
    stop: () => abort.abort(),
    sleep: parts.sleep,
    note: (failure, shown) => {
      if (abort.signal.aborted) return typeof abort.signal.reason === 'string' ? small(abort.signal.reason) : undefined;
      if (failure !== undefined) return small(explainError(failure, Date.now()));
      if (shown.trim() === '') return small('The model answered with nothing.');
      return end.reason === 'length' ? small(`Cut off after ${settings.maxTokens} tokens.`) : undefined;
    },
  });
  if (streamed.kind === 'complete' && streamed.text.trim() !== '') conversations.add(channel, text, streamed.text);
  return streamed;
}

async function* askForWords(
  { openai, conversations, settings }: AnswerParts,
  { channel, text, abort }: Question,
  end: { reason?: string | null },
): AsyncGenerator<string> {
  const system = settings.systemPrompt === '' ? [] : [{ role: 'system' as const, content: settings.systemPrompt }];
  const stream = await openai.chat.completions.create(
    {
      model: conversations.model(channel) ?? settings.model,
      messages: [...system, ...conversations.history(channel), { role: 'user', content: text }],
      max_tokens: settings.maxTokens,
      stream: true,
    },
    { signal: abort.signal },
  );
  for await (const { choices } of stream) {
    const [choice] = choices;
    end.reason = choice?.finish_reason ?? end.reason;
    yield choice?.delta.content ?? '';
  }
  // The SDK ends an aborted stream without an error.
  abort.signal.throwIfAborted();
}

// Discord's small print: one line.
const small = (note: string): string => `-# ${note.replace(/\s*\n\s*/g, ' ')}`;
