/** What the bot remembers of its channels: what was said lately and which model was chosen. In memory only. */
export interface Conversations {
  /** What was said, oldest first, as the next request's messages. */
  history(channel: string): readonly Said[];
  /** Adds a question and its answer. */
  add(channel: string, question: string, answer: string): void;
  /** Forgets what was said; the chosen model stays. */
  forget(channel: string): void;
  /** The model chosen for a channel; undefined = the default. */
  model(channel: string): string | undefined;
  choose(channel: string, model: string | undefined): void;
}

/** One message of a conversation. */
export type Said = { readonly role: 'user' | 'assistant'; readonly content: string };

/** What is remembered at most. A bot that runs for months in hundreds of channels must not grow. */
export type ConversationLimits = {
  /** Channels; the one that has been silent for longest is forgotten first. */
  readonly channels: number;
  /** Messages per channel, questions and answers together. */
  readonly messages: number;
  /** Characters per channel: every one of them is read by the model again for every answer. */
  readonly characters: number;
};

/** Starts with no memory. Forgets in whole turns: an answer without its question would confuse the model. */
export function createConversations(limits: ConversationLimits): Conversations {
  type Channel = { readonly said: readonly Said[]; readonly model: string | undefined };
  // A Map keeps the order of insertion: what is written again moves to the end, so the first is the most silent.
  const channels = new Map<string, Channel>();
  const write = (id: string, channel: Channel) => {
    channels.delete(id);
    if (channel.said.length > 0 || channel.model !== undefined) channels.set(id, channel);
    for (const oldest of channels.keys()) {
      if (channels.size <= limits.channels) break;
      channels.delete(oldest);
    }
  };
  return {
    history: (id) => channels.get(id)?.said ?? [],
    add: (id, question, answer) => {
      const turn: Said[] = [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ];
      const before = channels.get(id);
      write(id, { model: before?.model, said: trim([...(before?.said ?? []), ...turn], limits) });
    },
    forget: (id) => write(id, { model: channels.get(id)?.model, said: [] }),
    model: (id) => channels.get(id)?.model,
    choose: (id, model) => write(id, { said: channels.get(id)?.said ?? [], model }),
  };
}

function trim(said: readonly Said[], { messages, characters }: ConversationLimits): readonly Said[] {
  let kept = said;
  while (kept.length > 0 && (kept.length > messages || countCharacters(kept) > characters)) kept = kept.slice(2);
  return kept;
}

const countCharacters = (said: readonly Said[]): number => said.reduce((sum, { content }) => sum + content.length, 0);
