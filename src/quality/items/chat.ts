import type { EvalCheck, EvalItem, EvalMessage } from '../item.ts';

const talk = (id: string, messages: readonly EvalMessage[], check: EvalCheck, maxTokens = 48): EvalItem => ({
  id: `chat-${id}`,
  task: 'chat',
  messages,
  maxTokens,
  check,
});

const user = (content: string): EvalMessage => ({ role: 'user', content });
const assistant = (content: string): EvalMessage => ({ role: 'assistant', content });
const system = (content: string): EvalMessage => ({ role: 'system', content });

/** Conversations: remembering, obeying the system message, keeping the language, second turns. */
export const CHAT_ITEMS: readonly EvalItem[] = [
  talk('name', [user('Hi, my name is Oskar.'), assistant('Hello Oskar! How can I help?'), user('What is my name?')], {
    kind: 'contains',
    groups: [['oskar']],
  }),
  talk(
    'correction',
    [
      user('My dog is called Rex.'),
      assistant('Nice name!'),
      user('Sorry, I meant Max, not Rex. What is my dog called? One word.'),
    ],
    { kind: 'exact', answers: ['max'] },
    8,
  ),
  talk('system-word', [system('Whatever the user says, answer exactly: BANANA'), user('What time is it?')], {
    kind: 'exact',
    answers: ['BANANA'],
  }),
  talk('system-language', [system('You always answer in German.'), user('What colour is grass? One word.')], {
    kind: 'exact',
    answers: ['grün', 'gruen'],
  }),
  talk('de-reply', [user('Wie heißt die Hauptstadt von Frankreich? Antworte mit einem Wort.')], {
    kind: 'exact',
    answers: ['paris'],
  }),
  talk('zh-reply', [user('中国的首都是哪里?只回答城市名。')], { kind: 'exact', answers: ['北京', '北京市'] }),
  talk(
    'second-turn',
    [user('Name a fruit that is yellow. One word.'), assistant('Banana'), user('Now one that is red. One word.')],
    {
      kind: 'exact',
      answers: ['apple', 'strawberry', 'cherry', 'raspberry', 'cranberry', 'pomegranate', 'tomato'],
    },
    8,
  ),
  talk('yes-no', [user('Is the sea salty? Answer yes or no.')], { kind: 'exact', answers: ['yes'] }, 8),
  talk(
    'refuse-format',
    [system('Answer with at most three words.'), user('Why do we sleep?')],
    { kind: 'contains', groups: [['']], wordsMax: 3 },
    24,
  ),
  talk(
    'sum-of-turns',
    [
      user('Remember the number 8.'),
      assistant('Okay.'),
      user('Remember the number 5.'),
      assistant('Okay.'),
      user('Add both numbers. Answer with the number.'),
    ],
    { kind: 'number', value: 13 },
    24,
  ),
];
