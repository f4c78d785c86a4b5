import type { EvalItem } from '../item.ts';

const number = (id: string, question: string, value: number): EvalItem => ({
  id: `reasoning-${id}`,
  task: 'reasoning',
  messages: [{ role: 'user', content: `${question} End your answer with the number.` }],
  maxTokens: 160,
  check: { kind: 'number', value },
});

const word = (id: string, question: string, answers: readonly string[]): EvalItem => ({
  id: `reasoning-${id}`,
  task: 'reasoning',
  messages: [{ role: 'user', content: `${question} Answer with one word only.` }],
  maxTokens: 12,
  check: { kind: 'exact', answers },
});

/** Arithmetic and small chains of thought; the last number counts, so that a way to it may be shown. */
export const REASONING_ITEMS: readonly EvalItem[] = [
  number('add', 'What is 47 + 86?', 133),
  number('multiply', 'What is 17 * 6?', 102),
  number('subtract', 'What is 1000 - 387?', 613),
  number('percent', 'What is 15 % of 240?', 36),
  number('eggs', 'A farmer has 5 boxes with 12 eggs each. 7 eggs break. How many whole eggs are left?', 53),
  number('train', 'A train drives 180 km in 90 minutes. How fast is it in km/h?', 120),
  number('ages', 'Tom is three times as old as Ben. Together they are 48. How old is Ben?', 12),
  number('de-preis', 'Drei Hefte kosten 4,50 Euro. Wie viel Euro kosten acht Hefte?', 12),
  number('sequence', 'Which number continues the sequence 2, 6, 18, 54?', 162),
  number('clock', 'A film starts at 19:45 and lasts 130 minutes. In which minute past the hour does it end?', 55),
  word('taller', 'Anna is taller than Bea. Bea is taller than Cleo. Who is the shortest?', ['cleo']),
  word('all', 'All bloops are razzies and all razzies are lazzies. Are all bloops lazzies? Yes or no?', ['yes']),
];
