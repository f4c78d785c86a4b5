import type { EvalItem } from '../item.ts';

const json = (id: string, text: string, fields: string, value: unknown): EvalItem => ({
  id: `extract-${id}`,
  task: 'extract',
  messages: [
    { role: 'system', content: 'You answer with one JSON object and nothing else.' },
    { role: 'user', content: `${text}\n\nExtract: ${fields}` },
  ],
  maxTokens: 96,
  check: { kind: 'json', value },
});

const label = (id: string, text: string, labels: string, answers: readonly string[]): EvalItem => ({
  id: `extract-${id}`,
  task: 'extract',
  messages: [{ role: 'user', content: `Classify as one of: ${labels}. Answer with the label only.\n\n${text}` }],
  maxTokens: 8,
  check: { kind: 'exact', answers },
});

/** Fields out of text as JSON, and labels. */
export const EXTRACT_ITEMS: readonly EvalItem[] = [
  json(
    'contact',
    'Please call Maria Jensen on extension 4417, she sits in Oslo.',
    'name (string), extension (number), city (string)',
    { name: 'Maria Jensen', extension: 4417, city: 'Oslo' },
  ),
  json(
    'order',
    'I would like to order 3 oak chairs and 1 pine table, express delivery please.',
    'chairs (number), tables (number), express (boolean)',
    { chairs: 3, tables: 1, express: true },
  ),
  json(
    'log',
    '2024-07-09T03:12:44Z ERROR disk sda1 at 97 percent, service backup stopped',
    'level (string), disk (string), percent (number)',
    { level: 'ERROR', disk: 'sda1', percent: 97 },
  ),
  json(
    'list',
    'Take eggs, flour and a litre of milk, but no sugar this time.',
    'buy (array of strings, single words in the order given)',
    { buy: ['eggs', 'flour', 'milk'] },
  ),
  json(
    'missing',
    'The parcel for Mr Abadi arrived. Nobody knows the sender.',
    'recipient (last name, string), sender (string or null)',
    { recipient: 'Abadi', sender: null },
  ),
  json(
    'de-termin',
    'Der Zahnarzttermin ist am 14. Mai um 8:30 Uhr bei Dr. Krause.',
    'day (number), month (number), time (string HH:MM), doctor (last name, string)',
    { day: 14, month: 5, time: '08:30', doctor: 'Krause' },
  ),
  label('spam', 'You have WON a free cruise! Send your card number now!!!', 'spam, not spam', ['spam']),
  label('mood', 'The screen cracked after two days and nobody answers my mails.', 'positive, negative', ['negative']),
  label('topic', 'The striker scored twice in the second half.', 'politics, sports, weather', ['sports']),
  label('language', 'Wo bleibt denn der Bus heute?', 'English, German, French', ['german']),
  label('intent', 'Can you move my appointment to Friday?', 'cancel, reschedule, complain', ['reschedule']),
];
