import { describe, expect, it } from 'vitest';
import { createConversations } from '../../../examples/discord-bot/conversation.ts';

const limits = { channels: 3, messages: 4, characters: 100 };

describe('createConversations', () => {
  it('keeps what was said per channel', () => {
    const conversations = createConversations(limits);
    conversations.add('a', 'Who?', 'Me.');
    conversations.add('b', 'Where?', 'Here.');
    expect(conversations.history('a')).toEqual([
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: 'Me.' },
    ]);
    expect(conversations.history('c')).toEqual([]);
  });

  it('forgets the oldest turns beyond its messages', () => {
    const conversations = createConversations(limits);
    for (const turn of ['1', '2', '3']) conversations.add('a', `q${turn}`, `a${turn}`);
    expect(conversations.history('a').map(({ content }) => content)).toEqual(['q2', 'a2', 'q3', 'a3']);
  });

  it('forgets the oldest turns beyond its characters, even the last one', () => {
    const conversations = createConversations(limits);
    conversations.add('a', 'x'.repeat(40), 'y'.repeat(40));
    conversations.add('a', 'short', 'and short, but long enough');
    expect(conversations.history('a')).toHaveLength(2);
    conversations.add('a', 'x'.repeat(90), 'y'.repeat(40));
    expect(conversations.history('a')).toEqual([]);
  });

  it('forgets the channel that has been silent for longest', () => {
    const conversations = createConversations(limits);
    for (const channel of ['a', 'b', 'c']) conversations.add(channel, 'q', 'a');
    conversations.add('a', 'q', 'a');
    conversations.choose('d', 'demo-4b');
    expect(['a', 'b', 'c'].map((channel) => conversations.history(channel).length)).toEqual([4, 0, 2]);
  });

  it('keeps the chosen model when what was said is forgotten', () => {
    const conversations = createConversations(limits);
    conversations.choose('a', 'demo-4b');
    conversations.add('a', 'q', 'a');
    conversations.forget('a');
    expect(conversations.history('a')).toEqual([]);
    expect(conversations.model('a')).toBe('demo-4b');
    conversations.choose('a', undefined);
    expect(conversations.model('a')).toBeUndefined();
  });
});
